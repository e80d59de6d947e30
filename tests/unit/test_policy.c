#include "policy/policy.h"
#include "policy/policy_cfg.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

#define LANES 3

static struct pawl_spec spec;
static _Alignas(8) unsigned char memory[LANES][256];
static unsigned char *const records[LANES] = {memory[0], memory[1], memory[2]};

static struct pawl_policy_setup setup_with(uint32_t choice_count)
{
    memset(&spec, 0, sizeof(spec));
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){5}, NULL);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){4}, NULL);
    memset(memory, 0x55, sizeof(memory));
    return (struct pawl_policy_setup){
        .spec = &spec, .choice_count = choice_count, .lane_count = LANES, .seed = 7};
}

static const float *action_of(uint32_t lane)
{
    return (const float *)(const void *)(records[lane] + spec.fields[1].offset_bytes);
}

START_TEST(an_unknown_method_names_the_known_ones)
{
    struct pawl_err err = {0};
    ck_assert_ptr_null(pawl_policy_find("ppo", &err));
    ck_assert_int_eq(err.code, ENOENT);
    ck_assert_str_eq(err.text, "policy.type = \"ppo\": no such method; there are \"null\", "
                               "\"random\", \"sac\"");
}
END_TEST

START_TEST(the_choices_of_the_configuration_are_the_table)
{
    const char *const *choices = pawl_policy_table.rows[0].choices;
    size_t i = 0;
    for (; choices[i]; i++)
        ck_assert_str_eq(choices[i], pawl_policies[i]->name);
    ck_assert_ptr_null(pawl_policies[i]);
}
END_TEST

START_TEST(null_acts_with_zeros_and_touches_nothing_else)
{
    struct pawl_policy_setup setup = setup_with(0);
    struct pawl_policy *policy;
    ck_assert_int_eq(pawl_null_policy.open(&policy, &setup, NULL), 0);
    policy->ops->act(policy, records, 2);
    for (int i = 0; i < 4; i++)
        ck_assert(action_of(1)[i] == 0.0f);
    ck_assert_int_eq(memory[0][0], 0x55);
    ck_assert_int_eq(memory[0][spec.fields[1].offset_bytes + 16], 0x55);
    ck_assert_int_eq(memory[2][spec.fields[1].offset_bytes], 0x55);
    policy->ops->close(policy);
}
END_TEST

START_TEST(random_stays_within_its_range_and_reaches_both_ends)
{
    struct pawl_policy_setup setup = setup_with(0);
    struct pawl_policy *policy;
    ck_assert_int_eq(pawl_random_policy.open(&policy, &setup, NULL), 0);
    float low = 0.0f, high = 0.0f;
    for (int n = 0; n < 2000; n++) {
        policy->ops->act(policy, records, LANES);
        for (int i = 0; i < 4; i++) {
            float a = action_of(2)[i];
            ck_assert(a >= -1.0f && a < 1.0f);
            low = a < low ? a : low;
            high = a > high ? a : high;
        }
    }
    ck_assert(low < -0.99f && high > 0.99f);
    policy->ops->close(policy);
}
END_TEST

START_TEST(random_chooses_every_choice)
{
    struct pawl_policy_setup setup = setup_with(3);
    struct pawl_policy *policy;
    ck_assert_int_eq(pawl_random_policy.open(&policy, &setup, NULL), 0);
    int seen[3] = {0};
    for (int n = 0; n < 3000; n++) {
        policy->ops->act(policy, records, 1);
        for (int i = 0; i < 3; i++)
            ck_assert(action_of(0)[i] >= -1.0f && action_of(0)[i] < 1.0f);
        float choice = action_of(0)[3];
        ck_assert(choice == 0.0f || choice == 1.0f || choice == 2.0f);
        seen[(int)choice]++;
    }
    for (int i = 0; i < 3; i++)
        ck_assert(seen[i] > 800 && seen[i] < 1200);
    policy->ops->close(policy);
}
END_TEST

START_TEST(a_lane_acts_the_same_whichever_process_holds_it)
{
    struct pawl_policy_setup setup = setup_with(0);
    struct pawl_policy *all, *last;
    ck_assert_int_eq(pawl_random_policy.open(&all, &setup, NULL), 0);
    setup.lane_first = 2;
    setup.lane_count = 1;
    ck_assert_int_eq(pawl_random_policy.open(&last, &setup, NULL), 0);
    for (int n = 0; n < 5; n++) {
        float here[4], other_lane[4];
        all->ops->act(all, records, LANES);
        memcpy(here, action_of(2), sizeof(here));
        memcpy(other_lane, action_of(1), sizeof(other_lane));
        ck_assert_mem_ne(here, other_lane, sizeof(here));
        last->ops->act(last, records, 1);
        ck_assert_mem_eq(here, action_of(0), sizeof(here));
    }
    all->ops->close(all);
    last->ops->close(last);
}
END_TEST

START_TEST(records_without_an_action_are_refused)
{
    struct pawl_policy_setup setup = setup_with(0);
    struct pawl_policy *policy;
    struct pawl_err err = {0};
    spec.field_count = 1;
    ck_assert_int_eq(pawl_null_policy.open(&policy, &setup, &err), -EINVAL);
    ck_assert_str_eq(err.text, "policy null: the records have no field 'action'");
    err.code = 0;
    ck_assert_int_eq(pawl_random_policy.open(&policy, &setup, &err), -EINVAL);
    ck_assert_str_eq(err.text,
                     "policy random: the records have no field 'action' of type float32");
    ck_assert_ptr_null(policy);
}
END_TEST

START_TEST(a_row_of_the_tables_does_not_contradict_itself)
{
    const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table, NULL};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(tables, &err) == 0, "%s", err.text);
}
END_TEST

PAWL_TEST_MAIN("policy", an_unknown_method_names_the_known_ones,
               the_choices_of_the_configuration_are_the_table,
               null_acts_with_zeros_and_touches_nothing_else,
               random_stays_within_its_range_and_reaches_both_ends, random_chooses_every_choice,
               a_lane_acts_the_same_whichever_process_holds_it,
               records_without_an_action_are_refused,
               a_row_of_the_tables_does_not_contradict_itself)
