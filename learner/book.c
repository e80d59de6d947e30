#include "learner/book.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/crc32c.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/text.h"
#include "shm/record.h"

#define LINE_BYTES_MAX 384u
/* A record may cut one episode and end another. */
#define BATCH_BYTES   (2 * PAWL_BOOK_BATCH_MAX * LINE_BYTES_MAX)
#define WAITING_BYTES ((size_t)256 << 10) /* some 1,700 lines, until the disk takes them */
_Static_assert(WAITING_BYTES + BATCH_BYTES <= PAWL_TALLY_TEXT_BYTES, "both fit into the tally");

#define TELL_NS       (10 * PAWL_NS_PER_S)
#define MEAN_EPISODES 100.0 /* how far back the means look */
#define LANE_ROOM_MIN 16u

static const char *const episodes_name = "episodes.jsonl", *const ledger_name = "ledger.jsonl";

static int open_file(struct pawl_book *book, struct pawl_linefile *file, const char *name,
                     uint64_t size_bytes, enum pawl_linefile_syncs syncs, struct pawl_err *err)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    char path[4096];

    cfg.sync_period_ns = 0; /* the learner's thread waits for no disk */
    cfg.syncs = syncs;
    int length = snprintf(path, sizeof(path), "%s/%s", book->cfg.folder, name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return pawl_err_set(err, ENAMETOOLONG, "the folder of the run: its path is too long");
    if (pawl_linefile_open(file, book->cfg.io, path, &cfg, err) != 0)
        return -err->code;
    if (size_bytes > file->size_bytes) {
        pawl_log_warn("lines that count are not in their file: the power failed, or somebody "
                      "has cut it",
                      "file=%s lost_bytes=%" PRIu64, name, size_bytes - file->size_bytes);
        return 0;
    }
    if (pawl_linefile_cut(file, size_bytes, err) != 0)
        return pawl_err_wrap(err, "%s", path);
    return 0;
}

/* How long the files are is as of now: what is appended behind this counts with its batch. */
static void note_sizes(struct pawl_book *book)
{
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(book->tally);
    totals->episodes_bytes = book->episodes.size_bytes;
    if (book->cfg.has_ledger)
        totals->ledger_bytes = book->ledger.size_bytes;
    pawl_tally_commit(book->tally);
}

int pawl_book_open(struct pawl_book *book, const struct pawl_book_cfg *cfg,
                   struct pawl_tally *tally, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    const struct pawl_tally_totals *totals = pawl_tally_totals(tally);

    err = err ? err : &unread;
    *book = (struct pawl_book){.cfg = *cfg, .tally = tally, .text = tally->shared->text};
    PAWL_CHECK(totals->text_bytes <= WAITING_BYTES);
    book->text_bytes = (size_t)totals->text_bytes;
    if (open_file(book, &book->episodes, episodes_name, totals->episodes_bytes,
                  cfg->keeper ? PAWL_LINEFILE_SYNCS_ELSEWHERE : PAWL_LINEFILE_SYNCS, err) != 0)
        goto fail;
    if (cfg->has_ledger && open_file(book, &book->ledger, ledger_name, totals->ledger_bytes,
                                     PAWL_LINEFILE_SYNCS_NEVER, err) != 0)
        goto fail;
    if (cfg->keeper)
        pawl_keeper_add(cfg->keeper, episodes_name, &book->episodes);
    note_sizes(book);
    return 0;

fail:
    pawl_book_close(book);
    return pawl_err_wrap(err, "open the run's books");
}

void pawl_book_close(struct pawl_book *book)
{
    struct pawl_err err = {0};
    if (book->cfg.keeper)
        pawl_keeper_remove(book->cfg.keeper, &book->episodes);
    else if (book->episodes.io && pawl_linefile_sync(&book->episodes, &err) != 0)
        pawl_log_warn("cannot be made durable", "file=%s error=%s", episodes_name, err.text);
    pawl_linefile_close(&book->episodes);
    pawl_linefile_close(&book->ledger);
    *book = (struct pawl_book){0};
}

