/* What a config.json says of [policy.sac]. */
#include "policy/sac_lerobot.h"

#include <errno.h>

#include "support/sac_rig.h"
#include "support/test.h"

static struct pawl_trainer_words words;
static struct pawl_err err;

static int recall_as(const char *text, bool is_ours)
{
    err = (struct pawl_err){0};
    return pawl_sac_trainer.recall(&words, text, strlen(text), is_ours, "config.json", &err);
}

static int recall(const char *text)
{
    return recall_as(text, true);
}

static bool has_word(const char *word)
{
    for (uint32_t i = 0; i < words.count; i++)
        if (strcmp(words.words[i], word) == 0)
            return true;
    return false;
}

START_TEST(what_a_trainer_describes_is_recalled_key_by_key)
{
    static const char *const given[] = {"policy.sac.hidden=[24, 16]",
                                        "policy.sac.critic_hidden=[7]",
                                        "policy.sac.std_min=0.25",
                                        "policy.sac.std_max=2.0",
                                        "policy.sac.init_final=0.5",
                                        "policy.sac.num_critics=3",
                                        "policy.sac.actor_activate_final=false",
                                        "policy.sac.critic_final_activation=\"Tanh\"",
                                        "policy.sac.discrete_critic_activate_final=false",
                                        "policy.sac.latent_dim=5",
                                        "policy.sac.discount=0.9",
                                        "policy.sac.target_entropy=-4.0",
                                        "policy.sac.use_backup_entropy=false",
                                        "policy.sac.shared_encoder=false",
                                        "policy.sac.utd_ratio=2",
                                        "policy.sac.num_subsample_critics=2",
                                        "policy.sac.temperature_init=0.01",
                                        "policy.sac.critic_lr=0.002",
                                        "policy.sac.actor_lr=0.003",
                                        "policy.sac.temperature_lr=0.004",
                                        "policy.sac.grad_clip_norm=7.0",
                                        "policy.sac.critic_target_update_weight=0.25",
                                        "policy.sac.policy_update_freq=3",
                                        "policy.sac.discrete_critic_hidden=[9]",
                                        "policy.sac.compat=fixed",
                                        "policy.sac.observation_mean=[0.1, -2e-30, 3.0]",
                                        "policy.sac.observation_std=[1e-6, 0.3, 7.0]"};
    const int given_count = sizeof(given) / sizeof(given[0]);
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    char *pointers[PAWL_TRAINER_WORDS_MAX];
    struct pawl_json_writer writer;
    struct pawl_cfg *cfg;
    struct sac_rig rig;
    size_t length;

    sac_rig_open(&rig, given, given_count, 4, 3);
    pawl_json_open_growing(&writer, 1 << 20);
    ck_assert_int_eq(pawl_sac_trainer.describe(rig.trainer, PAWL_TRAINER_CONFIG, &writer, &err),
                     0);
    ck_assert_int_eq(recall(pawl_json_finish(&writer, &length, &err)), 0);
    ck_assert_str_eq(words.note, "");
    for (uint32_t i = 0; i < words.count; i++)
        pointers[i] = words.words[i];
    struct pawl_cfg_source source = {.words = pointers, .word_count = (int)words.count};
    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == 0, "%s", err.text);
    const struct pawl_sac_cfg *was = pawl_cfg_fields(rig.cfg, &pawl_sac_table);
    const struct pawl_sac_cfg *is = pawl_cfg_fields(cfg, &pawl_sac_table);
    ck_assert_mem_eq(was, is, sizeof(*is));
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    ck_assert_int_eq(policy->num_discrete_actions, 3);
    pawl_cfg_close(cfg);
    pawl_json_close_writer(&writer);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(what_is_missing_or_null_is_left_to_the_configuration)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"target_entropy\":null,\"policy_kwargs\":null,"
                            "\"latent_dim\":64}"),
                     0);
    ck_assert_uint_eq(words.count, 2);
    ck_assert(has_word("policy.sac.network=lerobot"));
    ck_assert(has_word("policy.sac.latent_dim=64"));
    ck_assert_int_eq(recall("{\"type\":\"pawl_sac_plain\"}"), 0);
    ck_assert(has_word("policy.sac.network=plain"));
}
END_TEST

START_TEST(statistics_that_lerobot_does_not_use_are_not_used_here)
{
    static const char stats[] = "\"dataset_stats\":{\"observation.state\":{\"mean\":[1],"
                                "\"std\":[2]}}}";
    char text[256];
    snprintf(text, sizeof(text), "{\"type\":\"sac\",\"tags\":null,%s", stats);
    ck_assert_int_eq(recall(text), 0);
    ck_assert_uint_eq(words.count, 1);
    snprintf(text, sizeof(text), "{\"type\":\"sac\",\"tags\":[\"pawl\"],%s", stats);
    ck_assert_int_eq(recall(text), 0);
    ck_assert(has_word("policy.sac.observation_mean=[1.0]"));
    ck_assert(has_word("policy.sac.observation_std=[2.0]"));
    ck_assert(has_word("policy.sac.compat=lerobot"));
}
END_TEST

