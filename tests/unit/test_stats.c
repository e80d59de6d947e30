#include "shm/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

enum { STEPS, LOSS, STEP_NS, BYTES, WAIT_NS, ROW_COUNT };

static const struct pawl_stat_row rows[] = {
    [STEPS] = {"actor.steps", PAWL_STAT_COUNTER, "steps", "Environment steps taken."},
    [LOSS] = {"sac.critic_loss", PAWL_STAT_GAUGE, "", "Loss of the last update."},
    [STEP_NS] = {"actor.step_ns", PAWL_STAT_HIST, "ns", "Time of one step."},
    [BYTES] = {"ring.bytes", PAWL_STAT_COUNTER, "bytes", "Payload committed."},
    [WAIT_NS] = {"ring.wait_ns", PAWL_STAT_HIST, "ns", "Time waited for room."},
};

static struct pawl_stats stats;
static struct pawl_stats_view view;
static struct pawl_err err;
static struct pawl_hist_copy copy;

static void open_both(void)
{
    ck_assert_msg(pawl_stats_create(&stats, "actor 0", rows, ROW_COUNT, &err) == 0, "%s",
                  err.text);
    ck_assert_msg(pawl_stats_attach(&view, stats.segment.fd, &err) == 0, "%s", err.text);
}

START_TEST(a_reader_finds_the_rows_in_the_segment)
{
    open_both();
    ck_assert_uint_eq(view.row_count, ROW_COUNT);
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        ck_assert_int_eq(pawl_stats_find(&view, rows[i].name), (int)i);
        ck_assert_str_eq(view.rows[i].unit, rows[i].unit);
        ck_assert_str_eq(view.rows[i].help, rows[i].help);
        ck_assert_int_eq(view.rows[i].kind, rows[i].kind);
    }
    ck_assert_int_eq(pawl_stats_find(&view, "actor"), -1);
}
END_TEST

START_TEST(values_are_seen_as_they_are_recorded)
{
    open_both();
    ck_assert_double_eq(pawl_stats_value(&view, LOSS), 0.0);
    pawl_stats_add(&stats, STEPS, 3);
    pawl_stats_add(&stats, STEPS, 4);
    pawl_stats_set(&stats, LOSS, -0.25);
    pawl_stats_record(&stats, STEP_NS, 1000);
    pawl_stats_record(&stats, WAIT_NS, 7);
    pawl_stats_record(&stats, WAIT_NS, 9);
    ck_assert_uint_eq(pawl_stats_count(&view, STEPS), 7);
    ck_assert_double_eq(pawl_stats_value(&view, STEPS), 7.0);
    ck_assert_double_eq(pawl_stats_value(&view, LOSS), -0.25);
    ck_assert_uint_eq(pawl_stats_count(&view, LOSS), 0);
    ck_assert_uint_eq(pawl_stats_count(&view, BYTES), 0);
    ck_assert_uint_eq(pawl_stats_count(&view, WAIT_NS), 2);
    pawl_stats_hist(&view, WAIT_NS, &copy);
    ck_assert_uint_eq(copy.max, 9);
    pawl_stats_hist(&view, STEP_NS, &copy);
    ck_assert_uint_eq(copy.min, 1000);
    pawl_stats_hist(&view, STEPS, &copy);
    ck_assert_uint_eq(copy.count, 0);
}
END_TEST

START_TEST(counters_pass_2_to_the_32_and_2_to_the_64)
{
    open_both();
    pawl_stats_add(&stats, STEPS, UINT32_MAX);
    pawl_stats_add(&stats, STEPS, 2);
    ck_assert_uint_eq(pawl_stats_count(&view, STEPS), (UINT64_C(1) << 32) + 1);
    pawl_stats_add(&stats, BYTES, UINT64_MAX);
    pawl_stats_add(&stats, BYTES, 3);
    ck_assert_uint_eq(pawl_stats_count(&view, BYTES), 2);
}
END_TEST

