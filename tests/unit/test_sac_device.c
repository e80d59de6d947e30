/* test_sac_device.c: SAC's learning half on a device with memory of its own (a fake GPU,
 * support/fake_gpu.h): whatever it does there must be what it does on the CPU, to the bit.
 */
#include "policy/sac_trainer.h"

#include <errno.h>
#include <math.h>

#include "learner/checkpoint.h"
#include "learner/checkpoint_tree.h"
#include "learner/publish.h"
#include "learner/warm.h"
#include "runtime/clock.h"
#include "support/gpu_rig.h"
#include "support/sac_rig.h"
#include "support/scratch.h"

#define GPU        PAWL_FAKE_DOORS "/gpu"
#define ROWS       8
#define CHOICES    3
#define FLOATS_MAX 4096
#define WORDS                                                                                  \
    "policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5", "policy.sac.utd_ratio=2",           \
        "policy.sac.policy_update_freq=2", "policy.sac.observation_mean=[0.1, 0.2, 0.3]",      \
        "policy.sac.observation_std=[1.0, 2.0, 0.5]"

static struct pawl_trainer_report report;
static void open_on(struct sac_rig *rig, const char *device)
{
    const char *const words[] = {WORDS};
    sac_rig_open_on(rig, device, words, sizeof(words) / sizeof(words[0]), ROWS, CHOICES);
}

static void update(struct sac_rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sac_rig_update(rig, &report);
}

static void *state_of(struct sac_rig *rig, size_t *bytes)
{
    return pawl_sac_trainer.state(rig->trainer, bytes);
}

static void assert_same(struct sac_rig *gpu, struct sac_rig *cpu)
{
    size_t bytes;
    sac_rig_fetch(gpu);
    const float *a = state_of(gpu, &bytes), *b = state_of(cpu, &bytes);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        ck_assert_msg(memcmp(a + i, b + i, sizeof(float)) == 0, "float %zu: %g, on the CPU %g",
                      i, (double)a[i], (double)b[i]);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(gpu->trainer),
                      pawl_sac_trainer.update_count(cpu->trainer));
}

/* --- memory apart --- */

