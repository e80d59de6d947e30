/* test_streams.c: the door's engine for CUDA without a GPU (support/fake_streams.h): the copies
 * that the host has, the record of a list, and what an error at work is. */
#include "policy/door.h"
#include "policy/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/installed.h"
#include "support/fake_streams.h"
#include "support/sac_rig.h"
#include "support/test.h"

static struct fake_streams *streams;
static struct pawl_plan *plan;
static struct pawl_engine *engine;
static struct pawl_view x, y;
static uint32_t the_list, another_list;
static struct pawl_err err;

static void use_streams(void)
{
    struct fake_streams *(*get)(void);
    setenv(PAWL_INSTALLED_ENV, PAWL_STREAMS_DOOR, 1);
    void *module = dlopen(PAWL_STREAMS_DOOR "/pawl_torch_cuda.so", RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(module != NULL, "%s", dlerror());
    void *symbol = dlsym(module, "fake_streams_get");
    ck_assert_ptr_nonnull(symbol);
    memcpy(&get, &symbol, sizeof(get)); /* C has no cast from an object to a function */
    streams = get();
}

/* y = x + x, however often it is done. */
static int try_open(void)
{
    struct pawl_engine_setup setup = {.thread_count = 1};
    use_streams();
    const struct pawl_engine_ops *ops = pawl_door_engine("cuda", 1, &err);
    ck_assert_msg(ops != NULL, "%s", err.text);
    ck_assert_int_eq(pawl_plan_open(&plan, &err), 0);
    x = pawl_plan_new(plan, PAWL_INPUT, 2, 3);
    y = pawl_plan_new(plan, PAWL_OUTPUT, 2, 3);
    (void)pawl_plan_new(plan, PAWL_STATE, 1, 4);
    the_list = pawl_plan_begin(plan, "twice");
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x});
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x, .accumulate = true});
    another_list = pawl_plan_begin(plan, "once");
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x});
    ck_assert_int_eq(pawl_plan_finish(plan, &err), 0);
    return ops->open(&engine, plan, &setup, &err);
}

static void open_engine(void)
{
    ck_assert_msg(try_open() == 0, "%s", err.text);
}

static void close_engine(void)
{
    engine->ops->close(engine);
    pawl_plan_close(plan);
}

static void run_list(uint32_t list, float value)
{
    engine->ops->input(engine, x)[4] = value;
    ck_assert_msg(engine->ops->run(engine, list, &err) == 0, "%s", err.text);
    engine->ops->input(engine, x)[4] = -1.0f; /* it has been taken */
    ck_assert_int_eq(engine->ops->finish(engine, &err), 0);
}

static void run(float value)
{
    run_list(the_list, value);
}

START_TEST(the_second_run_of_a_list_is_recorded_and_replayed_from_then_on)
{
    open_engine();
    run(1.0f);
    ck_assert_uint_eq(streams->begin_count, 0);
    run(2.0f);
    run(3.0f);
    ck_assert_uint_eq(streams->begin_count, 1);
    ck_assert_uint_eq(streams->replay_count, 2);
    close_engine();
    ck_assert_uint_eq(streams->closed_count, 1);
}
END_TEST

/* The list, another one behind it, and those of the next engine. */
static void check_plain(void)
{
    for (int i = 1; i <= 5; i++) {
        run((float)i);
        ck_assert_float_eq(engine->ops->output(engine, y)[4], 2.0f * (float)i);
    }
    for (int i = 1; i <= 3; i++)
        run_list(another_list, (float)i);
    close_engine();
    open_engine();
    for (int i = 1; i <= 3; i++)
        run((float)i);
    ck_assert_uint_eq(streams->begin_count, 1);
    ck_assert_uint_eq(streams->replay_count, 0);
    close_engine();
    ck_assert_uint_eq(streams->closed_count, streams->graph_count);
}

START_TEST(a_record_that_cannot_begin_is_the_last)
{
    open_engine();
    streams->fails_begin = true;
    check_plain();
}
END_TEST

START_TEST(a_record_that_cannot_end_is_the_last)
{
    open_engine();
    streams->fails_end = true;
    check_plain();
}
END_TEST