START_TEST(values_outlive_the_process_that_recorded_them)
{
    open_both();
    pid_t child = fork();
    if (child == 0) {
        pawl_stats_add(&stats, STEPS, 41);
        pawl_stats_record(&stats, STEP_NS, 5);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    pawl_stats_close(&stats);
    ck_assert_uint_eq(pawl_stats_count(&view, STEPS), 41);
    ck_assert_uint_eq(pawl_stats_count(&view, STEP_NS), 1);
}
END_TEST

static void refuse(struct pawl_stat_row row, const char *rule)
{
    struct pawl_err why = {0};
    const struct pawl_stat_row table[] = {rows[STEPS], row};
    ck_assert_int_eq(pawl_stats_create(&stats, "x", table, 2, &why), -EINVAL);
    ck_assert_msg(strstr(why.text, rule) != NULL, "\"%s\"", why.text);
}

START_TEST(a_row_that_breaks_a_rule_is_refused_by_name)
{
    char help[PAWL_STATS_HELP_BYTES + 1];
    memset(help, 'h', sizeof(help));
    help[PAWL_STATS_HELP_BYTES] = '\0';
    refuse((struct pawl_stat_row){"Steps", PAWL_STAT_COUNTER, "", "A."}, "a name has");
    refuse((struct pawl_stat_row){"a..b", PAWL_STAT_COUNTER, "", "A."}, "a name has");
    refuse((struct pawl_stat_row){"a.", PAWL_STAT_COUNTER, "", "A."}, "a name has");
    refuse((struct pawl_stat_row){"", PAWL_STAT_COUNTER, "", "A."}, "a name has");
    refuse((struct pawl_stat_row){0}, "a name has");
    refuse((struct pawl_stat_row){"a", (enum pawl_stat_kind)3, "", "A."}, "'a': a kind");
    refuse((struct pawl_stat_row){"a", PAWL_STAT_GAUGE, "m s", "A."}, "'a': a unit");
    refuse((struct pawl_stat_row){"a", PAWL_STAT_GAUGE, "-", "A."}, "'a': a unit");
    refuse((struct pawl_stat_row){"a", PAWL_STAT_GAUGE, "", ""}, "'a': help");
    refuse((struct pawl_stat_row){"a", PAWL_STAT_GAUGE, "", "two\nlines"}, "'a': help");
    refuse((struct pawl_stat_row){"a", PAWL_STAT_GAUGE, "", help}, "'a': help");
    refuse(rows[STEPS], "'actor.steps' is there twice");
    ck_assert_int_eq(pawl_stats_create(&stats, "x", rows, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(text_that_create_would_not_write_is_refused)
{
    static const char *const texts[] = {
        "",
        "a counter - A.",
        "a counter  A.\n",
        "a counter - \n",
        "a counter - A.\n\n",
        "a counters - A.\n",
        "a counter - A.\na gauge - B.\n",
        "A counter - A.\n",
        "a counter -\n",
        "a counter - A\x01\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pawl_stats_view_row *read;
        uint32_t count;
        ck_assert_msg(pawl_stats_parse(&read, &count, texts[i], strlen(texts[i]), NULL) < 0,
                      "%s", texts[i]);
        ck_assert_ptr_null(read);
    }
}
END_TEST

START_TEST(a_segment_with_any_damaged_byte_of_text_is_read_safely)
{
    open_both();
    pawl_stats_detach(&view);
    uint64_t text_bytes = stats.segment.header.geometry[1];
    for (uint64_t i = 0; i < text_bytes; i++)
        for (unsigned value = 0; value < 256; value += 51) {
            unsigned char before = stats.segment.body[i];
            stats.segment.body[i] = (unsigned char)value;
            struct pawl_err why = {0};
            if (pawl_stats_attach(&view, stats.segment.fd, &why) == 0) {
                for (uint32_t row = 0; row < view.row_count; row++)
                    pawl_stats_value(&view, row);
                pawl_stats_detach(&view);
            } else {
                ck_assert(why.text[0]);
            }
            stats.segment.body[i] = before;
        }
}
END_TEST

START_TEST(another_kind_of_segment_is_refused)
{
    struct pawl_segment segment;
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_RING;
    cfg.body_bytes = 4096;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), 0);
    ck_assert_int_eq(pawl_stats_attach(&view, segment.fd, &err), -EPROTO);
    cfg.kind = PAWL_SEGMENT_STATS;
    cfg.geometry[1] = 5000;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), 0);
    ck_assert_int_eq(pawl_stats_attach(&view, segment.fd, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "5000 bytes"));
}
END_TEST

PAWL_TEST_MAIN("stats", a_reader_finds_the_rows_in_the_segment,
               values_are_seen_as_they_are_recorded, counters_pass_2_to_the_32_and_2_to_the_64,
               values_outlive_the_process_that_recorded_them,
               a_row_that_breaks_a_rule_is_refused_by_name,
               text_that_create_would_not_write_is_refused,
               a_segment_with_any_damaged_byte_of_text_is_read_safely,
               another_kind_of_segment_is_refused)
