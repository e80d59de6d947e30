#include "learner/stores.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/log.h"
#include "shm/record.h"

static bool wants_offline(const struct pawl_stores *stores)
{
    return stores->setup.cfg->offline_ratio > 0.0;
}

/* Frames that count and are in no memory any more come from the disk. */
static int load_journal(struct pawl_stores *stores, struct pawl_replay *replay,
                        const char *name, uint64_t head, struct pawl_err *err)
{
    struct pawl_journal_loaded loaded = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", stores->setup.folder, name);
    if (pawl_journal_load(stores->setup.io, path, replay, head, &loaded, err) != 0)
        return -err->code;
    if (loaded.torn_files > 0)
        pawl_log_warn("journal has a torn end", "files=%" PRIu64 " first=%s", loaded.torn_files,
                      loaded.torn_text);
    pawl_log_info("replay loaded", "store=%s frames=%" PRIu64 " missing=%" PRIu64, name,
                  loaded.frames, loaded.empty);
    return 0;
}

static struct pawl_store *store_at(struct pawl_stores *stores, uint32_t index)
{
    return index == 0 ? &stores->online : &stores->offline;
}

static int open_store(struct pawl_stores *stores, struct pawl_store *store,
                      const struct pawl_replay_setup *setup, const char *journal_name,
                      uint64_t head, struct pawl_err *err)
{
    const struct pawl_heirloom *heirloom = pawl_estate_find(stores->setup.estate, setup->label);
    if (heirloom)
        return pawl_replay_attach(&store->replay, heirloom->fd, heirloom->total_bytes, head,
                                  setup, err);
    if (pawl_replay_create(&store->replay, setup, err) != 0)
        return -err->code;
    return head == 0 ? 0 : load_journal(stores, &store->replay, journal_name, head, err);
}

/* What the last two checkpoints have of the store: a dead learner's word. A run that is resumed
 * has one checkpoint: should it end before its next one, it is resumed from here again. */
static void keep_saved(struct pawl_stores *stores, uint32_t index, uint64_t head)
{
    struct pawl_store *store = store_at(stores, index);
    struct pawl_tally *tally = stores->setup.tally;
    bool is_inherited = store->replay.segment.fd < 0;

    if (!is_inherited && head > 0 && !pawl_tally_saved(tally)->stores[index].is_known) {
        pawl_tally_edit_saved(tally)->stores[index] =
            (struct pawl_tally_saved_store){.is_known = 1, .head = head, .keep_head = head};
        pawl_tally_commit(tally);
    }
    const struct pawl_tally_saved_store *saved = &pawl_tally_saved(tally)->stores[index];
    if (saved->is_known)
        pawl_journal_keep(&store->journal, saved->keep_head);
}

/* head: of the frames that count. */
static int open_journal(struct pawl_stores *stores, uint32_t index, const char *name,
                        uint64_t head, struct pawl_err *err)
{
    struct pawl_store *store = store_at(stores, index);
    struct pawl_journal_cfg cfg = pawl_journal_default_cfg();
    char path[PATH_MAX];

    if (!stores->setup.cfg->journal)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", stores->setup.folder, name);
    cfg.io = stores->setup.io;
    cfg.queue_kind = stores->setup.queue;
    cfg.folder = path;
    cfg.sync_period_ns =
        (uint64_t)(stores->setup.cfg->journal_sync_period_s * (double)PAWL_NS_PER_S);
    /* Its frames are in memory: no disk is waited for. */
    cfg.is_looked_for_later = store->replay.segment.fd < 0;
    if (pawl_journal_open(&store->journal, &cfg, &store->replay, err) != 0)
        return -err->code;
    keep_saved(stores, index, head);
    return 0;
}

/* Demonstrations of a file stand before all interventions of the run. They are loaded into a
 * new store, and again when nothing brings them back: without a journal, or when the learner
 * that loaded them died before the hub had its store. */