static int remember_lane(struct pawl_book_ring *ring, uint32_t entry)
{
    if (ring->lane_count == ring->lane_room) {
        uint32_t room = ring->lane_room ? 2 * ring->lane_room : LANE_ROOM_MIN;
        uint32_t *entries = realloc(ring->lane_entries, room * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        ring->lane_entries = entries;
        ring->lane_room = room;
    }
    ring->lane_entries[ring->lane_count++] = entry;
    return 0;
}

int pawl_book_add_ring(struct pawl_book *book, struct pawl_book_ring *ring, uint64_t start,
                       uint64_t *next, struct pawl_err *err)
{
    struct pawl_tally *tally = book->tally;

    ring->entry = pawl_tally_find_ring(tally, ring->id);
    if (ring->entry == PAWL_TALLY_NO_ENTRY) {
        ring->entry = pawl_tally_add_ring(tally, ring->id);
        if (ring->entry == PAWL_TALLY_NO_ENTRY)
            return pawl_err_set(err, ENOSPC, "more than %u rings", PAWL_TALLY_RINGS_MAX);
        pawl_tally_edit_ring(tally, ring->entry)->next = start;
        pawl_tally_commit(tally);
    }
    for (uint32_t i = 0; i < tally->lanes_end; i++)
        if (pawl_tally_lane(tally, i)->ring_id == ring->id && remember_lane(ring, i) != 0)
            return pawl_err_set(err, ENOMEM, "out of memory");
    *next = pawl_tally_ring(tally, ring->entry)->next;
    if (start > *next) {
        /* Released and not counted: cannot be, as the commit comes first. */
        book->counts.gaps++;
        pawl_tally_edit_totals(tally)->gap_count++;
        pawl_tally_edit_ring(tally, ring->entry)->next = *next = start;
        pawl_tally_commit(tally);
    }
    return 0;
}

bool pawl_book_is_done(const struct pawl_book *book)
{
    return book->cfg.step_goal != 0 &&
           pawl_tally_totals(book->tally)->step_count >= book->cfg.step_goal;
}

bool pawl_book_wants(const struct pawl_book *book, uint32_t flags)
{
    return !(flags & PAWL_RECORD_STEP) || !pawl_book_is_done(book);
}

/* The entry of the lane in the tally. Lanes come round and round in the same order. */
static uint32_t find_lane(struct pawl_book *book, struct pawl_book_ring *ring, uint32_t lane)
{
    for (uint32_t i = 0; i < ring->lane_count; i++) {
        uint32_t at = ring->lane_hint + i;
        at = at < ring->lane_count ? at : at - ring->lane_count;
        if (pawl_tally_lane(book->tally, ring->lane_entries[at])->lane == lane) {
            ring->lane_hint = at + 1 < ring->lane_count ? at + 1 : 0;
            return ring->lane_entries[at];
        }
    }
    uint32_t entry = pawl_tally_add_lane(book->tally, ring->id, lane);
    if (entry != PAWL_TALLY_NO_ENTRY && remember_lane(ring, entry) != 0)
        return PAWL_TALLY_NO_ENTRY;
    return entry;
}

static const char *end_name(uint32_t flags)
{
    return flags & PAWL_RECORD_TERMINATED  ? "terminated"
           : flags & PAWL_RECORD_TRUNCATED ? "truncated"
                                           : "cut";
}

static void note_means(struct pawl_book *book, const struct pawl_tally_lane *lane)
{
    double count = (double)++book->mean_count;
    double weight = 1.0 / (count < MEAN_EPISODES ? count : MEAN_EPISODES);
    book->return_mean += weight * (lane->return_sum - book->return_mean);
    book->length_mean += weight * ((double)lane->step_count - book->length_mean);
}

/* Writes the line of an episode and closes it. flags: how it ended; missing_count: its steps
 * that were given up before they came here. */
static void end_episode(struct pawl_book *book, const struct pawl_book_ring *ring,
                        struct pawl_tally_lane *lane, uint32_t flags, uint32_t missing_count)
{
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(book->tally);
    struct pawl_json_writer out;

    pawl_json_open_fixed(&out, book->text + book->text_bytes, LINE_BYTES_MAX);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_u64(&out, "env_step", totals->step_count);
    pawl_json_put_u64(&out, "actor", ring->actor);
    pawl_json_put_u64(&out, "lane", lane->lane);
    pawl_json_put_u64(&out, "episode", lane->episode);
    pawl_json_put_u64(&out, "length", lane->step_count);
    pawl_json_put_f64_or_null(&out, "return", lane->return_sum);
    pawl_json_put_string(&out, "end", end_name(flags));
    pawl_json_put_bool(&out, "success", (lane->flags & PAWL_RECORD_SUCCESS) != 0);
    pawl_json_put_bool(&out, "intervention", (lane->flags & PAWL_RECORD_INTERVENTION) != 0);
    if (lane->refused_count)
        pawl_json_put_u64(&out, "refused", lane->refused_count);
    if (missing_count)
        pawl_json_put_u64(&out, "missing", missing_count);
    if (book->cfg.has_times)
        pawl_json_put_f64(&out, "wall",
                          (double)(pawl_clock_wall_ns() / PAWL_NS_PER_MS) / 1000.0);
    pawl_json_end(&out);
    size_t length = 0;
    if (pawl_json_finish(&out, &length, NULL)) {
        book->text[book->text_bytes + length] = '\n';
        book->text_bytes += length + 1;
    }

    totals->episode_count++;
    book->counts.episodes++;
    if (flags & (PAWL_RECORD_TERMINATED | PAWL_RECORD_TRUNCATED))
        note_means(book, lane);
    lane->is_open = 0;
}

static void open_episode(struct pawl_tally_lane *lane, uint32_t episode)
{
    lane->return_sum = 0.0;
    lane->episode = episode;
    lane->step_count = 0;
    lane->refused_count = 0;
    lane->flags = 0;
    lane->is_open = 1;
}

static void count_gap(struct pawl_book *book, const struct pawl_book_ring *ring)
{
    if (ring->may_miss)
        return;
    book->counts.gaps++;
    pawl_tally_edit_totals(book->tally)->gap_count++;
}

static void take_step(struct pawl_book *book, const struct pawl_book_ring *ring,
                      struct pawl_tally_lane *lane, const struct pawl_ring_record *record,
                      float reward, bool is_sound)
{
    if (lane->is_open && lane->episode != record->episode)
        end_episode(book, ring, lane, 0, 0); /* given up by the actor */
    if (!lane->is_open) {
        open_episode(lane, record->episode);
        if (record->step != 0)
            count_gap(book, ring);
    } else if (record->step != lane->step_count)
        count_gap(book, ring);
    lane->step_count++;
    lane->flags |= record->flags & (PAWL_RECORD_SUCCESS | PAWL_RECORD_INTERVENTION);
    if (is_sound)
        lane->return_sum += (double)reward;
    pawl_tally_edit_totals(book->tally)->step_count++;
    book->counts.steps++;
}

static void take_final(struct pawl_book *book, const struct pawl_book_ring *ring,
                       struct pawl_tally_lane *lane, const struct pawl_ring_record *record)
{
    if (lane->is_open && lane->episode != record->episode)
        end_episode(book, ring, lane, 0, 0);
    if (!lane->is_open)
        open_episode(lane, record->episode); /* all its steps were given up */
    uint32_t missing_count =
        record->step > lane->step_count ? record->step - lane->step_count : 0;
    if (record->step != lane->step_count)
        count_gap(book, ring);
    lane->flags |= record->flags & (PAWL_RECORD_SUCCESS | PAWL_RECORD_INTERVENTION);
    end_episode(book, ring, lane, record->flags, missing_count);
}

/* All of a record that is the same in equal runs. */
static uint32_t extend_checksum(uint32_t crc, const struct pawl_ring_record *record,
                                const unsigned char *data)
{
    struct pawl_ring_record same = *record;
    same.capture_ns = 0;
    same.crc32c = 0;
    same.reserved = 0;
    crc = pawl_crc32c(crc, &same, sizeof(same));
    return pawl_crc32c(crc, data, record->bytes);
}

int pawl_book_take(struct pawl_book *book, struct pawl_book_ring *ring,
                   const struct pawl_ring_record *record, const unsigned char *data,
                   float reward, bool is_sound, struct pawl_err *err)
{
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(book->tally);
    struct pawl_tally_lane *lane = NULL;

    ring->lane_taken = PAWL_TALLY_NO_ENTRY;
    /* With a form of its own a record says nothing about a lane. */
    uint32_t kind = record->flags & (PAWL_RECORD_STEP | PAWL_RECORD_FINAL);
    bool has_form = (kind == PAWL_RECORD_STEP || kind == PAWL_RECORD_FINAL) &&
                    !(record->flags & ~PAWL_RECORD_FLAGS_KNOWN) &&
                    record->lane < PAWL_RECORD_LANES_MAX;
    if (has_form) {
        uint32_t entry = find_lane(book, ring, record->lane);
        if (entry == PAWL_TALLY_NO_ENTRY)
            return pawl_err_set(err, ENOSPC, "actor %u: more than %u lanes in the run",
                                ring->actor, PAWL_TALLY_LANES_MAX);
        lane = pawl_tally_edit_lane(book->tally, entry);
        if (is_sound)
            ring->lane_taken = entry;
    }
    if (book->cfg.has_ledger) {
        struct pawl_tally_ring *entry = pawl_tally_edit_ring(book->tally, ring->entry);
        entry->crc32c = extend_checksum(entry->crc32c, record, data);
    }
    if (kind == PAWL_RECORD_STEP && lane)
        take_step(book, ring, lane, record, reward, is_sound);
    if (!is_sound || !lane) {
        totals->refused_count++;
        book->counts.refused++;
        if (lane)
            lane->refused_count++;
    } else {
        totals->record_count++;
        book->counts.records++;
    }
    if (kind == PAWL_RECORD_FINAL && lane)
        take_final(book, ring, lane, record);
    return 0;
}

static void begin_ledger_line(struct pawl_json_writer *out, struct pawl_book *book,
                              const struct pawl_book_ring *ring)
{
    char epoch[2 * PAWL_HUB_EPOCH_BYTES + 1];
    pawl_text_hex(ring->epoch, PAWL_HUB_EPOCH_BYTES, epoch);
    pawl_json_open_fixed(out, book->ledger_line, sizeof(book->ledger_line) - 1);
    pawl_json_begin_object(out, NULL);
    pawl_json_put_u64(out, "actor", ring->actor);
    pawl_json_put_string(out, "epoch", epoch);
}

static void end_ledger_line(struct pawl_json_writer *out, struct pawl_book *book,
                            const struct pawl_book_ring *ring)
{
    size_t length = 0;
    pawl_json_put_u64(out, "crc32c", pawl_tally_ring(book->tally, ring->entry)->crc32c);
    pawl_json_end(out);
    if (!pawl_json_finish(out, &length, NULL))
        return;
    book->ledger_line[length] = '\n';
    book->ledger_line_bytes = length + 1;
}

/* Appends what waits to its file. A failure leaves it waiting. */
static int write_lines(struct pawl_linefile *file, const char *name, const char *text,
                       size_t *text_bytes, struct pawl_err *err)
{
    if (pawl_linefile_append_lines(file, text, *text_bytes, err) != 0)
        return pawl_err_wrap(err, "%s", name);
    *text_bytes = 0;
    return 0;
}

static void lose_newest_lines(struct pawl_book *book)
{
    while (book->text_bytes > WAITING_BYTES) {
        const char *end = memrchr(book->text, '\n', book->text_bytes - 1);
        book->text_bytes = end ? (size_t)(end + 1 - book->text) : 0;
        book->lost_count++;
    }
}

static void write_episodes(struct pawl_book *book)
{
    struct pawl_err err = {0};
    if (!book->text_bytes)
        return;
    if (write_lines(&book->episodes, episodes_name, book->text, &book->text_bytes, &err) == 0) {
        if (book->is_refused)
            pawl_log_info("episodes are written again", "lost=%" PRIu64, book->lost_count);
        book->is_refused = false;
        return;
    }
    lose_newest_lines(book);
    if (err.code == EAGAIN && book->text_bytes < WAITING_BYTES / 2)
        return; /* a moment, until the disk has answered */
    uint64_t now_ns = pawl_clock_now_ns();
    if (!book->is_refused || now_ns - book->told_ns >= TELL_NS) {
        book->told_ns = now_ns;
        pawl_log_error("episodes not written; the run goes on, their lines wait",
                       "bytes=%zu lost=%" PRIu64 " reason=%s", book->text_bytes,
                       book->lost_count, err.text);
    }
    book->is_refused = true;
}

/* Writes the lines of the batch, and with them makes it count. */
static int commit_batch(struct pawl_book *book, struct pawl_err *err)
{
    struct pawl_tally_totals *totals = pawl_tally_edit_totals(book->tally);

    write_episodes(book);
    totals->episodes_bytes = book->episodes.size_bytes;
    totals->text_bytes = book->text_bytes;
    PAWL_FAULT("learner.write_episodes");
    if (book->ledger_line_bytes && write_lines(&book->ledger, ledger_name, book->ledger_line,
                                               &book->ledger_line_bytes, err) != 0)
        return -EIO;
    totals->ledger_bytes = book->ledger.size_bytes;
    PAWL_FAULT("learner.commit");
    pawl_tally_commit(book->tally);
    return 0;
}

int pawl_book_commit(struct pawl_book *book, struct pawl_book_ring *ring, uint64_t next,
                     struct pawl_err *err)
{
    struct pawl_tally_ring *entry = pawl_tally_edit_ring(book->tally, ring->entry);

    if (book->cfg.has_ledger && next != entry->next) {
        struct pawl_json_writer out;
        begin_ledger_line(&out, book, ring);
        pawl_json_put_u64(&out, "first", entry->next);
        pawl_json_put_u64(&out, "last", next - 1);
        end_ledger_line(&out, book, ring);
    }
    entry->next = next; /* a second try has its line already */
    return commit_batch(book, err);
}

void pawl_book_turn(struct pawl_book *book)
{
    bool is_waited = book->text_bytes > 0 && !book->is_refused && !book->ledger_line_bytes &&
                     !pawl_linefile_is_waiting(&book->episodes);
    if (is_waited)
        (void)commit_batch(book, NULL); /* fails for a ledger alone, which has nothing to say */
}

/* Cuts the episodes of some lanes, whose lines have room. */
static void end_lanes(struct pawl_book *book, struct pawl_book_ring *ring)
{
    for (uint32_t i = 0; i < PAWL_BOOK_BATCH_MAX && ring->lane_count > 0; i++) {
        struct pawl_tally_lane *lane =
            pawl_tally_edit_lane(book->tally, ring->lane_entries[--ring->lane_count]);
        if (lane->is_open)
            end_episode(book, ring, lane, 0, 0);
        lane->ring_id = 0;
    }
}

int pawl_book_end_ring(struct pawl_book *book, struct pawl_book_ring *ring,
                       struct pawl_err *err)
{
    if (commit_batch(book, err) != 0) /* what an earlier try has left */
        return -EIO;
    while (ring->lane_count > 0) {
        end_lanes(book, ring);
        if (commit_batch(book, err) != 0)
            return -EIO;
    }
    if (pawl_tally_ring(book->tally, ring->entry)->is_ended)
        return 0;
    if (book->cfg.has_ledger) {
        struct pawl_json_writer out;
        begin_ledger_line(&out, book, ring);
        pawl_json_put_u64(&out, "end", pawl_tally_ring(book->tally, ring->entry)->next);
        end_ledger_line(&out, book, ring);
    }
    pawl_tally_edit_ring(book->tally, ring->entry)->is_ended = 1;
    return commit_batch(book, err);
}

void pawl_book_strike_ring(struct pawl_book *book, struct pawl_book_ring *ring)
{
    struct pawl_tally_ring *entry = pawl_tally_edit_ring(book->tally, ring->entry);
    entry->id = 0;
    entry->is_ended = 0;
    pawl_tally_commit(book->tally);
}

void pawl_book_drop_ring(struct pawl_book_ring *ring)
{
    free(ring->lane_entries);
    ring->lane_entries = NULL;
    ring->lane_count = ring->lane_room = 0;
}