START_TEST(first_values_are_those_on_the_cpu)
{
    struct sac_rig gpu, cpu;
    uint64_t count;
    gpu_rig_use(GPU);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    assert_same(&gpu, &cpu);
    ck_assert(sac_rig_tensor(&gpu, "model/actor.network.net.0.weight", &count)[0] != 0.0f);
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

START_TEST(updates_are_those_on_the_cpu)
{
    struct sac_rig gpu, cpu;
    gpu_rig_use(GPU);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    for (uint32_t i = 0; i < 6; i++) {
        struct pawl_trainer_report theirs;
        update(&gpu, 1);
        sac_rig_update(&cpu, &theirs);
        ck_assert_double_eq(report.grad_norm, theirs.grad_norm);
        for (uint32_t k = 0; k < theirs.figure_count; k++)
            ck_assert_double_eq(report.figures[k].value, theirs.figures[k].value);
    }
    assert_same(&gpu, &cpu);
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

static void publish_all(struct sac_rig *rig, float data[][FLOATS_MAX])
{
    const struct pawl_sac_model *model = pawl_sac_trainer_steps(rig->trainer)->model;
    sac_rig_fetch(rig);
    for (uint32_t i = 0; i < model->manifest_count; i++)
        pawl_sac_trainer.publish(rig->trainer, i, data[i]);
}

START_TEST(what_is_published_is_what_is_published_from_the_cpu)
{
    static float theirs[64][FLOATS_MAX], ours[64][FLOATS_MAX];
    struct sac_rig gpu, cpu;
    gpu_rig_use(GPU);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    for (uint32_t i = 0; i < 3; i++) {
        publish_all(&gpu, theirs);
        publish_all(&cpu, ours);
        ck_assert_mem_eq(theirs, ours, sizeof(ours));
        update(&gpu, 2);
        update(&cpu, 2);
    }
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

START_TEST(the_next_learner_goes_on_from_the_warm_state)
{
    struct sac_rig dead, next, cpu;
    struct pawl_warm warm;
    struct pawl_warm_mark mark = {0};
    struct pawl_err err = {0};
    size_t bytes;
    gpu_rig_use(GPU);
    open_on(&dead, "cuda");
    open_on(&cpu, "cpu");
    update(&dead, 5);
    sac_rig_fetch(&dead);
    const void *block = state_of(&dead, &bytes);
    ck_assert_msg(pawl_warm_create(&warm, bytes, &err) == 0, "%s", err.text);
    pawl_warm_put(&warm, PAWL_WARM_LATEST, block, &mark);
    update(&dead, 2);

    open_on(&next, "cuda");
    update(&next, 1);
    ck_assert(
        pawl_warm_get(&warm, PAWL_WARM_LATEST, NULL, NULL, state_of(&next, &bytes), &mark));
    sac_rig_restore(&next);
    update(&next, 4);
    update(&cpu, 9);
    assert_same(&next, &cpu);
    pawl_warm_close(&warm);
    sac_rig_close(&dead);
    sac_rig_close(&next);
    sac_rig_close(&cpu);
}
END_TEST

/* As the learner goes back when training has gone wrong. */
START_TEST(who_goes_back_goes_on_as_on_the_cpu)
{
    struct sac_rig gpu, cpu;
    size_t bytes;
    gpu_rig_use(GPU);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    update(&gpu, 4);
    sac_rig_fetch(&gpu);
    void *block = state_of(&gpu, &bytes), *good = malloc(bytes);
    memcpy(good, block, bytes);
    update(&gpu, 5);
    memcpy(block, good, bytes);
    sac_rig_restore(&gpu);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(gpu.trainer), 4);
    update(&gpu, 3);
    update(&cpu, 7);
    assert_same(&gpu, &cpu);
    free(good);
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

/* --- checkpoints --- */

static struct scratch scratch;

static const char *save(struct sac_rig *rig, uint64_t step)
{
    static char folder[PATH_MAX];
    struct pawl_checkpoint_tree tree;
    struct pawl_checkpoint saver;
    struct pawl_checkpoint_tree_setup tree_setup = {.trainer = rig->trainer, .seed = 7};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_checkpoint_tree_open(&tree, &tree_setup, &err) == 0, "%s", err.text);
    struct pawl_checkpoint_setup setup = {.io = pawl_io_sys(),
                                          .queue = PAWL_IO_QUEUE_INLINE,
                                          .run_path = scratch.path,
                                          .run = "r",
                                          .part_count_max = tree.part_count};
    struct pawl_checkpoint_counts counts = {.step = step};
    ck_assert_msg(pawl_checkpoint_open(&saver, &setup, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_checkpoint_tree_snap(&tree, &counts, "{}", 2, &err), 0);
    ck_assert_int_eq(
        pawl_checkpoint_begin(&saver, step, NAN, tree.files, tree.file_count, 0, &err), 0);
    ck_assert_msg(pawl_checkpoint_wait(&saver, pawl_clock_now_ns() + 30 * PAWL_NS_PER_S,
                                       &err) == PAWL_CHECKPOINT_DONE,
                  "%s", err.text);
    pawl_checkpoint_close(&saver);
    pawl_checkpoint_tree_close(&tree);
    snprintf(folder, sizeof(folder), "%s/checkpoints/%06u", scratch.path, (unsigned)step);
    return folder;
}

static void load(struct sac_rig *rig, const char *folder, enum pawl_checkpoint_origin origin)
{
    struct pawl_checkpoint_loaded loaded;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_checkpoint_tree_load(pawl_io_sys(), folder, rig->trainer, origin,
                                            &loaded, &err) == 0,
                  "%s", err.text);
    free(loaded.pawl_json);
}

START_TEST(a_checkpoint_of_one_device_goes_on_on_the_other)
{
    struct sac_rig gpu, cpu;
    gpu_rig_use(GPU);
    scratch_open(&scratch);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    update(&gpu, 3);
    load(&cpu, save(&gpu, 3), PAWL_CHECKPOINT_OURS);
    assert_same(&gpu, &cpu);
    update(&cpu, 2);
    load(&gpu, save(&cpu, 5), PAWL_CHECKPOINT_OURS);
    update(&gpu, 2);
    update(&cpu, 2);
    assert_same(&gpu, &cpu);
    scratch_close(&scratch);
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

/* What the file does not have stays as the device has it. */
START_TEST(tensors_that_a_checkpoint_lacks_keep_what_was_learnt)
{
    struct sac_rig gpu, cpu;
    char line[PATH_MAX];
    gpu_rig_use(GPU);
    scratch_open(&scratch);
    open_on(&gpu, "cuda");
    open_on(&cpu, "cpu");
    update(&cpu, 3);
    const char *folder = save(&cpu, 3);
    snprintf(line, sizeof(line), "cd %s && rm -r training_state/critic pawl_manifest.json",
             folder); /* as LeRobot's */
    ck_assert_int_eq(system(line), 0);
    update(&gpu, 5);
    update(&cpu, 2);
    load(&gpu, folder, PAWL_CHECKPOINT_FOREIGN);
    load(&cpu, folder, PAWL_CHECKPOINT_FOREIGN);
    update(&gpu, 2);
    update(&cpu, 2);
    assert_same(&gpu, &cpu);
    scratch_close(&scratch);
    sac_rig_close(&gpu);
    sac_rig_close(&cpu);
}
END_TEST

/* --- publications --- */

static struct pawl_tally tally;

static void open_publisher(struct pawl_publisher *publisher, struct sac_rig *rig)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_tally_create(&tally, &err) == 0, "%s", err.text);
    const struct pawl_publisher_cfg cfg = {.ops = &pawl_sac_policy,
                                           .setup = {.cfg = rig->cfg,
                                                     .spec = &rig->spec,
                                                     .choice_count = CHOICES,
                                                     .lane_count = 1,
                                                     .seed = 5},
                                           .reader_count = 1,
                                           .slot_count = 3,
                                           .tally = &tally,
                                           .trainer = rig->trainer};
    ck_assert_msg(pawl_publisher_open(publisher, &cfg, &err) == 0, "%s", err.text);
}

START_TEST(a_publication_brings_the_state_once)
{
    struct fake_gpu *gpu = gpu_rig_use(GPU);
    struct pawl_publisher publisher;
    struct pawl_err err = {0};
    struct sac_rig rig;
    open_on(&rig, "cuda");
    open_publisher(&publisher, &rig);
    update(&rig, 1);
    uint64_t before = gpu->calls[FAKE_GPU_FETCH];
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 1, &err), 1);
    ck_assert_uint_eq(gpu->calls[FAKE_GPU_FETCH], before + 1);
    pawl_publisher_close(&publisher);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(a_device_that_is_lost_is_an_error_of_all_that_looks_at_the_state)
{
    struct fake_gpu *gpu = gpu_rig_use(GPU);
    struct pawl_checkpoint_tree tree;
    struct pawl_checkpoint_tree_setup setup;
    struct pawl_checkpoint_counts counts = {0};
    struct pawl_checkpoint_loaded loaded;
    struct pawl_publisher publisher;
    struct pawl_err err = {0};
    struct sac_rig rig;
    gpu_rig_use(GPU);
    scratch_open(&scratch);
    open_on(&rig, "cuda");
    open_publisher(&publisher, &rig);
    setup = (struct pawl_checkpoint_tree_setup){.trainer = rig.trainer};
    ck_assert_int_eq(pawl_checkpoint_tree_open(&tree, &setup, &err), 0);
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", save(&rig, 1));

    gpu->is_lost = true;
    ck_assert_int_eq(pawl_publisher_publish(&publisher, 1, &err), -ENOTRECOVERABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "the device is lost"));
    ck_assert_uint_eq(publisher.version, 0);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_checkpoint_tree_snap(&tree, &counts, "{}", 2, &err),
                     -ENOTRECOVERABLE);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_checkpoint_tree_load(pawl_io_sys(), folder, rig.trainer,
                                               PAWL_CHECKPOINT_OURS, &loaded, &err),
                     -ENOTRECOVERABLE);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_sac_trainer.update(rig.trainer, &rig.sampler, &report, &err),
                     -ENOTRECOVERABLE);
    pawl_checkpoint_tree_close(&tree);
    pawl_publisher_close(&publisher);
    scratch_close(&scratch);
    sac_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("sac_device", first_values_are_those_on_the_cpu, updates_are_those_on_the_cpu,
               what_is_published_is_what_is_published_from_the_cpu,
               the_next_learner_goes_on_from_the_warm_state,
               who_goes_back_goes_on_as_on_the_cpu,
               a_checkpoint_of_one_device_goes_on_on_the_other,
               tensors_that_a_checkpoint_lacks_keep_what_was_learnt,
               a_publication_brings_the_state_once,
               a_device_that_is_lost_is_an_error_of_all_that_looks_at_the_state)
