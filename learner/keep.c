#include "learner/keep.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/log.h"
#include "shm/record.h"

static bool wants_offline(const struct pawl_keep *keep)
{
    return keep->setup.cfg->offline_ratio > 0.0;
}

/* Frames that count and are in no memory any more come from the disk. */
static int load_journal(struct pawl_keep *keep, struct pawl_replay *replay, const char *name,
                        uint64_t head, struct pawl_err *err)
{
    struct pawl_journal_loaded loaded = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", keep->setup.folder, name);
    if (pawl_journal_load(keep->setup.io, path, replay, head, &loaded, err) != 0)
        return -err->code;
    if (loaded.torn_files > 0)
        pawl_log_warn("journal has a torn end", "files=%" PRIu64 " first=%s", loaded.torn_files,
                      loaded.torn_text);
    pawl_log_info("replay loaded", "store=%s frames=%" PRIu64 " missing=%" PRIu64, name,
                  loaded.frames, loaded.empty);
    return 0;
}

static int open_store(struct pawl_keep *keep, struct pawl_keep_store *store,
                      const struct pawl_replay_setup *setup, const char *journal_name,
                      uint64_t head, struct pawl_err *err)
{
    const struct pawl_heirloom *heirloom = pawl_estate_find(keep->setup.estate, setup->label);
    if (heirloom)
        return pawl_replay_attach(&store->replay, heirloom->fd, heirloom->total_bytes, head,
                                  setup, err);
    if (pawl_replay_create(&store->replay, setup, err) != 0)
        return -err->code;
    return head == 0 ? 0 : load_journal(keep, &store->replay, journal_name, head, err);
}

static int open_journal(struct pawl_keep *keep, struct pawl_keep_store *store, const char *name,
                        struct pawl_err *err)
{
    struct pawl_journal_cfg cfg = pawl_journal_default_cfg();
    char path[PATH_MAX];

    if (!keep->setup.cfg->journal)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", keep->setup.folder, name);
    cfg.io = keep->setup.io;
    cfg.folder = path;
    cfg.sync_period_ns =
        (uint64_t)(keep->setup.cfg->journal_sync_period_s * (double)PAWL_NS_PER_S);
    return pawl_journal_open(&store->journal, &cfg, &store->replay, err);
}

/* Demonstrations of a file stand before all interventions of the run. */
static int load_demonstrations(struct pawl_keep *keep, struct pawl_err *err)
{
    struct pawl_journal_loaded loaded = {0};
    struct pawl_replay *replay = &keep->offline.replay;

    if (keep->setup.cfg->offline[0] == '\0' || replay->head != 0)
        return 0;
    if (pawl_journal_load_file(keep->setup.io, keep->setup.cfg->offline, replay, &loaded,
                               err) != 0)
        return pawl_err_wrap(err, "replay.offline");
    pawl_tally_edit_totals(keep->setup.tally)->offline_frame_count = replay->next;
    pawl_tally_commit(keep->setup.tally);
    pawl_log_info("demonstrations loaded", "frames=%" PRIu64 " transitions=%" PRIu64,
                  loaded.frames, replay->sample_count);
    return 0;
}

static int check_memory(const struct pawl_keep *keep, const struct pawl_replay_setup *online,
                        const struct pawl_replay_setup *offline, struct pawl_err *err)
{
    uint64_t online_bytes = 0, offline_bytes = 0;
    if (pawl_replay_bytes(online, &online_bytes, err) != 0)
        return pawl_err_wrap(err, "replay.capacity");
    if (wants_offline(keep) && pawl_replay_bytes(offline, &offline_bytes, err) != 0)
        return pawl_err_wrap(err, "replay.offline_capacity");
    pawl_log_info("replay memory", "online_bytes=%" PRIu64 " offline_bytes=%" PRIu64,
                  online_bytes, offline_bytes);
    if (pawl_estate_find(keep->setup.estate, PAWL_REPLAY_LABEL))
        return 0; /* it is there already */
    return pawl_replay_check_memory(online_bytes + offline_bytes, "replay", err);
}