static int load_demonstrations(struct pawl_stores *stores, struct pawl_err *err)
{
    struct pawl_journal_loaded loaded = {0};
    struct pawl_replay *replay = &stores->offline.replay;

    bool is_inherited = replay->segment.fd < 0;
    if (stores->setup.cfg->offline[0] == '\0' || is_inherited || replay->sample_count > 0)
        return 0;
    if (pawl_journal_load_file(stores->setup.io, stores->setup.cfg->offline, replay, &loaded,
                               err) != 0)
        return pawl_err_wrap(err, "replay.offline");
    pawl_tally_edit_totals(stores->setup.tally)->offline_frame_count = replay->next;
    pawl_tally_commit(stores->setup.tally);
    pawl_log_info("demonstrations loaded", "frames=%" PRIu64 " transitions=%" PRIu64,
                  loaded.frames, replay->sample_count);
    return 0;
}

static int check_memory(const struct pawl_stores *stores,
                        const struct pawl_replay_setup *online,
                        const struct pawl_replay_setup *offline, struct pawl_err *err)
{
    uint64_t online_bytes = 0, offline_bytes = 0;
    if (pawl_replay_bytes(online, &online_bytes, err) != 0)
        return pawl_err_wrap(err, "replay.capacity");
    if (wants_offline(stores) && pawl_replay_bytes(offline, &offline_bytes, err) != 0)
        return pawl_err_wrap(err, "replay.offline_capacity");
    pawl_log_info("replay memory", "online_bytes=%" PRIu64 " offline_bytes=%" PRIu64,
                  online_bytes, offline_bytes);
    if (pawl_estate_find(stores->setup.estate, PAWL_REPLAY_LABEL))
        return 0; /* it is there already */
    return pawl_replay_check_memory(online_bytes + offline_bytes, "replay", err);
}

static int open_sampler(struct pawl_stores *stores, struct pawl_err *err)
{
    const struct pawl_replay_cfg *cfg = stores->setup.cfg;
    const struct pawl_replay_sampler_cfg sampler = {
        .seed = stores->setup.seed,
        .batch_count_max = stores->setup.batch_count,
        .n_step = (uint32_t)cfg->n_step,
        .discount = stores->setup.discount,
        .offline_ratio = cfg->offline_ratio,
        .is_prioritized = cfg->prioritized,
        .alpha = cfg->alpha,
        .beta = cfg->beta,
        .beta_draws = (uint64_t)cfg->beta_draws,
    };
    return pawl_replay_sampler_open(&stores->sampler, &sampler, &stores->online.replay,
                                    wants_offline(stores) ? &stores->offline.replay : NULL,
                                    err);
}

int pawl_stores_open(struct pawl_stores *stores, const struct pawl_stores_setup *setup,
                     struct pawl_err *err)
{
    const struct pawl_replay_setup online = {.label = PAWL_REPLAY_LABEL,
                                             .spec = setup->spec,
                                             .capacity = (uint64_t)setup->cfg->capacity};
    const struct pawl_replay_setup offline = {.label = PAWL_REPLAY_OFFLINE_LABEL,
                                              .spec = setup->spec,
                                              .capacity =
                                                  (uint64_t)setup->cfg->offline_capacity};
    const struct pawl_tally_totals totals = *pawl_tally_totals(setup->tally);

    *stores = (struct pawl_stores){.setup = *setup, .is_open = true};
    stores->online.replay.segment.fd = stores->offline.replay.segment.fd = -1;
    if (check_memory(stores, &online, &offline, err) != 0 ||
        open_store(stores, &stores->online, &online, PAWL_JOURNAL_FOLDER, totals.frame_count,
                   err) != 0 ||
        open_journal(stores, 0, PAWL_JOURNAL_FOLDER, totals.frame_count, err) != 0)
        goto fail;
    if (wants_offline(stores) &&
        (open_store(stores, &stores->offline, &offline, PAWL_JOURNAL_OFFLINE_FOLDER,
                    totals.offline_frame_count, err) != 0 ||
         load_demonstrations(stores, err) != 0 ||
         open_journal(stores, 1, PAWL_JOURNAL_OFFLINE_FOLDER, totals.offline_frame_count,
                      err) != 0))
        goto fail;
    if (open_sampler(stores, err) != 0)
        goto fail;
    return 0;

fail:
    (void)pawl_stores_close(stores);
    return pawl_err_wrap(err, "open replay");
}

