#include "actor/actor_cfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor.h"
#include "support/test.h"

/* What is said about a configuration of these words, of what they name included where that is
 * looked at; "" when nothing is wrong. */
static const char *said_of(const char *first, const char *second, bool is_looked_at)
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
    else if (is_looked_at) {
        (void)pawl_cfg_look(cfg, NULL);
        pawl_cfg_warnings_print(cfg, out);
        pawl_cfg_problems_print(cfg, out);
    }
    fclose(out);
    pawl_cfg_close(cfg);
    return text;
}

static const char *said(const char *first, const char *second)
{
    return said_of(first, second, false);
}

START_TEST(what_a_method_cannot_play_is_refused_with_one_way_out)
{
    const char *choice = said_of("env.type=cartpole", "policy.type=sac", true);
    ck_assert_msg(strstr(choice, "'env.type' = \"cartpole\": its action is a choice alone"),
                  "%s", choice);
    ck_assert_ptr_nonnull(strstr(choice, "policy.type = \"random\" can play it"));
    ck_assert_ptr_null(strstr(choice, "num_discrete_actions"));
    ck_assert_str_eq(said_of("env.type=cartpole", "policy.type=random", true), "");
    ck_assert_str_eq(said_of("env.type=pendulum", "policy.type=sac", true), "");
    const char *gripper = said_of("env.type=dummy", "env.dummy.choice_count=3", true);
    ck_assert_msg(strstr(gripper, "'policy.num_discrete_actions' = 0: an action of env.type = "
                                  "\"dummy\" ends with 3 choices; set it to that"),
                  "%s", gripper);
}
END_TEST

START_TEST(keys_of_another_environment_are_told_of)
{
    ck_assert_str_eq(said_of("env.type=pendulum", "env.dummy.choice_count=3", true),
                     "command line: warning: 'env.dummy.choice_count' = 3 has no effect with "
                     "'env.type' = \"pendulum\"\n");
    ck_assert_str_eq(said_of("env.type=pendulum", "env.dummy.choice_count=0", true), "");
}
END_TEST

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
               what_a_method_cannot_play_is_refused_with_one_way_out,
               keys_of_another_environment_are_told_of,
               parameters_of_several_lanes_are_adopted_before_any_step_only,
               lock_step_is_for_one_actor_that_gives_nothing_up,
               a_ring_has_a_power_of_two_slots)