START_TEST(half_a_record_is_not_replayed_and_the_last)
{
    open_engine();
    streams->fails_inside = true;
    check_plain();
}
END_TEST

/* Whatever libtorch calls it. */
START_TEST(an_error_at_work_is_none_of_the_configuration)
{
    open_engine();
    run(1.0f);
    streams->wait_code = ENOMEM;
    ck_assert_int_eq(engine->ops->run(engine, the_list, &err), -EREMOTEIO);
    ck_assert_ptr_nonnull(strstr(err.text, "run a list: as the test wants it"));
    err = (struct pawl_err){0};
    streams->wait_code = EINVAL;
    ck_assert_int_eq(engine->ops->finish(engine, &err), -EREMOTEIO);
    ck_assert_int_eq(engine->ops->fetch(engine, NULL), -EREMOTEIO);
    ck_assert_int_eq(engine->ops->restore(engine, NULL), -EREMOTEIO);
    streams->is_lost = true;
    ck_assert_int_eq(engine->ops->fetch(engine, NULL), -ENOTRECOVERABLE);
    close_engine();
}
END_TEST

START_TEST(a_device_that_does_not_open_has_a_code_of_its_own)
{
    static const int codes[][2] = {
        {EINVAL, ENXIO}, {EIO, ENXIO}, {ENOMEM, ENOMEM}, {ENODEV, ENODEV}};
    use_streams();
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        streams->wait_code = codes[i][0];
        err = (struct pawl_err){0};
        ck_assert_int_eq(try_open(), -codes[i][1]);
        ck_assert_ptr_null(engine);
        ck_assert_ptr_nonnull(strstr(err.text, "open the torch engine: as the test wants it"));
        pawl_plan_close(plan);
    }
    streams->is_lost = true;
    err = (struct pawl_err){0};
    ck_assert_int_eq(try_open(), -ENOTRECOVERABLE);
    pawl_plan_close(plan);
}
END_TEST

START_TEST(what_the_host_has_no_copy_of_is_nowhere)
{
    open_engine();
    struct pawl_view work = {.arena = PAWL_WORK, .rows = 1, .cols = 1, .stride = 1};
    ck_assert_ptr_null(engine->ops->output(engine, work));
    ck_assert_ptr_null(engine->ops->input(engine, work));
    close_engine();
}
END_TEST

/* libtorch's kernels on both sides, so to the bit. */
START_TEST(memory_apart_changes_nothing)
{
    struct sac_rig apart, plain;
    struct pawl_trainer_report report;
    size_t bytes;
    const char *const words[] = {"policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5",
                                 "policy.sac.utd_ratio=2", "policy.sac.policy_update_freq=2"};
    use_streams();
    streams->fails_begin = true;
    sac_rig_open_on(&apart, "cuda", words, 4, 8, 3);
    sac_rig_open_on(&plain, "torch", words, 4, 8, 3);
    for (int i = 0; i < 6; i++) {
        sac_rig_fetch(&apart);
        sac_rig_fetch(&plain);
        void *theirs = pawl_sac_trainer.state(plain.trainer, &bytes);
        ck_assert_mem_eq(pawl_sac_trainer.state(apart.trainer, &bytes), theirs, bytes);
        if (i == 3) { /* as who goes back */
            sac_rig_restore(&apart);
            sac_rig_restore(&plain);
        }
        sac_rig_update(&apart, &report);
        sac_rig_update(&plain, &report);
    }
    sac_rig_close(&apart);
    sac_rig_close(&plain);
}
END_TEST

PAWL_TEST_MAIN("torch streams", the_second_run_of_a_list_is_recorded_and_replayed_from_then_on,
               a_record_that_cannot_begin_is_the_last, a_record_that_cannot_end_is_the_last,
               half_a_record_is_not_replayed_and_the_last,
               an_error_at_work_is_none_of_the_configuration,
               a_device_that_does_not_open_has_a_code_of_its_own,
               what_the_host_has_no_copy_of_is_nowhere, memory_apart_changes_nothing)
