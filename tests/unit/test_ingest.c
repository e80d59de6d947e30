#include "learner/ingest.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/json.h"
#include "support/alloc_count.h"
#include "support/producer.h"
#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_ingest ingest;
static struct producer actor;
static struct pawl_err err;

static struct pawl_ingest_cfg cfg_here(void)
{
    return (struct pawl_ingest_cfg){
        .ring_count_max = 4,
        .batch_count = PAWL_BOOK_BATCH_MAX,
        .book = {.folder = scratch.path, .has_ledger = true, .io = pawl_io_sys()},
    };
}

static void open_with(const struct pawl_ingest_cfg *cfg)
{
    ck_assert_msg(pawl_ingest_open(&ingest, cfg, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_ingest_begin(&ingest, &err) == 0, "%s", err.text);
}

static struct pawl_ingest_ring *add(struct producer *producer, uint64_t id)
{
    const struct pawl_hub_offer offer = producer_offer(producer, id);
    struct pawl_ingest_ring *ring =
        pawl_ingest_add_ring(&ingest, &offer, producer->segment.fd, &err);
    ck_assert_msg(ring != NULL, "%s", err.text);
    ck_assert_int_eq(pawl_ring_bind(&producer->tx, &ingest.acks, ring->page, -1, &err), 0);
    return ring;
}

static struct pawl_ingest_ring *open_one(uint32_t slot_count)
{
    scratch_open(&scratch);
    const struct pawl_ingest_cfg cfg = cfg_here();
    open_with(&cfg);
    producer_open(&actor, slot_count);
    return add(&actor, 1);
}

/* The learner is gone; its successor goes on with what the hub kept. */
static struct pawl_ingest_ring *succeed(const struct pawl_ingest_cfg *cfg)
{
    static struct pawl_ingest dead[8]; /* nothing of it is closed in order */
    static int dead_count;
    struct pawl_hub_offer offer = producer_offer(&actor, 1);
    struct pawl_ingest *before = &dead[dead_count++];
    int acks_fd = dup(ingest.acks.fd), tally_fd = dup(ingest.tally.segment.fd);
    *before = ingest;
    ck_assert_int_eq(pawl_ingest_open(&ingest, cfg, &err), 0);
    ck_assert_int_eq(
        pawl_ingest_adopt(&ingest, tally_fd, before->tally.segment.total_bytes, &err), 0);
    ck_assert_msg(pawl_ingest_begin(&ingest, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_ingest_add_past(&ingest, 9, acks_fd, before->acks.total_bytes, &err),
                     0);
    offer.acks_id = 9;
    offer.acks_page = 0;
    struct pawl_ingest_ring *ring =
        pawl_ingest_add_ring(&ingest, &offer, actor.segment.fd, &err);
    ck_assert_msg(ring != NULL, "%s", err.text);
    ck_assert_int_eq(pawl_ring_bind(&actor.tx, &ingest.acks, ring->page, -1, &err), 0);
    return ring;
}

static int64_t drain(void)
{
    int64_t count = pawl_ingest_drain(&ingest, UINT64_MAX, &err);
    ck_assert_msg(count >= 0, "%s", err.text);
    return count;
}

static void drain_all(void)
{
    while (drain() > 0)
        continue;
}

/* Text of a file without its times; to be used before the next call. */
static const char *read_lines(const char *name)
{
    static char text[1 << 16];
    size_t length = 0;
    char *bytes = scratch_read(scratch_path(&scratch, name), &length);
    if (!bytes)
        return "";
    ck_assert_uint_lt(length, sizeof(text));
    memcpy(text, bytes, length + 1);
    free(bytes);
    return text;
}

static const struct pawl_tally_totals *totals(void)
{
    return pawl_tally_totals(&ingest.tally);
}

START_TEST(an_episode_is_a_line)
{
    open_one(64);
    producer_step(&actor, 5, 2, 0, 1.5f, 0);
    producer_step(&actor, 5, 2, 1, -4.0f, PAWL_RECORD_TRUNCATED | PAWL_RECORD_SUCCESS);
    producer_final(&actor, 5, 2, 2, PAWL_RECORD_TRUNCATED | PAWL_RECORD_SUCCESS);
    ck_assert_int_eq(drain(), 3);
    ck_assert_str_eq(
        read_lines("episodes.jsonl"),
        "{\"env_step\":2,\"actor\":0,\"lane\":5,\"episode\":2,\"length\":2,\"return\":-2.5,"
        "\"end\":\"truncated\",\"success\":true,\"intervention\":false}\n");
    ck_assert_uint_eq(totals()->step_count, 2);
    ck_assert_uint_eq(totals()->record_count, 3);
    ck_assert_uint_eq(totals()->episode_count, 1);
    ck_assert_uint_eq(totals()->gap_count, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(lanes_are_kept_apart)
{
    open_one(256);
    for (uint32_t step = 0; step < 3; step++)
        for (uint32_t lane = 0; lane < 40; lane++)
            producer_step(&actor, lane, lane, step, (float)lane, 0);
    for (uint32_t lane = 40; lane-- > 0;) /* another order than the one it has learnt */
        producer_final(&actor, lane, lane, 3, PAWL_RECORD_TERMINATED);
    drain_all();
    ck_assert_uint_eq(totals()->episode_count, 40);
    ck_assert_uint_eq(totals()->gap_count, 0);
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"),
                                 "\"lane\":39,\"episode\":39,\"length\":3,\"return\":117.0,"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(records_are_given_back_by_the_next_drain)
{
    struct pawl_ingest_ring *ring = open_one(4);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert(producer_step(&actor, 0, 0, i, 0.0f, 0));
    ck_assert(!producer_step(&actor, 0, 0, 4, 0.0f, 0));
    ck_assert_int_eq(drain(), 4);
    ck_assert_uint_eq(atomic_load(&ring->rx.ack->tail), 0); /* what follows is not out yet */
    ck_assert(pawl_ingest_has_work(&ingest));
    ck_assert_int_eq(drain(), 0);
    ck_assert_uint_eq(atomic_load(&ring->rx.ack->tail), 4);
    ck_assert(!pawl_ingest_has_work(&ingest));
    ck_assert(producer_step(&actor, 0, 0, 4, 0.0f, 0));
    ck_assert(pawl_ingest_has_work(&ingest));
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_is_no_number_is_refused_and_its_neighbours_are_not)
{
    open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 0, 1, NAN, 0);
    producer_step(&actor, 0, 0, 2, 1.0f, PAWL_RECORD_TERMINATED);
    ((float *)producer_field(&actor, "obs.state"))[1] = INFINITY;
    producer_step(&actor, 0, 0, 3, 1.0f, PAWL_RECORD_TERMINATED);
    producer_final(&actor, 0, 0, 4, PAWL_RECORD_TERMINATED);
    drain_all();
    ck_assert_uint_eq(totals()->refused_count, 2);
    ck_assert_uint_eq(totals()->record_count, 3);
    ck_assert_uint_eq(totals()->step_count, 4);
    ck_assert_uint_eq(totals()->gap_count, 0);
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"),
                                 "\"length\":4,\"return\":2.0,\"end\":\"terminated\","
                                 "\"success\":false,\"intervention\":false,\"refused\":2}"));
    scratch_close(&scratch);
}
END_TEST

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

START_TEST(a_refused_record_is_kept_with_its_reason)
{
    static const struct pawl_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 4};
    struct pawl_json doc;
    const char *text, *lines;
    char hex[3];
    int64_t number;
    open_one(64);
    ck_assert_int_eq(access(scratch_path(&scratch, PAWL_QUARANTINE_NAME), F_OK), -1);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    drain_all();
    ck_assert_int_eq(access(scratch_path(&scratch, PAWL_QUARANTINE_NAME), F_OK), -1);
    producer_step(&actor, 0, 0, 1, NAN, 0);
    drain_all();
    struct pawl_ring_record record = {.bytes = 8, .flags = PAWL_RECORD_STEP, .step = 2};
    producer_put(&actor, &record);
    drain_all();
    lines = read_lines(PAWL_QUARANTINE_NAME);
    ck_assert_uint_eq(count_of(lines, "\n"), 3); /* the spec, and two of the three records */
    ck_assert_ptr_nonnull(strstr(lines, "\"reason\":\"it has 8 bytes, must be "));
    lines = strchr(lines, '\n') + 1;
    const size_t line_bytes = (size_t)(strchr(lines, '\n') - lines);
    ck_assert_int_eq(pawl_json_open_text(&doc, lines, line_bytes, "line", &limits, &err), 0);
    const struct pawl_json_at root = pawl_json_root(&doc);
    ck_assert_int_eq(pawl_json_get_string(&root, "reason", &text, &err), 0);
    ck_assert_str_eq(text, "reward is nan");
    ck_assert_int_eq(pawl_json_get_i64(&root, "sequence", 0, 100, &number, &err), 0);
    ck_assert_int_eq(number, 1);
    ck_assert_int_eq(pawl_json_get_string(&root, "data", &text, &err), 0);
    ck_assert_uint_eq(strlen(text), 2 * actor.spec.record_bytes);
    const struct pawl_spec_field *reward = pawl_spec_find(&actor.spec, PAWL_RECORD_REWARD_NAME);
    snprintf(hex, sizeof(hex), "%02x", 0x7f); /* the last byte of a float that is no number */
    ck_assert_int_eq(memcmp(text + 2 * (reward->offset_bytes + 3), hex, 2), 0);
    pawl_json_close(&doc);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_quarantine_has_a_bound)
{
    static char lines[PAWL_QUARANTINE_BYTES_MAX - 40000]; /* an earlier learner's */
    struct stat before, full, later;
    open_one(64);
    memset(lines, 'x', sizeof(lines));
    for (size_t i = 99; i < sizeof(lines); i += 100)
        lines[i] = '\n';
    lines[sizeof(lines) - 1] = '\n';
    scratch_write(scratch_path(&scratch, PAWL_QUARANTINE_NAME), lines, sizeof(lines));
    ck_assert_int_eq(stat(scratch_path(&scratch, PAWL_QUARANTINE_NAME), &before), 0);
    for (uint32_t i = 0; i < 200; i++) {
        producer_step(&actor, 0, 0, i, NAN, 0);
        drain_all();
        if (i == 100)
            ck_assert_int_eq(stat(scratch_path(&scratch, PAWL_QUARANTINE_NAME), &full), 0);
    }
    ck_assert_int_eq(stat(scratch_path(&scratch, PAWL_QUARANTINE_NAME), &later), 0);
    ck_assert_uint_eq(totals()->refused_count, 200);
    ck_assert_int_gt(full.st_size, before.st_size);
    ck_assert_int_eq(later.st_size, full.st_size);
    ck_assert_int_le(later.st_size, PAWL_QUARANTINE_BYTES_MAX);
    ck_assert_int_eq(unlink(scratch_path(&scratch, PAWL_QUARANTINE_NAME)), 0);
    producer_step(&actor, 0, 0, 200, NAN, 0);
    drain_all();
    ck_assert_int_eq(access(scratch_path(&scratch, PAWL_QUARANTINE_NAME), F_OK), -1); /* over */
    scratch_close(&scratch);
}
END_TEST

START_TEST(of_a_large_record_the_first_bytes_are_kept)
{
    static unsigned char data[3 * PAWL_QUARANTINE_DATA_BYTES];
    static const uint8_t epoch[PAWL_HUB_EPOCH_BYTES];
    const struct pawl_ring_record record = {.bytes = sizeof(data)};
    const struct pawl_quarantine_case refused = {.epoch = epoch,
                                                 .record = &record,
                                                 .data = data,
                                                 .data_bytes = sizeof(data),
                                                 .reason = "a test"};
    struct pawl_quarantine quarantine = {0};
    open_one(64);
    memset(data, 0xab, sizeof(data));
    const struct pawl_quarantine_cfg where = {
        .io = pawl_io_sys(), .folder = scratch.path, .spec = &actor.spec};
    pawl_quarantine_add(&quarantine, &where, &refused);
    pawl_quarantine_close(&quarantine);
    const char *at = strstr(read_lines(PAWL_QUARANTINE_NAME), "\"data\":\"");
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq(strspn(at + 8, "ab"), 2 * PAWL_QUARANTINE_DATA_BYTES);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_record_without_a_form_is_refused)
{
    open_one(64);
    struct pawl_ring_record record = {.bytes = (uint32_t)actor.spec.record_bytes};
    const uint32_t flags[] = {0, PAWL_RECORD_STEP | PAWL_RECORD_FINAL,
                              PAWL_RECORD_STEP | 1u << 31};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        record.flags = flags[i];
        producer_put(&actor, &record);
    }
    record.flags = PAWL_RECORD_STEP;
    record.lane = PAWL_RECORD_LANES_MAX;
    producer_put(&actor, &record);
    record.lane = 0;
    record.bytes = 8;
    producer_put(&actor, &record);
    drain_all();
    ck_assert_uint_eq(totals()->refused_count, 5);
    ck_assert_uint_eq(totals()->record_count, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_ring_with_another_spec_is_refused_with_the_field)
{
    struct producer other;
    open_one(64);
    producer_open_as(&other, 64, "obs.camera", PAWL_RING_BLOCK);
    const struct pawl_hub_offer offer = producer_offer(&other, 2);
    ck_assert_ptr_null(pawl_ingest_add_ring(&ingest, &offer, other.segment.fd, &err));
    ck_assert_int_eq(err.code, EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "ring of actor 1: another spec than the run's: "));
    ck_assert_ptr_nonnull(strstr(err.text, "obs.state"));
    err = (struct pawl_err){0};
    struct producer third;
    producer_open(&third, 64);
    ck_assert_ptr_nonnull(add(&third, 3)); /* its place is free again */
    scratch_close(&scratch);
}
END_TEST

