#include "shm/run_figures.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shm/run_progress.h"
#include "support/test.h"

static struct pawl_hub_entry entries[4];
static struct pawl_hub_table table = {.entries = entries, .entry_count_max = 4};
static struct pawl_run_figures figures;

/* As a program that offers its figures, under the name id. */
static void offer_as(struct pawl_stats *stats, uint64_t id, uint32_t role)
{
    struct pawl_err err = {0};
    bool is_actor = role == PAWL_ROLE_ACTOR;
    ck_assert_msg(pawl_stats_create(stats, pawl_role_name(role),
                                    is_actor ? pawl_actor_stat_rows : pawl_learner_stat_rows,
                                    is_actor ? (uint32_t)PAWL_ACTOR_STAT_COUNT
                                             : (uint32_t)PAWL_LEARNER_STAT_COUNT,
                                    &err) == 0,
                  "%s", err.text);
    struct pawl_hub_entry *entry = pawl_hub_table_add(&table);
    entry->id = id;
    entry->kind = PAWL_SEGMENT_STATS;
    entry->role = role;
    entry->fds[0] = fcntl(stats->segment.fd, F_DUPFD_CLOEXEC, 0);
    entry->fd_count = 1;
}

static void offer(struct pawl_stats *stats, uint64_t id)
{
    offer_as(stats, id, PAWL_ROLE_ACTOR);
}

static struct pawl_run_sum sum_of(const char *name)
{
    pawl_run_figures_update(&figures, &table);
    return pawl_run_figures_sum(&figures, name);
}

START_TEST(counters_add_up_and_gauges_have_a_mean)
{
    struct pawl_stats a, b;
    offer(&a, 1ull << 32 | 1);
    offer(&b, 2ull << 32 | 1);
    pawl_stats_add(&a, PAWL_ACTOR_STAT_ENV_STEPS, 5);
    pawl_stats_add(&b, PAWL_ACTOR_STAT_ENV_STEPS, 7);
    pawl_stats_set(&a, PAWL_ACTOR_STAT_RING_FILL, 0.25);
    pawl_stats_set(&b, PAWL_ACTOR_STAT_RING_FILL, 0.75);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 12);
    struct pawl_run_sum fill = sum_of("actor.ring_fill");
    ck_assert_uint_eq(fill.gauge_count, 2);
    ck_assert_double_eq(fill.gauge_mean, 0.5);
    ck_assert_double_eq(fill.gauge_max, 0.75);
    ck_assert_uint_eq(sum_of("no.such").count, 0);
    pawl_stats_close(&a);
    pawl_stats_close(&b);
    pawl_run_figures_close(&figures);
}
END_TEST

START_TEST(a_count_goes_on_where_the_dead_programs_ended)
{
    struct pawl_stats a, b;
    offer(&a, 1ull << 32 | 1);
    pawl_stats_add(&a, PAWL_ACTOR_STAT_ENV_STEPS, 5);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 5);
    pawl_stats_add(&a, PAWL_ACTOR_STAT_ENV_STEPS, 1);
    pawl_stats_set(&a, PAWL_ACTOR_STAT_RING_FILL, 1.0);
    pawl_stats_close(&a);
    pawl_hub_table_orphan(&table, 1, PAWL_GONE_HANGUP);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 6);
    ck_assert_uint_eq(sum_of("actor.ring_fill").gauge_count, 0);

    offer(&b, 2ull << 32 | 1);
    pawl_hub_table_sweep(&table);
    ck_assert(entries[0].is_dropped);
    pawl_stats_add(&b, PAWL_ACTOR_STAT_ENV_STEPS, 10);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 16);
    ck_assert_uint_eq(figures.segment_count, 1);
    pawl_stats_close(&b);
    pawl_run_figures_close(&figures);
}
END_TEST

START_TEST(segments_that_cannot_be_read_are_tried_once)
{
    for (uint64_t i = 1; i <= 2; i++) {
        struct pawl_hub_entry *entry = pawl_hub_table_add(&table);
        entry->id = i << 32 | 1;
        entry->kind = PAWL_SEGMENT_STATS;
        entry->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        entry->fd_count = 1;
    }
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 0);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 0);
    ck_assert_uint_eq(figures.unread_count, 2);
    pawl_hub_entry_drop(&entries[0]);
    ck_assert_uint_eq(sum_of("actor.env_steps").count, 0);
    ck_assert_uint_eq(figures.segment_count, 1);
    pawl_run_figures_close(&figures);
}
END_TEST

static bool line_has(const char *wanted)
{
    struct pawl_run_progress progress;
    const struct pawl_run_progress_recent none = {0};
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    pawl_run_figures_update(&figures, &table);
    pawl_run_progress_start(&progress, &figures, 1);
    pawl_run_progress_print(&progress, &figures, &none, 1, 0, out);
    fclose(out);
    return strstr(text, wanted) != NULL;
}

START_TEST(the_line_of_a_period_has_the_updates_that_are_missing)
{
    struct pawl_stats learner;
    offer_as(&learner, 1ull << 32 | 1, PAWL_ROLE_LEARNER);
    pawl_stats_set(&learner, PAWL_LEARNER_STAT_UPDATE_RATIO, 1.0);
    pawl_stats_set(&learner, PAWL_LEARNER_STAT_UPDATES_OWED, 1.9);
    ck_assert(!line_has("owed")); /* a step's worth is always on its way */
    pawl_stats_set(&learner, PAWL_LEARNER_STAT_UPDATES_OWED, 84.2);
    ck_assert(line_has("  owed 84  "));
    pawl_stats_close(&learner);
    pawl_run_figures_close(&figures);
}
END_TEST

PAWL_TEST_MAIN("run_figures", the_line_of_a_period_has_the_updates_that_are_missing,
               counters_add_up_and_gauges_have_a_mean,
               a_count_goes_on_where_the_dead_programs_ended,
               segments_that_cannot_be_read_are_tried_once)