static int open_sampler(struct pawl_keep *keep, struct pawl_err *err)
{
    const struct pawl_replay_cfg *cfg = keep->setup.cfg;
    const struct pawl_replay_sampler_cfg sampler = {
        .seed = keep->setup.seed,
        .batch_count_max = keep->setup.batch_count,
        .n_step = (uint32_t)cfg->n_step,
        .discount = keep->setup.discount,
        .offline_ratio = cfg->offline_ratio,
        .is_prioritized = cfg->prioritized,
        .alpha = cfg->alpha,
        .beta = cfg->beta,
        .beta_draws = (uint64_t)cfg->beta_draws,
    };
    return pawl_replay_sampler_open(&keep->sampler, &sampler, &keep->online.replay,
                                    wants_offline(keep) ? &keep->offline.replay : NULL, err);
}

int pawl_keep_open(struct pawl_keep *keep, const struct pawl_keep_setup *setup,
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

    *keep = (struct pawl_keep){.setup = *setup, .is_open = true};
    keep->online.replay.segment.fd = keep->offline.replay.segment.fd = -1;
    if (check_memory(keep, &online, &offline, err) != 0 ||
        open_store(keep, &keep->online, &online, PAWL_JOURNAL_FOLDER, totals.frame_count,
                   err) != 0 ||
        open_journal(keep, &keep->online, PAWL_JOURNAL_FOLDER, err) != 0)
        goto fail;
    if (wants_offline(keep) &&
        (open_store(keep, &keep->offline, &offline, PAWL_JOURNAL_OFFLINE_FOLDER,
                    totals.offline_frame_count, err) != 0 ||
         load_demonstrations(keep, err) != 0 ||
         open_journal(keep, &keep->offline, PAWL_JOURNAL_OFFLINE_FOLDER, err) != 0))
        goto fail;
    if (open_sampler(keep, err) != 0)
        goto fail;
    return 0;

fail:
    pawl_keep_close(keep);
    return pawl_err_wrap(err, "open replay");
}

void pawl_keep_close(struct pawl_keep *keep)
{
    if (!keep->is_open)
        return;
    pawl_replay_sampler_close(&keep->sampler);
    pawl_journal_close(&keep->online.journal);
    pawl_journal_close(&keep->offline.journal);
    pawl_replay_close(&keep->online.replay);
    pawl_replay_close(&keep->offline.replay);
    *keep = (struct pawl_keep){0};
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
    struct pawl_keep *keep = arg;
    struct pawl_tally_lane *lane = pawl_tally_edit_lane(keep->setup.tally, entry);
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(keep->setup.tally);

    if (lane->frame_episode != record->episode || record->step != lane->frame_step + 1)
        lane->frame = lane->offline_frame = 0;
    put(&keep->online.replay, record, record->flags, data, &lane->frame);
    totals->frame_count = keep->online.replay.next;
    if (wants_offline(keep)) {
        if ((record->flags & PAWL_RECORD_STEP) && (record->flags & PAWL_RECORD_INTERVENTION))
            put(&keep->offline.replay, record, record->flags, data, &lane->offline_frame);
        else if (lane->offline_frame)
            put(&keep->offline.replay, record, PAWL_RECORD_FINAL, data, &lane->offline_frame);
        totals->offline_frame_count = keep->offline.replay.next;
    }
    lane->frame_episode = record->episode;
    lane->frame_step = record->step;
}

static void committed(void *arg)
{
    struct pawl_keep *keep = arg;
    pawl_replay_commit(&keep->online.replay);
    if (wants_offline(keep))
        pawl_replay_commit(&keep->offline.replay);
}

struct pawl_ingest_sink pawl_keep_sink(struct pawl_keep *keep)
{
    return (struct pawl_ingest_sink){.arg = keep, .take = take, .committed = committed};
}

void pawl_keep_poll(struct pawl_keep *keep, uint64_t now_ns)
{
    if (keep->online.journal.state)
        pawl_journal_poll(&keep->online.journal, now_ns);
    if (keep->offline.journal.state)
        pawl_journal_poll(&keep->offline.journal, now_ns);
}

int pawl_keep_flush(struct pawl_keep *keep, uint64_t deadline_ns, struct pawl_err *err)
{
    int code = 0;
    if (keep->online.journal.state)
        code = pawl_journal_flush(&keep->online.journal, deadline_ns, err);
    if (code == 0 && keep->offline.journal.state)
        code = pawl_journal_flush(&keep->offline.journal, deadline_ns, err);
    return code;
}