START_TEST(more_rings_than_there_is_room_for_are_refused)
{
    struct producer others[4];
    open_one(64);
    for (uint64_t i = 0; i < 4; i++)
        producer_open(&others[i], 64);
    for (uint64_t i = 0; i < 3; i++)
        add(&others[i], 2 + i);
    const struct pawl_hub_offer offer = producer_offer(&others[3], 5);
    ck_assert_ptr_null(pawl_ingest_add_ring(&ingest, &offer, others[3].segment.fd, &err));
    ck_assert_str_eq(err.text, "more than 4 rings (learner.rings_max)");
    scratch_close(&scratch);
}
END_TEST

START_TEST(an_episode_that_is_given_up_is_cut)
{
    open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 0, 1, 1.0f, 0);
    producer_step(&actor, 0, 1, 0, 8.0f, 0);
    drain_all();
    ck_assert_ptr_nonnull(
        strstr(read_lines("episodes.jsonl"), "\"length\":2,\"return\":2.0,\"end\":\"cut\""));
    ck_assert_uint_eq(totals()->gap_count, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(missing_steps_are_gaps_unless_the_writer_may_give_them_up)
{
    struct producer other;
    open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 0, 2, 1.0f, 0);
    drain_all();
    ck_assert_uint_eq(totals()->gap_count, 1);

    producer_open_as(&other, 64, "obs.state", PAWL_RING_DROP_NEWEST);
    add(&other, 2);
    producer_step(&other, 1, 0, 3, 1.0f, 0);
    producer_final(&other, 1, 0, 9, PAWL_RECORD_TERMINATED);
    drain_all();
    ck_assert_uint_eq(totals()->gap_count, 1);
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"), "\"missing\":8"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_gone_ring_is_drained_and_its_episodes_are_cut)
{
    struct pawl_ingest_ring *ring = open_one(64);
    producer_episode(&actor, 0, 0, 3);
    producer_step(&actor, 0, 1, 0, 0.5f, 0);
    pawl_ingest_ring_gone(ring);
    ck_assert_int_eq(drain(), 5);
    ck_assert_int_eq(ring->state, PAWL_INGEST_GONE);
    ck_assert_int_eq(drain(), 0);
    ck_assert_int_eq(ring->state, PAWL_INGEST_ENDED);
    ck_assert_uint_eq(ring->rx.next, 5);
    ck_assert_int_eq(pawl_ingest_remove_ring(&ingest, ring, &err), 0);
    ck_assert_uint_eq(totals()->episode_count, 2);
    ck_assert_uint_eq(totals()->step_count, 4);
    ck_assert_ptr_nonnull(
        strstr(read_lines("episodes.jsonl"), "\"length\":1,\"return\":0.5,\"end\":\"cut\""));
    ck_assert_ptr_nonnull(strstr(read_lines("ledger.jsonl"), "\"end\":5,"));
    ck_assert_ptr_null(pawl_ingest_find_ring(&ingest, 1));
    ck_assert_uint_eq(pawl_tally_find_ring(&ingest.tally, 1), PAWL_TALLY_NO_ENTRY);
    scratch_close(&scratch);
}
END_TEST

