/* test_sac_auto.c: which device learner.device = "auto" takes, and what is said of it. */
#include "policy/sac_trainer.h"

#include <errno.h>
#include <jansson.h>

#include "support/gpu_rig.h"
#include "support/log_file.h"
#include "support/sac_rig.h"

#define GPU PAWL_FAKE_DOORS "/gpu"

static void open_auto(struct sac_rig *rig)
{
    const char *const words[] = {"policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5"};
    sac_rig_open_on(rig, "auto", words, 2, 8, 0);
}

static void assert_says(const struct sac_rig *rig, const char *device)
{
    struct pawl_json_writer out;
    struct pawl_err err = {0};

    ck_assert_str_eq(pawl_sac_trainer.device(rig->trainer), device);
    pawl_json_open_growing(&out, 1 << 20);
    ck_assert_int_eq(pawl_sac_trainer.describe(rig->trainer, PAWL_TRAINER_CONFIG, &out, &err),
                     0);
    json_t *root = json_loads(pawl_json_finish(&out, NULL, &err), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(root, "device")), device);
    json_decref(root);
    pawl_json_close_writer(&out);
}

START_TEST(auto_is_a_gpu_that_works)
{
    struct sac_rig rig;
    gpu_rig_use(GPU);
    open_auto(&rig);
    assert_says(&rig, "cuda");
    sac_rig_close(&rig);
}
END_TEST

START_TEST(auto_without_a_driver_is_the_cpu_and_nothing_is_loaded)
{
    struct sac_rig rig;
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    gpu_rig_use_doors(GPU);
    open_auto(&rig);
    assert_says(&rig, "cpu");
    ck_assert_ptr_null(strstr(stopped_file(), "GPU"));
    sac_rig_close(&rig);
    ck_assert_ptr_null(dlopen(GPU "/pawl_torch.so", RTLD_NOW | RTLD_NOLOAD));
}
END_TEST

static void check_fallback(const char *folder, const char *reason)
{
    struct sac_rig rig;
    struct pawl_trainer_report report;
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    gpu_rig_use_doors(folder);
    gpu_rig_has_driver = true;
    open_auto(&rig);
    assert_says(&rig, "cpu");
    sac_rig_update(&rig, &report);
    sac_rig_close(&rig);
    const char *log = stopped_file();
    ck_assert_msg(strstr(log, "a GPU cannot be used: learning on the CPU") &&
                      strstr(log, reason),
                  "no '%s' in %s", reason, log);
}

START_TEST(auto_is_the_cpu_where_the_driver_has_no_device)
{
    gpu_rig_use(GPU)->device_count = 0;
    check_fallback(GPU, "no CUDA-capable device is detected");
}
END_TEST

START_TEST(auto_is_the_cpu_where_the_gpu_has_no_room)
{
    gpu_rig_use(GPU)->fail = (struct fake_gpu_fail){FAKE_GPU_OPEN, 1, ENOMEM};
    check_fallback(GPU, "open: the device fails at call 1");
}
END_TEST

START_TEST(auto_is_the_cpu_where_half_of_the_door_is_missing)
{
    check_fallback(PAWL_FAKE_DOORS "/half", "pawl_torch.so: No such file");
}
END_TEST

START_TEST(auto_is_the_cpu_where_the_cuda_half_is_missing)
{
    check_fallback(PAWL_FAKE_DOORS "/good", "pawl_torch_cuda.so: No such file");
}
END_TEST

START_TEST(auto_is_the_cpu_where_the_cuda_half_is_of_another_build)
{
    check_fallback(PAWL_FAKE_DOORS "/old_cuda", "of another build");
}
END_TEST

PAWL_TEST_MAIN("sac_auto", auto_is_a_gpu_that_works,
               auto_without_a_driver_is_the_cpu_and_nothing_is_loaded,
               auto_is_the_cpu_where_the_driver_has_no_device,
               auto_is_the_cpu_where_the_gpu_has_no_room,
               auto_is_the_cpu_where_half_of_the_door_is_missing,
               auto_is_the_cpu_where_the_cuda_half_is_missing,
               auto_is_the_cpu_where_the_cuda_half_is_of_another_build)
