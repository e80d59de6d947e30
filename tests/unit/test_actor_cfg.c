#include "actor/actor_cfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor.h"
#include "support/test.h"

/* What is said about a configuration of these words; "" when nothing is wrong. */
static const char *said(const char *first, const char *second)
{
    static char text[4096];
    const char *words[] = {first, second};
    struct pawl_cfg_source source = {.words = (char *const *)words, .word_count = 2};
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    FILE *out = fmemopen(text, sizeof(text), "w");
    text[0] = '\0';
    if (pawl_cfg_open(&cfg, pawl_actor_tables, &source, &err) != 0)
        pawl_cfg_problems_print(cfg, out);
    fclose(out);
    pawl_cfg_close(cfg);
    return text;
}

START_TEST(the_tables_do_not_contradict_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(pawl_actor_tables, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(parameters_of_several_lanes_are_adopted_before_any_step_only)
{
    ck_assert_str_eq(said("env.lanes=1", "actor.adopt=episode"), "");
    ck_assert_str_eq(said("env.lanes=4", "actor.adopt=step"), "");
    ck_assert_ptr_nonnull(strstr(said("env.lanes=4", "actor.adopt=episode"), "share"));
    ck_assert_ptr_nonnull(strstr(said("env.lanes=4", "actor.adopt=chunk"), "share"));
}
END_TEST

START_TEST(lock_step_is_for_one_actor_that_gives_nothing_up)
{
    ck_assert_str_eq(said("run.deterministic=true", "actor.count=1"), "");
    ck_assert_ptr_nonnull(strstr(said("run.deterministic=true", "actor.count=2"), "lock-step"));
    ck_assert_ptr_nonnull(
        strstr(said("run.deterministic=true", "ring.full=drop_newest"), "given up"));
}
END_TEST

START_TEST(a_ring_has_a_power_of_two_slots)
{
    ck_assert_str_eq(said("ring.slots=1024", "run.seed=1"), "");
    ck_assert_ptr_nonnull(strstr(said("ring.slots=1000", "run.seed=1"), "power of two"));
}
END_TEST

static int rate(double *rate_hz, double target_hz, float own_hz, bool is_real,
                bool is_lock_step)
{
    const struct pawl_env_cfg env = {.target_hz = target_hz};
    const struct pawl_env_spec spec = {.rate_hz = own_hz,
                                       .flags = is_real ? PAWL_ENV_REALTIME : 0};
    return pawl_actor_cfg_rate(rate_hz, &env, &spec, is_lock_step, NULL);
}

START_TEST(what_is_simulated_has_the_schedule_that_is_asked_for)
{
    double hz;
    ck_assert_int_eq(rate(&hz, 0.0, 50.0f, false, false), 0);
    ck_assert_double_eq(hz, 0.0);
    ck_assert_int_eq(rate(&hz, 100.0, 50.0f, false, false), 0);
    ck_assert_double_eq(hz, 100.0);
    ck_assert_int_eq(rate(&hz, 100.0, 50.0f, false, true), 0);
    ck_assert_double_eq(hz, 0.0);
}
END_TEST

START_TEST(what_is_real_always_has_a_schedule)
{
    double hz;
    ck_assert_int_eq(rate(&hz, 0.0, 50.0f, true, false), 0);
    ck_assert_double_eq(hz, 50.0);
    ck_assert_int_eq(rate(&hz, 20.0, 50.0f, true, false), 0);
    ck_assert_double_eq(hz, 20.0);
    ck_assert_int_eq(rate(&hz, 0.0, 0.0f, true, false), -EINVAL);
    ck_assert_int_eq(rate(&hz, 20.0, 50.0f, true, true), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("actor_cfg", what_is_simulated_has_the_schedule_that_is_asked_for,
               what_is_real_always_has_a_schedule, the_tables_do_not_contradict_themselves,
               parameters_of_several_lanes_are_adopted_before_any_step_only,
               lock_step_is_for_one_actor_that_gives_nothing_up,
               a_ring_has_a_power_of_two_slots)