START_TEST(an_episode_that_is_cut_has_no_weight_in_the_means)
{
    open_one(64);
    producer_step(&actor, 0, 0, 0, -100.0f, 0);
    producer_step(&actor, 0, 1, 0, -5.0f, 0);
    producer_step(&actor, 0, 1, 1, -3.0f, PAWL_RECORD_TERMINATED);
    producer_final(&actor, 0, 1, 2, PAWL_RECORD_TERMINATED);
    drain_all();
    ck_assert_uint_eq(totals()->episode_count, 2);
    ck_assert_uint_eq(ingest.book.mean_count, 1);
    ck_assert_double_eq(ingest.book.return_mean, -8.0);
    ck_assert_double_eq(ingest.book.length_mean, 2.0);
    scratch_close(&scratch);
}
END_TEST

/* Whatever the dead learner had taken and committed, given back or not: all is counted once. */
static void die_after_three_drains_of(uint32_t batch_count)
{
    open_one(64);
    const struct pawl_ingest_cfg cfg = cfg_here();
    for (uint32_t episode = 0; episode < 4; episode++)
        producer_episode(&actor, 0, episode, 5);
    ingest.cfg.batch_count = batch_count;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(drain(), batch_count);
    succeed(&cfg);
    drain_all();
    producer_episode(&actor, 0, 4, 5);
    drain_all();
    ck_assert_uint_eq(totals()->step_count, 25);
    ck_assert_uint_eq(totals()->record_count, 30);
    ck_assert_uint_eq(totals()->episode_count, 5);
    ck_assert_uint_eq(totals()->gap_count, 0);
    ck_assert_uint_gt(ingest.counts.redelivered, 0);
    const char *text = read_lines("episodes.jsonl");
    for (int episode = 0; episode < 5; episode++) {
        char line[128];
        snprintf(line, sizeof(line),
                 "\"env_step\":%d,\"actor\":0,\"lane\":0,\"episode\":%d,\"length\":5,"
                 "\"return\":5.0",
                 5 * (episode + 1), episode);
        text = strstr(text, line);
        ck_assert_ptr_nonnull(text);
    }
    ck_assert_ptr_null(strstr(text + 1, "\"env_step"));
    pawl_ingest_close(&ingest);
    producer_close(&actor);
    scratch_close(&scratch);
}

