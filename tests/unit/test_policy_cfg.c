/* The table [policy.sac]: what people are told of keys that contradict each other. */
#include "policy/policy_cfg.h"

#include "support/cfg_messages.h"
#include "support/test.h"

static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                      NULL};

/* clang-format off */
static const struct message_case cases[] = {
    {.about = "bounds of the spread that are no bounds",
     .words = {"policy.sac.std_max=0.5", "policy.sac.std_min=1"},
     .message =
         "command line: error: 'policy.sac.std_min' = 1.0 conflicts with 'policy.sac.std_max' = 0.5: the least spread is above the greatest\n"
         "  'policy.sac.std_min' comes from: command line; 'policy.sac.std_max' comes from: command line\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "a spread that cannot be",
     .words = {"policy.sac.std_min=0"},
     .message =
         "command line: error: 'policy.sac.std_min=0' must be between 1e-30 and 1000000, got 0\n"
         "  default 1e-5\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "an activation behind a layer that has none",
     .file = "[policy.sac]\n"
         "critic_activate_final = false\n"
         "critic_final_activation = \"Tanh\"\n",
     .message =
         "test.toml:3:1: error: 'policy.sac.critic_final_activation' = \"Tanh\" conflicts with 'policy.sac.critic_activate_final' = false: the last hidden layer has no activation then\n"
         "   3 | critic_final_activation = \"Tanh\"\n"
         "     | ^^^^^^^^^^^^^^^^^^^^^^^\n"
         "  'policy.sac.critic_activate_final' comes from: test.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "an activation that torch has and Pawl has not",
     .file = "[policy.sac]\n"
         "critic_final_activation = \"GELU\"\n",
     .message =
         "test.toml:2:27: error: 'policy.sac.critic_final_activation' must be \"SiLU\", \"ReLU\", \"Tanh\" or \"Identity\", got \"GELU\"\n"
         "   2 | critic_final_activation = \"GELU\"\n"
         "     |                           ^^^^^^\n"
         "  did you mean \"ReLU\"?\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "a key of LeRobot's network, with the plain one",
     .file = "[policy.sac]\n"
         "network = \"plain\"\n"
         "init_final = 0.1\n",
     .message =
         "test.toml:3:1: error: 'policy.sac.init_final' = 0.1 conflicts with 'policy.sac.network' = \"plain\": it is of LeRobot's network alone\n"
         "   3 | init_final = 0.1\n"
         "     | ^^^^^^^^^^\n"
         "  'policy.sac.network' comes from: test.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "widths of LeRobot's encoders, with the plain network",
     .words = {"policy.sac.network=plain", "policy.sac.latent_dim=8", "policy.sac.shared_encoder=false"},
     .message =
         "command line: error: 'policy.sac.latent_dim' = 8 conflicts with 'policy.sac.network' = \"plain\": it is of LeRobot's network alone\n"
         "  'policy.sac.latent_dim' comes from: command line; 'policy.sac.network' comes from: command line\n"
         "command line: error: 'policy.sac.shared_encoder' = false conflicts with 'policy.sac.network' = \"plain\": it is of LeRobot's network alone\n"
         "  'policy.sac.shared_encoder' comes from: command line; 'policy.sac.network' comes from: command line\n"
         "2 errors; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "what is of a choice where there is none, and of a temperature of its own",
     .file = "[policy.sac]\n"
         "discrete_critic_hidden = [8]\n"
         "temperature_lr = 1e-3\n"
         "critic_final_activation = \"SiLU\"\n",
     .is_warning = true,
     .message =
         "test.toml:2:1: warning: 'policy.sac.discrete_critic_hidden' = [8] has no effect with 'policy.num_discrete_actions' = 0\n"
         "test.toml:3:1: warning: 'policy.sac.temperature_lr' = 0.001 has no effect with 'policy.sac.compat' = \"lerobot\"\n"},
    {.about = "what has an effect, and what is as by default",
     .words = {"policy.sac.discrete_critic_hidden=[8]", "policy.num_discrete_actions=3", "policy.sac.temperature_lr=0.0003"},
     .is_warning = true,
     .message = ""},
    {.about = "more critics drawn than there are",
     .words = {"policy.sac.num_subsample_critics=3"},
     .message =
         "command line: error: 'policy.sac.num_subsample_critics' = 3 conflicts with 'policy.sac.num_critics' = 2: more critics cannot be drawn than there are\n"
         "  'policy.sac.num_subsample_critics' comes from: command line; 'policy.sac.num_critics' comes from: default\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
};
/* clang-format on */

START_TEST(contradictions_say_the_rule)
{
    messages_compare_of(tables, cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

START_TEST(the_rows_agree_with_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(tables, &err) == 0, "%s", err.text);
}
END_TEST

/* A run's own file has all keys. */
START_TEST(what_is_given_as_it_would_be_anyway_contradicts_nothing)
{
    static const char *const words[] = {
        "policy.sac.network=plain", "policy.sac.init_final=0.05",
        "policy.sac.critic_final_activation=SiLU", "policy.sac.critic_activate_final=true"};
    struct pawl_cfg_source source = {.words = (char *const *)(uintptr_t)words, .word_count = 4};
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == 0, "%s", err.text);
    pawl_cfg_close(cfg);
}
END_TEST

PAWL_TEST_MAIN("policy_cfg", contradictions_say_the_rule,
               what_is_given_as_it_would_be_anyway_contradicts_nothing,
               the_rows_agree_with_themselves)
