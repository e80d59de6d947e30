#include "learner/publish.h"

#include <errno.h>
#include <string.h>

#include "policy/policy_cfg.h"
#include "support/test.h"

static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                      NULL};
static struct pawl_tally tally;
static struct pawl_publisher publisher;
static struct pawl_spec spec;
static struct pawl_pin pin;
static struct pawl_err err;

static struct pawl_publisher_cfg cfg_of(const char *policy)
{
    static struct pawl_cfg *cfg;
    char *words[] = {"policy.sac.hidden=[4]", "policy.sac.latent_dim=4"};
    const struct pawl_cfg_source source = {.words = words, .word_count = 2};
    ck_assert_int_eq(pawl_cfg_open(&cfg, tables, &source, &err), 0);
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){3}, &err);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){2}, &err);
    ck_assert_msg(pawl_tally_create(&tally, &err) == 0, "%s", err.text);
    pawl_pin_init(&pin);
    return (struct pawl_publisher_cfg){
        .ops = pawl_policy_find(policy, &err),
        .setup = {.cfg = cfg, .spec = &spec, .lane_count = 1, .seed = 3},
        .reader_count = 4,
        .slot_count = 3,
        .tally = &tally,
    };
}

static void open_with(const struct pawl_publisher_cfg *cfg)
{
    ck_assert_msg(pawl_publisher_open(&publisher, cfg, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_publisher_add(&publisher, 2, &pin, &err) == 0, "%s", err.text);
}

/* The actor's view. */
static const struct pawl_board_slot *read_board(struct pawl_manifest *manifest)
{
    static struct pawl_board_rx rx;
    static struct pawl_segment segment;
    const struct pawl_board_rx_cfg cfg = {0};
    *manifest = (struct pawl_manifest){0};
    ck_assert_msg(
        pawl_board_attach(&rx, &segment, manifest, publisher.segment.fd, &pin, &cfg, &err) == 0,
        "%s", err.text);
    return pawl_board_acquire(&rx);
}

START_TEST(a_method_without_parameters_publishes_its_steps)
{
    const struct pawl_publisher_cfg cfg = cfg_of("null");
    struct pawl_manifest manifest;
    open_with(&cfg);
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 1234, &err), 1);
    const struct pawl_board_slot *slot = read_board(&manifest);
    const struct pawl_manifest_tensor *tensor =
        pawl_manifest_find(&manifest, PAWL_PUBLISHER_STEPS_NAME);
    int64_t steps;
    ck_assert_ptr_nonnull(tensor);
    memcpy(&steps, slot->data + tensor->offset_bytes, sizeof(steps));
    ck_assert_int_eq(steps, 1234);
    ck_assert_uint_eq(slot->step, 1234);
    pawl_manifest_close(&manifest);
}
END_TEST

START_TEST(a_methods_tensors_are_published_with_their_first_values)
{
    const struct pawl_publisher_cfg cfg = cfg_of("sac");
    struct pawl_manifest manifest;
    open_with(&cfg);
    pawl_publisher_publish(&publisher, 0, &err);
    const struct pawl_board_slot *slot = read_board(&manifest);
    size_t count;
    const struct pawl_tensor *tensors = cfg.ops->manifest(publisher.policy, &count);
    ck_assert_uint_eq(manifest.tensor_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct pawl_manifest_tensor *there =
            pawl_manifest_find(&manifest, tensors[i].name);
        float values[64];
        ck_assert_ptr_nonnull(there);
        ck_assert_uint_le(there->size_bytes, sizeof(values));
        cfg.ops->init(publisher.policy, i, values);
        ck_assert_mem_eq(values, slot->data + there->offset_bytes, there->size_bytes);
    }
    pawl_manifest_close(&manifest);
}
END_TEST

START_TEST(generations_go_on_above_those_of_a_dead_learner)
{
    const struct pawl_publisher_cfg cfg = cfg_of("null");
    open_with(&cfg);
    for (uint64_t i = 1; i <= 5; i++)
        ck_assert_int_eq(pawl_publisher_publish(&publisher, i, &err), (int64_t)i);
    struct pawl_publisher dead = publisher;
    open_with(&cfg);
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 9, &err), 6);
    pawl_publisher_close(&dead);
}
END_TEST

START_TEST(a_version_that_finds_no_slot_is_skipped_and_its_generation_is_used_later)
{
    struct pawl_publisher_cfg cfg = cfg_of("null");
    struct pawl_manifest manifest;
    struct pawl_pin other;
    cfg.slot_count = 2;
    open_with(&cfg);
    pawl_pin_init(&other);
    pawl_publisher_publish(&publisher, 1, &err);
    read_board(&manifest);
    pawl_publisher_publish(&publisher, 2, &err);
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 3, &err), 0);
    ck_assert_uint_eq(publisher.version, 2);
    pawl_publisher_remove(&publisher, 2); /* the reader died with its pin */
    pawl_publisher_remove(&publisher, 2);
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 4, &err), 3);
    pawl_manifest_close(&manifest);
}
END_TEST

START_TEST(a_method_that_cannot_be_had_says_why)
{
    struct pawl_publisher_cfg cfg = cfg_of("sac");
    struct pawl_spec empty = {0};
    cfg.setup.spec = &empty;
    ck_assert_int_lt(pawl_publisher_open(&publisher, &cfg, &err), 0);
    ck_assert(strstr(err.text, "parameters of policy.type = \"sac\": ") == err.text);
    ck_assert(!publisher.is_open);
}
END_TEST

PAWL_TEST_MAIN("publish", a_method_without_parameters_publishes_its_steps,
               a_methods_tensors_are_published_with_their_first_values,
               generations_go_on_above_those_of_a_dead_learner,
               a_version_that_finds_no_slot_is_skipped_and_its_generation_is_used_later,
               a_method_that_cannot_be_had_says_why)