/* Whatever the dead learner had taken and committed, given back or not: all is counted once. */
START_TEST(a_successor_counts_each_record_once)
{
    for (uint32_t batch_count = 1; batch_count <= 6; batch_count++)
        die_after_three_drains_of(batch_count);
}
END_TEST

START_TEST(lines_that_do_not_count_are_taken_back_by_the_successor)
{
    open_one(64);
    const struct pawl_ingest_cfg cfg = cfg_here();
    producer_episode(&actor, 0, 0, 2);
    drain_all();
    size_t length;
    char *before = scratch_read(scratch_path(&scratch, "episodes.jsonl"), &length);
    /* Dies between its lines and its commit. */
    ck_assert_int_eq(pawl_linefile_append_lines(&ingest.book.episodes, "x\ny\n", 4, &err), 0);
    ck_assert_int_eq(pawl_linefile_append_lines(&ingest.book.ledger, "z\n", 2, &err), 0);
    succeed(&cfg);
    ck_assert_str_eq(read_lines("episodes.jsonl"), before);
    ck_assert_ptr_null(strstr(read_lines("ledger.jsonl"), "z"));
    free(before);
    scratch_close(&scratch);
}
END_TEST

/* A checkpoint is on the disk before the lines that it counts. */
START_TEST(a_run_goes_on_whose_last_lines_went_with_the_power)
{
    size_t length = 0, size_bytes = 0;
    open_one(64);
    const struct pawl_ingest_cfg cfg = cfg_here();
    producer_episode(&actor, 0, 0, 2);
    producer_episode(&actor, 0, 1, 2);
    drain_all();
    free(scratch_read(scratch_path(&scratch, "episodes.jsonl"), &length));
    ck_assert_int_eq(truncate(scratch_path(&scratch, "episodes.jsonl"), (off_t)length - 5), 0);
    ck_assert_int_eq(truncate(scratch_path(&scratch, "ledger.jsonl"), 0), 0);
    succeed(&cfg);
    ck_assert_uint_eq(totals()->episode_count, 2);
    producer_episode(&actor, 0, 2, 2);
    drain_all();
    ck_assert_ptr_null(strstr(read_lines("episodes.jsonl"), "\"episode\":1,"));
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"), "\"episode\":2,"));
    free(scratch_read(scratch_path(&scratch, "episodes.jsonl"), &size_bytes));
    ck_assert_uint_eq(totals()->episodes_bytes, size_bytes);
    scratch_close(&scratch);
}
END_TEST

