#include "learner/learner_cfg.h"

#include "learner/learner.h"
#include "support/test.h"

START_TEST(the_rows_agree_with_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(pawl_learner_tables, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_learner_needs_no_file)
{
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = NULL};
    ck_assert_int_eq(pawl_cfg_open(&cfg, pawl_learner_tables, &source, NULL), 0);
    const struct pawl_learner_cfg *learner = pawl_cfg_fields(cfg, &pawl_learner_table);
    ck_assert_int_gt(learner->rings_max, 0);
    ck_assert(!learner->ledger);
    pawl_cfg_close(cfg);
}
END_TEST

PAWL_TEST_MAIN("learner_cfg", the_rows_agree_with_themselves, a_learner_needs_no_file)
