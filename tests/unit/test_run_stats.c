#include "shm/run_stats.h"

#include "support/test.h"

START_TEST(the_rows_of_both_roles_make_a_segment)
{
    struct pawl_stats stats;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_stats_create(&stats, "actor 0", pawl_actor_stat_rows,
                                    PAWL_ACTOR_STAT_COUNT, &err) == 0,
                  "%s", err.text);
    pawl_stats_close(&stats);
    ck_assert_msg(pawl_stats_create(&stats, "learner", pawl_learner_stat_rows,
                                    PAWL_LEARNER_STAT_COUNT, &err) == 0,
                  "%s", err.text);
    pawl_stats_close(&stats);
}
END_TEST

START_TEST(an_index_finds_the_row_of_its_name)
{
    ck_assert_str_eq(pawl_actor_stat_rows[PAWL_ACTOR_STAT_ENV_STEPS].name, "actor.env_steps");
    ck_assert_str_eq(pawl_learner_stat_rows[PAWL_LEARNER_STAT_VERSION].name, "learner.version");
}
END_TEST

PAWL_TEST_MAIN("run_stats", the_rows_of_both_roles_make_a_segment,
               an_index_finds_the_row_of_its_name)