/* No file may grow beyond so many bytes; the old limit. */
static rlim_t limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
    return before;
}

/* check writes files too: only the drain has the limit. */
static void drain_onto_a_full_disk(void)
{
    rlim_t all = limit_files(10);
    int64_t count;
    while ((count = pawl_ingest_drain(&ingest, UINT64_MAX, &err)) > 0)
        continue;
    limit_files(all);
    ck_assert_int_eq(count, 0);
}

static void open_one_without_a_ledger(void)
{
    scratch_open(&scratch);
    struct pawl_ingest_cfg cfg = cfg_here();
    cfg.book.has_ledger = false;
    open_with(&cfg);
    producer_open(&actor, 64);
    add(&actor, 1);
}

START_TEST(with_a_full_disk_the_run_goes_on_and_lines_wait)
{
    open_one_without_a_ledger();
    producer_episode(&actor, 0, 0, 2);
    drain_all();
    for (uint32_t i = 1; i <= 3; i++) {
        producer_episode(&actor, 0, i, 2);
        drain_onto_a_full_disk();
        ck_assert_uint_eq(totals()->episode_count, i + 1);
        ck_assert_uint_eq(totals()->step_count, 2 * (i + 1));
    }
    ck_assert_ptr_null(strstr(read_lines("episodes.jsonl"), "\"episode\":1,"));
    producer_episode(&actor, 0, 4, 2);
    drain_all();
    const char *line = read_lines("episodes.jsonl");
    for (int i = 0; i <= 4; i++) {
        char part[32];
        snprintf(part, sizeof(part), "\"episode\":%d,", i);
        line = strstr(line, part); /* in their order */
        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_null(strstr(line + 1, part));
    }
    ck_assert_uint_eq(totals()->episodes_bytes, ingest.book.episodes.size_bytes);
    ck_assert_uint_eq(ingest.book.lost_count, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(lines_that_wait_too_long_are_lost_and_counted)
{
    uint32_t count = 3200;
    open_one_without_a_ledger();
    for (uint32_t i = 0; i < count; i++) {
        const struct pawl_ring_record record = {.bytes = (uint32_t)actor.spec.record_bytes,
                                                .flags = PAWL_RECORD_FINAL,
                                                .episode = i};
        producer_put(&actor, &record); /* all its steps were given up */
        if (i % 32 == 31)
            drain_onto_a_full_disk();
    }
    ck_assert_uint_eq(totals()->episode_count, count);
    ck_assert_uint_gt(ingest.book.lost_count, 0);
    producer_episode(&actor, 0, count, 1);
    drain_all();
    uint64_t lines = 0;
    size_t length = 0;
    char *text = scratch_read(scratch_path(&scratch, "episodes.jsonl"), &length);
    for (const char *at = text; at && (at = strchr(at, '\n')); at++)
        lines++;
    free(text);
    ck_assert_uint_eq(lines + ingest.book.lost_count, count + 1);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_ledger_waits_for_the_disk_and_nothing_is_lost)
{
    scratch_open(&scratch);
    struct pawl_ingest_cfg cfg = cfg_here();
    cfg.book.has_ledger = true;
    open_with(&cfg);
    producer_open(&actor, 64);
    add(&actor, 1);
    producer_episode(&actor, 0, 0, 2);
    drain_all();
    producer_episode(&actor, 0, 1, 2);
    rlim_t all = limit_files(10);
    for (int i = 0; i < 3; i++) {
        err = (struct pawl_err){0};
        ck_assert_int_lt(pawl_ingest_drain(&ingest, UINT64_MAX, &err), 0);
        ck_assert_ptr_nonnull(strstr(err.text, "ledger.jsonl: append"));
        ck_assert(!pawl_ingest_has_work(&ingest));
    }
    limit_files(all);
    drain_all();
    ck_assert_uint_eq(totals()->step_count, 4);
    ck_assert_uint_eq(totals()->episode_count, 2);
    const char *second = strstr(read_lines("episodes.jsonl"), "\"episode\":1,");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_null(strstr(second + 1, "\"episode\":1,"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_ring_that_cannot_be_ended_for_a_full_disk_is_no_work)
{
    struct pawl_ingest_ring *ring = open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    drain_all();
    pawl_ingest_ring_gone(ring);
    rlim_t all = limit_files(10);
    int64_t count = pawl_ingest_drain(&ingest, UINT64_MAX, &err);
    limit_files(all);
    ck_assert_int_lt(count, 0);
    ck_assert(!pawl_ingest_has_work(&ingest)); /* else the learner would spin */
    ck_assert_int_eq(pawl_ingest_drain(&ingest, UINT64_MAX, &err), 0);
    ck_assert_int_eq(ring->state, PAWL_INGEST_ENDED);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_goal_is_reached_exactly)
{
    scratch_open(&scratch);
    struct pawl_ingest_cfg cfg = cfg_here();
    cfg.book.step_goal = 5;
    open_with(&cfg);
    producer_open(&actor, 64);
    struct pawl_ingest_ring *ring = add(&actor, 1);
    producer_episode(&actor, 0, 0, 5);
    producer_episode(&actor, 0, 1, 5);
    drain_all();
    ck_assert(pawl_book_is_done(&ingest.book));
    ck_assert_uint_eq(totals()->step_count, 5);
    ck_assert_uint_eq(totals()->episode_count, 1); /* the FINAL of the last step is wanted */
    ck_assert(!pawl_ingest_has_work(&ingest));
    pawl_ingest_ring_gone(ring);
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_ENDED);
    ck_assert_uint_eq(totals()->step_count, 5);
    scratch_close(&scratch);
}
END_TEST

START_TEST(in_lock_step_nobody_is_let_beyond_the_goal)
{
    scratch_open(&scratch);
    struct pawl_ingest_cfg cfg = cfg_here();
    cfg.book.step_goal = 2;
    cfg.batch_count = 1;
    cfg.is_lockstep = true;
    open_with(&cfg);
    producer_open(&actor, 64);
    struct pawl_ingest_ring *ring = add(&actor, 1);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    drain_all();
    ck_assert_uint_eq(atomic_load(&ring->rx.ack->tail), 1);
    producer_step(&actor, 0, 0, 1, 1.0f, 0);
    drain_all();
    ck_assert(!pawl_ingest_has_work(&ingest));
    ck_assert_uint_eq(atomic_load(&ring->rx.ack->tail), 1); /* so the actor does not act */
    producer_final(&actor, 0, 0, 2, PAWL_RECORD_TRUNCATED); /* it was told to stop */
    ck_assert(pawl_ingest_has_work(&ingest));
    pawl_ingest_ring_gone(ring);
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_ENDED);
    ck_assert_uint_eq(ring->rx.next, 3);
    ck_assert_uint_eq(totals()->step_count, 2);
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"), "\"end\":\"truncated\""));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_writer_that_breaks_the_protocol_is_read_no_more)
{
    struct pawl_ingest_ring *ring = open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    drain_all();
    atomic_store(&pawl_ring_tx_slot(&actor.tx, 1)->commit, 12345);
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_BROKEN);
    ck_assert_int_eq(ring->fault.code, EPROTO);
    ck_assert_int_eq(pawl_ingest_remove_ring(&ingest, ring, &err), 0);
    ck_assert_uint_eq(totals()->step_count, 1);
    ck_assert_ptr_nonnull(strstr(read_lines("episodes.jsonl"), "\"end\":\"cut\""));
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_a_broken_ring_held_is_kept_with_the_reason)
{
    struct pawl_ingest_ring *ring = open_one(64);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    drain_all();
    atomic_store(&pawl_ring_tx_slot(&actor.tx, 1)->commit, 0x1122334455667788);
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_BROKEN);
    const char *lines = read_lines(PAWL_QUARANTINE_NAME);
    ck_assert_uint_eq(count_of(lines, "\n"), 2); /* the spec and the ring */
    ck_assert_ptr_nonnull(
        strstr(lines, "\"sequence\":1,\"reason\":\"writer under quarantine: "));
    ck_assert_ptr_null(strstr(lines, "\"lane\""));
    ck_assert_ptr_nonnull(strstr(lines, "8877665544332211")); /* of the slot, as it lay there */
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_record_with_another_checksum_breaks_its_ring)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    scratch_open(&scratch);
    const struct pawl_ingest_cfg here = cfg_here();
    open_with(&here);
    cfg.slot_count = 64;
    cfg.has_checksums = true;
    producer_open_with(&actor, "obs.state", cfg);
    struct pawl_ingest_ring *ring = add(&actor, 1);
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 0, 1, 1.0f, 0);
    pawl_ring_tx_slot(&actor.tx, 1)->data[2] ^= 1;
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_BROKEN);
    ck_assert_uint_eq(totals()->step_count, 1);
    scratch_close(&scratch);
}
END_TEST

