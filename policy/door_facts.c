/* door_facts.c: what `pawl info` says of libtorch, after loading it. */
#include "policy/door.h"

#include <sched.h>
#include <stdio.h>

#include "policy/blas.h"

#define GIB        ((double)(1 << 30))
#define TEXT_BYTES (PAWL_ERR_TEXT_BYTES + PAWL_TORCH_TEXT_BYTES)

typedef void put_fact(void *sink, const char *key, const char *text);

static void put_devices(const struct pawl_torch *torch, const struct pawl_torch_about *about,
                        put_fact *put, void *sink)
{
    char text[TEXT_BYTES];
    if (about->device_count == 0)
        put(sink, "cuda", about->cuda_why);
    for (uint32_t i = 0; i < about->device_count; i++) {
        struct pawl_torch_device device;
        struct pawl_err err = {0};
        char key[16];
        snprintf(key, sizeof(key), "cuda_%u", i);
        if (torch->device(i, &device, &err) == 0)
            snprintf(text, sizeof(text), "%s, %.1f GiB", device.name,
                     (double)device.memory_bytes / GIB);
        else
            snprintf(text, sizeof(text), "%s", err.text);
        put(sink, key, text);
    }
}

/* What matrices are multiplied with, and what is wrong with it. */
static void put_blas(const struct pawl_torch_about *about, uint32_t thread_count, put_fact *put,
                     void *sink)
{
    char text[TEXT_BYTES];
    struct pawl_err err = {0};
    if (about->blas_own[0]) {
        put(sink, "blas", about->blas_own);
        return;
    }
    const struct pawl_blas *blas = pawl_blas_open(thread_count, &err);
    if (!blas)
        snprintf(text, sizeof(text), "%s", err.text);
    else
        snprintf(text, sizeof(text), "%s%s%s", blas->name, blas->warning ? ": " : "",
                 blas->warning ? blas->warning : "");
    put(sink, "blas", text);
}

static uint32_t core_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static void read_facts(put_fact *put, void *sink)
{
    struct pawl_err err = {0};
    struct pawl_torch_about about;
    char text[TEXT_BYTES];
    struct pawl_door_cfg cfg = {.thread_count = core_count(),
                                .wants_cuda = pawl_door_has(true)};
    const struct pawl_torch *torch = pawl_door_open(&cfg, &err);
    if (!torch && cfg.wants_cuda) {
        put(sink, "cuda", err.text);
        err = (struct pawl_err){0};
        cfg.wants_cuda = false;
        torch = pawl_door_open(&cfg, &err);
    }
    if (!torch || torch->about(&about, &err) != 0) {
        put(sink, "door", err.text);
        return;
    }
    snprintf(text, sizeof(text), "%s, %s", about.version, about.library);
    put(sink, "version", text);
    put_blas(&about, cfg.thread_count, put, sink);
    snprintf(text, sizeof(text), "%u at most, one for each core allowed", about.thread_count);
    put(sink, "threads", text);
    bool is_cuda = pawl_door_has_driver() && cfg.wants_cuda && about.device_count > 0;
    put(sink, "auto", is_cuda ? "cuda" : "cpu");
    if (cfg.wants_cuda)
        put_devices(torch, &about, put, sink);
    else if (!pawl_door_has(true))
        put(sink, "cuda", "no: the libtorch of this build is for the CPU alone");
}

const struct pawl_cli_facts pawl_door_facts = {.section = "torch", .read = read_facts};