/* LeRobot goes on with a checkpoint of ours and keeps its tags, but not our state. */
START_TEST(what_lerobot_has_trained_since_is_lerobots)
{
    static const char text[] = "{\"type\":\"sac\",\"tags\":[\"pawl\",\"pawl-compat-fixed\"],"
                               "\"dataset_stats\":{\"observation.state\":{\"mean\":[1],"
                               "\"std\":[2]}}}";
    ck_assert_int_eq(recall_as(text, false), 0);
    ck_assert_uint_eq(words.count, 1);
    ck_assert(has_word("policy.sac.network=lerobot"));
    ck_assert_ptr_eq(strstr(words.note, "config.json: its state of Pawl is not there"),
                     words.note);
    ck_assert_int_eq(recall_as(text, true), 0);
    ck_assert(has_word("policy.sac.compat=fixed"));
    ck_assert_str_eq(words.note, "");
}
END_TEST

START_TEST(an_activation_that_lerobot_does_not_read_is_none_here)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\","
                            "\"critic_network_kwargs\":{\"hidden_dims\":[8],"
                            "\"activate_final\":false,\"final_activation\":\"Tanh\"},"
                            "\"discrete_critic_network_kwargs\":{\"hidden_dims\":[8],"
                            "\"activate_final\":true,\"final_activation\":\"ReLU\"}}"),
                     0);
    ck_assert(has_word("policy.sac.critic_activate_final=false"));
    ck_assert(!has_word("policy.sac.critic_final_activation=Tanh"));
    ck_assert(has_word("policy.sac.discrete_critic_final_activation=ReLU"));
    ck_assert_uint_eq(words.count, 6);
}
END_TEST

START_TEST(a_least_spread_of_nothing_is_the_least_that_there_is_and_said)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"policy_kwargs\":{\"std_min\":0}}"), 0);
    ck_assert(has_word("policy.sac.std_min=1e-30"));
    ck_assert_str_eq(words.note, "config.json: policy_kwargs.std_min is too little here; "
                                 "policy.sac.std_min is 1e-30 instead\n");
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"policy_kwargs\":{\"std_min\":1e-30}}"), 0);
    ck_assert_str_eq(words.note, "");
}
END_TEST

/* As people write them: the configuration has them in its file and on the screen. */
START_TEST(numbers_are_as_short_as_they_can_be)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"discount\":0.97,\"actor_lr\":0.0003,"
                            "\"grad_clip_norm\":40,\"tags\":[\"pawl\"],\"dataset_stats\":"
                            "{\"observation.state\":{\"mean\":[0.1],\"std\":[2]}}}"),
                     0);
    ck_assert(has_word("policy.sac.discount=0.97"));
    ck_assert(has_word("policy.sac.actor_lr=3e-4"));
    ck_assert(has_word("policy.sac.grad_clip_norm=40.0"));
    ck_assert(has_word("policy.sac.observation_mean=[0.1]"));
}
END_TEST

START_TEST(a_target_entropy_of_nothing_is_not_the_default)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"target_entropy\":0.0}"), 0);
    ck_assert(has_word("policy.sac.target_entropy=1e-30"));
}
END_TEST

START_TEST(another_methods_configuration_is_refused_by_name)
{
    ck_assert_int_eq(recall("{\"type\":\"act\"}"), -EINVAL);
    ck_assert_str_eq(err.text, "config.json: type is \"act\"; policy.type = \"sac\" goes on "
                               "with \"sac\" alone");
}
END_TEST

START_TEST(what_cannot_be_is_refused_with_its_place)
{
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"policy_kwargs\":{\"std_min\":\"x\"}}"),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "config.json: policy_kwargs.std_min"));
    ck_assert_int_eq(recall("{\"type\":\"sac\",\"actor_network_kwargs\":"
                            "{\"hidden_dims\":[256,2.5]}}"),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "hidden_dims[1]"));
    ck_assert_int_lt(recall("{}"), 0);
    ck_assert_str_eq(err.text, "config.json: type: missing; a string is wanted");
    ck_assert_int_eq(recall("{"), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("sac_recall", what_a_trainer_describes_is_recalled_key_by_key,
               what_is_missing_or_null_is_left_to_the_configuration,
               statistics_that_lerobot_does_not_use_are_not_used_here,
               what_lerobot_has_trained_since_is_lerobots,
               an_activation_that_lerobot_does_not_read_is_none_here,
               a_least_spread_of_nothing_is_the_least_that_there_is_and_said,
               numbers_are_as_short_as_they_can_be,
               a_target_entropy_of_nothing_is_not_the_default,
               another_methods_configuration_is_refused_by_name,
               what_cannot_be_is_refused_with_its_place)