START_TEST(lanes_of_a_ring_that_has_ended_are_free_for_the_next)
{
    struct pawl_ingest_ring *ring = open_one(64);
    for (uint32_t lane = 0; lane < 5; lane++)
        producer_step(&actor, lane, 0, 0, 1.0f, 0);
    drain_all();
    pawl_ingest_ring_gone(ring);
    drain_all();
    ck_assert_int_eq(ring->state, PAWL_INGEST_ENDED);
    for (uint32_t i = 0; i < ingest.tally.lanes_end; i++)
        ck_assert_uint_eq(pawl_tally_lane(&ingest.tally, i)->ring_id, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_ledger_has_every_record_once)
{
    open_one(64);
    producer_episode(&actor, 0, 0, 4);
    drain_all();
    producer_episode(&actor, 0, 1, 2);
    drain_all();
    unsigned crc[2];
    unsigned long first[2], last[2];
    int count = sscanf(read_lines("ledger.jsonl"),
                       "{\"actor\":0,\"epoch\":\"%*32[0-9a-f]\",\"first\":%lu,\"last\":%lu,"
                       "\"crc32c\":%u}\n{\"actor\":0,\"epoch\":\"%*32[0-9a-f]\",\"first\":%lu,"
                       "\"last\":%lu,\"crc32c\":%u}\n",
                       &first[0], &last[0], &crc[0], &first[1], &last[1], &crc[1]);
    ck_assert_int_eq(count, 6);
    ck_assert(first[0] == 0 && last[0] == 4 && first[1] == 5 && last[1] == 7);
    ck_assert_uint_ne(crc[0], crc[1]);
    scratch_close(&scratch);
}
END_TEST

START_TEST(taking_records_allocates_nothing)
{
    open_one(64);
    producer_episode(&actor, 0, 0, 4);
    drain_all();
    uint64_t before = alloc_count(), taken_count = 0;
    for (uint32_t i = 0; i < 1000; i++) { /* check's own asserts allocate */
        struct pawl_ring_record record = {
            .bytes = (uint32_t)actor.spec.record_bytes,
            .flags = i % 5 == 4 ? PAWL_RECORD_FINAL | PAWL_RECORD_TERMINATED : PAWL_RECORD_STEP,
            .episode = 1 + i / 5,
            .step = i % 5,
        };
        producer_put(&actor, &record);
        taken_count += (uint64_t)pawl_ingest_drain(&ingest, UINT64_MAX, &err);
    }
    uint64_t after = alloc_count();
    ck_assert_uint_eq(taken_count, 1000);
    ck_assert_uint_eq(after, before);
    scratch_close(&scratch);
}
END_TEST

/* Notes what it gets: the lane's number and the step. */
static struct {
    uint32_t lane[64], step[64];
    uint32_t count;
} sunk;

static void sink(void *arg, const struct pawl_ring_record *record, const unsigned char *data,
                 uint32_t lane)
{
    const unsigned char *shared = (const unsigned char *)ingest.rings[0].segment.base;
    ck_assert_ptr_eq(arg, &sunk);
    /* What has been looked at is kept: no memory that its writer can still change. */
    ck_assert(data + record->bytes <= shared ||
              data >= shared + ingest.rings[0].segment.total_bytes);
    ck_assert_uint_eq(pawl_tally_lane(&ingest.tally, lane)->lane, record->lane);
    ck_assert_uint_lt(sunk.count, 64);
    sunk.lane[sunk.count] = record->lane;
    sunk.step[sunk.count++] = record->step;
}

START_TEST(the_sink_gets_what_is_counted_and_nothing_else)
{
    scratch_open(&scratch);
    struct pawl_ingest_cfg cfg = cfg_here();
    cfg.sink = (struct pawl_ingest_sink){.arg = &sunk, .take = sink};
    open_with(&cfg);
    producer_open(&actor, 64);
    add(&actor, 1);
    producer_step(&actor, 3, 0, 0, 1.0f, 0);
    producer_step(&actor, 3, 0, 1, NAN, 0);
    producer_step(&actor, 3, 0, 2, 1.0f, PAWL_RECORD_TERMINATED);
    producer_final(&actor, 3, 0, 3, PAWL_RECORD_TERMINATED);
    drain_all();
    ck_assert_uint_eq(sunk.count, 3);
    ck_assert_uint_eq(sunk.step[0], 0);
    ck_assert_uint_eq(sunk.step[1], 2);
    ck_assert_uint_eq(sunk.step[2], 3);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_drain_takes_no_more_than_its_limit)
{
    open_one(64);
    producer_episode(&actor, 0, 0, 10);
    ck_assert_int_eq(pawl_ingest_drain(&ingest, 3, &err), 3);
    ck_assert_int_eq(pawl_ingest_drain(&ingest, 1, &err), 1);
    ck_assert_uint_eq(totals()->step_count, 4);
    drain_all();
    ck_assert_uint_eq(totals()->step_count, 10);
    scratch_close(&scratch);
}
END_TEST

START_TEST(with_a_small_limit_every_ring_has_its_turn)
{
    static struct producer other;
    open_one(64);
    producer_open(&other, 64);
    add(&other, 2);
    producer_episode(&actor, 0, 0, 20);
    producer_episode(&other, 1, 0, 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(pawl_ingest_drain(&ingest, 1, &err), 1);
    ck_assert_uint_eq(ingest.rings[0].rx.next + ingest.rings[0].held_count, 10);
    ck_assert_uint_eq(ingest.rings[1].rx.next + ingest.rings[1].held_count, 10);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN(
    "ingest", an_episode_is_a_line, an_episode_that_is_cut_has_no_weight_in_the_means,
    lanes_are_kept_apart, the_sink_gets_what_is_counted_and_nothing_else,
    a_drain_takes_no_more_than_its_limit, with_a_small_limit_every_ring_has_its_turn,
    records_are_given_back_by_the_next_drain,
    what_is_no_number_is_refused_and_its_neighbours_are_not,
    a_refused_record_is_kept_with_its_reason, the_quarantine_has_a_bound,
    what_a_broken_ring_held_is_kept_with_the_reason, of_a_large_record_the_first_bytes_are_kept,
    a_record_without_a_form_is_refused, a_ring_with_another_spec_is_refused_with_the_field,
    more_rings_than_there_is_room_for_are_refused, an_episode_that_is_given_up_is_cut,
    missing_steps_are_gaps_unless_the_writer_may_give_them_up,
    a_gone_ring_is_drained_and_its_episodes_are_cut, a_successor_counts_each_record_once,
    lines_that_do_not_count_are_taken_back_by_the_successor,
    a_run_goes_on_whose_last_lines_went_with_the_power,
    with_a_full_disk_the_run_goes_on_and_lines_wait,
    lines_that_wait_too_long_are_lost_and_counted,
    a_ledger_waits_for_the_disk_and_nothing_is_lost,
    a_ring_that_cannot_be_ended_for_a_full_disk_is_no_work, the_goal_is_reached_exactly,
    in_lock_step_nobody_is_let_beyond_the_goal,
    a_writer_that_breaks_the_protocol_is_read_no_more,
    a_record_with_another_checksum_breaks_its_ring,
    lanes_of_a_ring_that_has_ended_are_free_for_the_next, the_ledger_has_every_record_once,
    taking_records_allocates_nothing)
