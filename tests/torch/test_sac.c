/* test_sac.c: SAC learns through the torch door what it learns through our own engine. */
#include "policy/sac_trainer.h"

#include <math.h>

#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS 16

static void open_rig(struct sac_rig *rig, const char *device, const char *last)
{
    const char *const words[] = {"policy.sac.hidden=[32, 16]", "policy.sac.latent_dim=8",
                                 "policy.sac.utd_ratio=2", "policy.sac.policy_update_freq=2",
                                 last};
    sac_rig_open_on(rig, device, words, 5, ROWS, 3);
}

static void check_same(const char *last)
{
    struct sac_rig ours, torchs;
    struct pawl_trainer_report mine, theirs;
    size_t count;

    open_rig(&ours, "cpu", last);
    open_rig(&torchs, "torch", last);
    for (uint32_t i = 0; i < 4; i++) {
        sac_rig_update(&ours, &mine);
        sac_rig_update(&torchs, &theirs);
        ck_assert_uint_eq(mine.figure_count, theirs.figure_count);
        for (uint32_t k = 0; k < mine.figure_count; k++)
            ck_assert_msg(fabs(mine.figures[k].value - theirs.figures[k].value) <=
                              1e-4 * (1.0 + fabs(mine.figures[k].value)),
                          "%s: %g here, %g there", mine.figures[k].name, mine.figures[k].value,
                          theirs.figures[k].value);
    }
    const struct pawl_tensor *tensors = pawl_sac_trainer.tensors(ours.trainer, &count);
    sac_rig_fetch(&torchs);
    for (size_t i = 0; i < count; i++) {
        uint64_t floats, same;
        if (strncmp(tensors[i].name, "model/", 6) != 0)
            continue;
        const float *a = sac_rig_tensor(&ours, tensors[i].name, &floats);
        const float *b = sac_rig_tensor(&torchs, tensors[i].name, &same);
        for (uint64_t k = 0; k < floats; k++)
            ck_assert_msg(fabsf(a[k] - b[k]) <= 1e-4f, "%s[%llu]: %g here, %g there",
                          tensors[i].name, (unsigned long long)k, (double)a[k], (double)b[k]);
    }
    ck_assert_uint_eq(pawl_sac_trainer.update_count(torchs.trainer), 4);
    sac_rig_close(&ours);
    sac_rig_close(&torchs);
}

START_TEST(the_torch_door_learns_what_our_engine_learns)
{
    check_same("policy.sac.std_max=1");
    check_same("policy.sac.critic_activate_final=false");
    check_same("policy.sac.critic_final_activation=Tanh");
    check_same("policy.sac.discrete_critic_final_activation=Identity");
}
END_TEST

PAWL_TEST_MAIN("sac", the_torch_door_learns_what_our_engine_learns)
