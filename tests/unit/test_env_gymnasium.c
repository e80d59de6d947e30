/* The environments that are re-written from Gymnasium do what Gymnasium does; the golden values
 * are its own (tests/golden/env/make_env.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_registry.h"
#include "actor/env_spec.h"
#include "actor/lanes.h"
#include "support/test.h"

#define RESET_COUNT 1000
#define OBS_MAX     4

static const struct {
    const char *name;
    uint32_t obs_count;
    unsigned ended_count; /* how many of the golden episodes have an end */
    float tolerance;      /* of a number, relative above 1 */
} environments[] = {
    {"pendulum", 3, 8, 1e-5f},
    {"mountain_car", 2, 7, 0.0f},
    {"cartpole", 4, 14, 1e-5f},
};

/* A golden file, whole; its words are float32 or uint32. */
struct words {
    uint32_t *at, *end, *memory;
};

static struct words golden(const char *name, const char *what)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/golden/env/%s_%s.bin", PAWL_SOURCE_DIR, name, what);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    uint32_t *memory = malloc(1 << 20);
    ck_assert_ptr_nonnull(memory);
    size_t count = fread(memory, sizeof(*memory), (1 << 20) / sizeof(*memory), file);
    fclose(file);
    ck_assert_uint_gt(count, 0);
    return (struct words){.at = memory, .end = memory + count, .memory = memory};
}

static float next_float(struct words *words)
{
    float value;
    ck_assert(words->at < words->end);
    memcpy(&value, words->at++, sizeof(value));
    return value;
}

static struct pawl_lanes *open_lane(const char *name)
{
    struct pawl_lanes *lanes;
    struct pawl_lanes_cfg cfg = pawl_lanes_default_cfg();
    struct pawl_err err = {0};
    cfg.ops = pawl_env_find(name)->ops;
    ck_assert_msg(pawl_lanes_open(&lanes, &cfg, &err) == 0, "%s", err.text);
    return lanes;
}

START_TEST(a_reset_is_gymnasiums_bit_for_bit)
{
    const char *name = environments[_i].name;
    struct words words = golden(name, "resets");
    struct pawl_lanes *lanes = open_lane(name);
    float state[OBS_MAX];
    void *const obs[] = {state};
    size_t bytes = environments[_i].obs_count * sizeof(float);

    for (uint64_t seed = 0; seed < RESET_COUNT; seed++) {
        ck_assert_int_eq(pawl_lanes_begin_seeded(lanes, 0, seed, obs, NULL), 0);
        ck_assert_msg(memcmp(state, words.at, bytes) == 0, "%s: reset(seed=%lu)", name,
                      (unsigned long)seed);
        words.at += environments[_i].obs_count;
    }
    ck_assert_ptr_eq(words.at, words.end);
    pawl_lanes_close(lanes);
    free(words.memory);
}
END_TEST

/* sin and cos are the C library's here and Python's there: 1 in the last place of a double may
 * become 1 in the last place of a float, and grows with a pole's motion. The mountain car
 * rounds its state to float at each step, where such a 1 is lost: it has to be equal, which
 * also shows that the mixture of float and double is NumPy's. On the glibc of Debian 12 nothing
 * differs. */
static void assert_near(float ours, float theirs, float tolerance, const char *name,
                        uint32_t seed, uint32_t step)
{
    ck_assert_msg(fabsf(ours - theirs) <= tolerance * fmaxf(1.0f, fabsf(theirs)),
                  "%s, seed %u, step %u: %.9g here, %.9g in Gymnasium", name, seed, step,
                  (double)ours, (double)theirs);
}

START_TEST(an_episode_is_gymnasiums_with_its_rewards_and_its_end)
{
    const char *name = environments[_i].name;
    uint32_t obs_count = environments[_i].obs_count;
    float tolerance = environments[_i].tolerance;
    struct words words = golden(name, "steps");
    struct pawl_lanes *lanes = open_lane(name);
    float state[OBS_MAX];
    void *const obs[] = {state};
    unsigned ended_count = 0, differing_count = 0;

    while (words.at < words.end) {
        uint32_t seed = *words.at++, step_count = *words.at++;
        ck_assert_int_eq(pawl_lanes_begin_seeded(lanes, 0, seed, obs, NULL), 0);
        for (uint32_t i = 0; i < obs_count; i++)
            ck_assert_float_eq(state[i], next_float(&words));
        for (uint32_t step = 1; step <= step_count; step++) {
            struct pawl_env_step out;
            float action = next_float(&words);
            ck_assert_int_eq(pawl_lanes_step(lanes, 0, &action, obs, &out, NULL), 0);
            for (uint32_t i = 0; i < obs_count; i++) {
                float theirs = next_float(&words);
                assert_near(state[i], theirs, tolerance, name, seed, step);
                differing_count += state[i] != theirs;
            }
            float reward = next_float(&words);
            assert_near(out.reward, reward, tolerance, name, seed, step);
            differing_count += out.reward != reward;
            uint32_t ends = *words.at++;
            ck_assert_uint_eq(out.terminated, ends & 1);
            ck_assert_uint_eq(out.truncated, ends >> 1);
            ended_count += ends != 0;
            ck_assert(ends == 0 || step == step_count);
        }
    }
    ck_assert_uint_eq(ended_count, environments[_i].ended_count);
    if (differing_count)
        printf("%s: %u numbers differ in their last digits\n", name, differing_count);
    pawl_lanes_close(lanes);
    free(words.memory);
}
END_TEST

START_TEST(a_state_of_the_golden_episodes_is_within_its_bounds)
{
    struct words words = golden("mountain_car", "steps");
    float low = (float)-1.2, high = (float)0.6;
    unsigned wall_count = 0;
    while (words.at < words.end) {
        uint32_t step_count = words.at[1];
        words.at += 2;
        float position = next_float(&words);
        next_float(&words);
        for (uint32_t step = 0; step < step_count; step++) {
            next_float(&words);
            position = next_float(&words);
            ck_assert(position >= low && position <= high);
            wall_count += position == low;
            words.at += 3;
        }
    }
    ck_assert_uint_gt(wall_count, 0); /* else the episodes show too little */
    free(words.memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("env_gymnasium");
    TCase *tcase = tcase_create("env_gymnasium");
    int count = (int)(sizeof(environments) / sizeof(environments[0]));
    tcase_add_loop_test(tcase, a_reset_is_gymnasiums_bit_for_bit, 0, count);
    tcase_add_loop_test(tcase, an_episode_is_gymnasiums_with_its_rewards_and_its_end, 0, count);
    tcase_add_test(tcase, a_state_of_the_golden_episodes_is_within_its_bounds);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed_count != 0;
}