int pawl_stores_close(struct pawl_stores *stores)
{
    if (!stores->is_open)
        return 0;
    int online = pawl_journal_close(&stores->online.journal);
    int offline = pawl_journal_close(&stores->offline.journal);
    if (online != 0 || offline != 0) /* they are written from */
        return -ETIMEDOUT;
    pawl_replay_sampler_close(&stores->sampler);
    pawl_replay_close(&stores->online.replay);
    pawl_replay_close(&stores->offline.replay);
    *stores = (struct pawl_stores){0};
    return 0;
}

/* Puts the record behind the lane's frame `*last` (counted from 1), if it follows it. */
static void put(struct pawl_replay *replay, const struct pawl_ring_record *record,
                uint32_t flags, const unsigned char *data, uint64_t *last)
{
    const struct pawl_replay_frame frame = {
        .prev = *last ? *last - 1 : PAWL_REPLAY_NONE,
        .policy_version = record->policy_version,
        .lane = record->lane,
        .episode = record->episode,
        .step = record->step,
        .flags = flags,
    };
    uint64_t number = pawl_replay_put(replay, &frame, data);
    *last = flags & PAWL_RECORD_STEP ? number + 1 : 0;
}

static void take(void *arg, const struct pawl_ring_record *record, const unsigned char *data,
                 uint32_t entry)
{
    struct pawl_stores *stores = arg;
    struct pawl_tally_lane *lane = pawl_tally_edit_lane(stores->setup.tally, entry);
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(stores->setup.tally);

    if (lane->frame_episode != record->episode || record->step != lane->frame_step + 1)
        lane->frame = lane->offline_frame = 0;
    put(&stores->online.replay, record, record->flags, data, &lane->frame);
    totals->frame_count = stores->online.replay.next;
    if (wants_offline(stores)) {
        if ((record->flags & PAWL_RECORD_STEP) && (record->flags & PAWL_RECORD_INTERVENTION))
            put(&stores->offline.replay, record, record->flags, data, &lane->offline_frame);
        else if (lane->offline_frame)
            put(&stores->offline.replay, record, PAWL_RECORD_FINAL, data, &lane->offline_frame);
        totals->offline_frame_count = stores->offline.replay.next;
    }
    lane->frame_episode = record->episode;
    lane->frame_step = record->step;
}

static void committed(void *arg)
{
    struct pawl_stores *stores = arg;
    pawl_replay_commit(&stores->online.replay);
    if (wants_offline(stores))
        pawl_replay_commit(&stores->offline.replay);
}

struct pawl_ingest_sink pawl_stores_sink(struct pawl_stores *stores)
{
    return (struct pawl_ingest_sink){.arg = stores, .take = take, .committed = committed};
}

void pawl_stores_poll(struct pawl_stores *stores, uint64_t now_ns)
{
    if (stores->online.journal.state)
        pawl_journal_poll(&stores->online.journal, now_ns);
    if (stores->offline.journal.state)
        pawl_journal_poll(&stores->offline.journal, now_ns);
}

void pawl_stores_hurry(struct pawl_stores *stores)
{
    if (stores->online.journal.state)
        pawl_journal_hurry(&stores->online.journal);
    if (stores->offline.journal.state)
        pawl_journal_hurry(&stores->offline.journal);
}

void pawl_stores_saved(struct pawl_stores *stores, const struct pawl_tally_totals *totals)
{
    const uint64_t heads[PAWL_TALLY_STORES] = {totals->frame_count,
                                               totals->offline_frame_count};
    struct pawl_tally_saved *saved = pawl_tally_edit_saved(stores->setup.tally);
    for (uint32_t i = 0; i < PAWL_TALLY_STORES; i++) {
        struct pawl_tally_saved_store *store = &saved->stores[i];
        *store = (struct pawl_tally_saved_store){
            .is_known = 1, .head = heads[i], .keep_head = store->is_known ? store->head : 0};
        pawl_journal_keep(&store_at(stores, i)->journal, store->keep_head);
    } /* counts with the next batch: who dies before it lets more be kept, not less */
}

int pawl_stores_flush(struct pawl_stores *stores, uint64_t deadline_ns, struct pawl_err *err)
{
    int code = 0;
    if (stores->online.journal.state)
        code = pawl_journal_flush(&stores->online.journal, deadline_ns, err);
    if (code == 0 && stores->offline.journal.state)
        code = pawl_journal_flush(&stores->offline.journal, deadline_ns, err);
    return code;
}
