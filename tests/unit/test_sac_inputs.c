/* test_sac_inputs.c: what SAC's learning half reads beside a batch: random numbers, and what
 * observations are normalised with. */
#include "policy/sac_trainer.h"

#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS  8
#define SMALL "policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5"

static struct sac_rig rig;
static struct pawl_trainer_report report;

#define OPEN(...)                                                                              \
    sac_rig_open(&rig, (const char *[]){SMALL, ##__VA_ARGS__},                                 \
                 sizeof((const char *[]){SMALL, ##__VA_ARGS__}) / sizeof(char *), ROWS, 0)

/* --- random numbers --- */

static struct {
    enum pawl_sac_noise which;
    uint64_t draw;
} seen[64];
static uint32_t seen_count;

static void noted_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                        uint32_t count)
{
    (void)arg;
    for (uint32_t i = 0; i < count; i++)
        out[i] = 1.0f;
    for (uint32_t i = 0; i < seen_count; i++)
        ck_assert(seen[i].which != which || seen[i].draw != draw);
    seen[seen_count].which = which;
    seen[seen_count++].draw = draw;
}

START_TEST(nothing_is_drawn_twice)
{
    OPEN("policy.sac.utd_ratio=3", "policy.sac.policy_update_freq=2");
    pawl_sac_trainer_noise(rig.trainer, noted_noise, NULL);
    seen_count = 0;
    for (uint32_t i = 0; i < 4; i++)
        sac_rig_update(&rig, &report);
    ck_assert_uint_eq(seen_count, 4 * 3 * 2 + 2 * 2 * 2);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(noise_is_normal_and_of_a_stream_for_each_use)
{
    OPEN();
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig.trainer);
    const struct pawl_view views[] = {steps->eps_next, steps->eps_actor,
                                      steps->eps_temperature};
    double sum = 0.0, squares = 0.0, count = 0.0;
    for (uint32_t i = 0; i < 200; i++) {
        sac_rig_update(&rig, &report);
        for (uint32_t v = 0; v < 3; v++) {
            const float *eps = engine->ops->input(engine, views[v]);
            for (uint32_t k = 0; k < ROWS * SAC_RIG_ACTION; k++, count += 1.0) {
                sum += (double)eps[k];
                squares += (double)eps[k] * (double)eps[k];
            }
            ck_assert(v == 0 || eps[0] != engine->ops->input(engine, views[v - 1])[0]);
        }
    }
    ck_assert_double_eq_tol(sum / count, 0.0, 0.05); /* five deviations of the mean */
    ck_assert_double_eq_tol(squares / count, 1.0, 0.08);
    sac_rig_close(&rig);
}
END_TEST

/* --- observations --- */

static const float obs_mean[] = {1.0f, -2.0f, 0.5f}, obs_std[] = {2.0f, 0.5f, 4.0f};

static void normalised_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    for (uint32_t row = 0; row < batch->count; row++)
        for (uint32_t next = 0; next < 2; next++) {
            float *obs = sac_rig_row(at, batch, "obs.state", next, row);
            for (uint32_t i = 0; i < SAC_RIG_OBS; i++)
                obs[i] = (obs[i] - obs_mean[i]) / obs_std[i];
        }
}

/* Two updates on observations that were normalised before they were kept. */
static void learn_normalised(float *row, uint32_t count)
{
    OPEN();
    rig.fill = normalised_batch;
    sac_rig_update(&rig, &report);
    sac_rig_update(&rig, &report);
    sac_rig_read(&rig, pawl_view_cols(pawl_sac_trainer_steps(rig.trainer)->row, 0, count), row);
    sac_rig_close(&rig);
}

static void set_numbers(const char *tensor, const float *values)
{
    uint64_t count;
    float *data = sac_rig_tensor(&rig, tensor, &count);
    memcpy(data, values, count * sizeof(float));
}

START_TEST(observations_are_normalised_by_the_numbers_of_the_block)
{
    static float want[4096], got[4096];
    static const char *const norm[][2] = {
        {"policy.sac.observation_mean=[1.0, -2.0, 0.5]",
         "policy.sac.observation_std=[2.0, 0.5, 4.0]"},
        {"policy.sac.observation_mean=[9, 9, 9]", "policy.sac.observation_std=[9, 9, 9]"}};

    for (uint32_t i = 0; i < 2; i++) {
        OPEN(norm[i][0], norm[i][1]);
        const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
        uint32_t count = (uint32_t)steps->model->tensors[steps->model->log_alpha].at;
        ck_assert_uint_le(count, 4096);
        if (i == 1) { /* those of another run's block count, not the configuration's */
            set_numbers("pawl/normalize_inputs.buffer_observation_state.mean", obs_mean);
            set_numbers("pawl/normalize_inputs.buffer_observation_state.std", obs_std);
            sac_rig_restore(&rig);
        }
        sac_rig_update(&rig, &report);
        sac_rig_update(&rig, &report);
        sac_rig_read(&rig, pawl_view_cols(steps->row, 0, count), got);
        sac_rig_close(&rig);
        learn_normalised(want, count);
        ck_assert_mem_eq(got, want, count * sizeof(float));
    }
}
END_TEST

PAWL_TEST_MAIN("sac_inputs", nothing_is_drawn_twice,
               noise_is_normal_and_of_a_stream_for_each_use,
               observations_are_normalised_by_the_numbers_of_the_block)
