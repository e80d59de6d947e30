#include "policy/door.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/door_blas.h"
#include "runtime/installed.h"

#define DRIVER_NODE "/dev/nvidiactl"
#define MODULE      "pawl_torch.so"
#define MODULE_CUDA "pawl_torch_cuda.so"

/* The door of this process. */
static struct {
    const struct pawl_torch *torch; /* NULL: not open */
    bool has_cuda;
} door;

/* What brings a library that is missing. The first prefix that fits counts. */
static const struct {
    const char *prefix, *way_out;
} packages[] = {
    {"libblas.", "install libopenblas0-openmp"},
    {"libopenblas", "install libopenblas0-openmp"},
    {"libtorch_cpu.so.", "install the package libtorch of that version, or build Pawl again"},
    {"libc10.so.", "install the package libtorch of that version, or build Pawl again"},
    {"libtorch", "the torch that this was built with has gone: build Pawl again, with "
                 "-DPAWL_TORCH=SYSTEM, PYTHON or the folder of another"},
    {"libc10", "the torch that this was built with has gone: build Pawl again, with "
               "-DPAWL_TORCH=SYSTEM, PYTHON or the folder of another"},
    {"libcudart.", "pip install nvidia-cuda-runtime of that version of CUDA"},
    {"libcupti.", "pip install nvidia-cuda-cupti of that version of CUDA"},
    {"libcu", "pip install torch in full, with what it depends on"},
    {"libnv", "pip install torch in full, with what it depends on"},
    {"libnccl", "pip install torch in full, with what it depends on"},
    {"", "apt-get install --reinstall libtorch-dev brings what it needs"},
};

/* The text of dlerror() in our words. */
static int explain(const char *path, const char *text, struct pawl_err *err)
{
    static const char cannot_open[] = ": cannot open shared object file";
    const char *end = text ? strstr(text, cannot_open) : NULL;
    if (end) {
        size_t i = 0;
        while (strncmp(text, packages[i].prefix, strlen(packages[i].prefix)) != 0)
            i++;
        return pawl_err_set(err, ENOENT, "%s needs %.*s, which is not there: %s", path,
                            (int)(end - text), text, packages[i].way_out);
    }
    if (text && strstr(text, "undefined symbol"))
        return pawl_err_set(err, EPROTO,
                            "%s: libtorch is another than it was built with: build Pawl again "
                            "(%s)",
                            path, text);
    return pawl_err_set(err, EIO, "%s: %s", path, text ? text : "cannot be loaded");
}

static int find(const char *name, char path[PATH_MAX], struct pawl_err *err)
{
    struct pawl_err missing = {0};
    if (pawl_installed_find(name, R_OK, path, &missing) == 0)
        return 0;
    return pawl_err_set(
        err, missing.code, "%s; a build has it unless it was made with -DPAWL_TORCH=OFF%s",
        missing.text, strcmp(name, MODULE_CUDA) == 0 ? " or a libtorch without CUDA" : "");
}

/* The table of a module, after its first two fields were found to be ours. */
static const void *load(const char *name, const char *symbol, uint32_t byte_count,
                        struct pawl_err *err)
{
    char path[PATH_MAX];
    if (find(name, path, err) != 0)
        return NULL;
    /* libtorch and CUDA cannot be unloaded, so nobody closes this. */
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        explain(path, dlerror(), err);
        return NULL;
    }
    const void *(*table_of)(void);
    void *found = dlsym(module, symbol);
    memcpy(&table_of, &found, sizeof(found)); /* C has no cast from an object to a function */
    const uint32_t *head = found ? table_of() : NULL;
    if (!head) {
        pawl_err_set(err, EPROTO, "%s: not a module of Pawl's: no %s()", path, symbol);
        return NULL;
    }
    if (head[0] != PAWL_TORCH_ABI || head[1] != byte_count) {
        pawl_err_set(err, EPROTO,
                     "%s: of another build: version %u of %u bytes, this program has %u of %u; "
                     "build both again",
                     path, head[0], head[1], PAWL_TORCH_ABI, byte_count);
        return NULL;
    }
    return head;
}

static const struct pawl_torch_host host = {
    .op_byte_count = sizeof(struct pawl_op),
    .op_kind_count = PAWL_OP_KIND_COUNT,
    .list_count = pawl_plan_list_count,
    .ops = pawl_plan_ops,
    .float_count = pawl_plan_float_count,
    .op_form = pawl_op_form_of,
};

static int start(const struct pawl_door_cfg *cfg, struct pawl_err *err)
{
    const struct pawl_torch_cuda *cuda = NULL;
    pawl_door_blas_prepare(cfg->thread_count);
    if (cfg->wants_cuda) {
        setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0); /* the same sums at every run */
        cuda = load(MODULE_CUDA, PAWL_TORCH_CUDA_SYMBOL, sizeof(*cuda), err);
        if (!cuda)
            return pawl_err_wrap(err, "the CUDA half of the torch door");
    }
    const struct pawl_torch *torch = load(MODULE, PAWL_TORCH_SYMBOL, sizeof(*torch), err);
    if (!torch || torch->start(&host, cuda, cfg->thread_count, err) != 0)
        return pawl_err_wrap(err, "the torch door");
    door.torch = torch;
    door.has_cuda = cuda != NULL;
    return 0;
}

const struct pawl_torch *pawl_door_open(const struct pawl_door_cfg *cfg, struct pawl_err *err)
{
    if (!door.torch)
        return start(cfg, err) == 0 ? door.torch : NULL;
    if (cfg->wants_cuda && !door.has_cuda) {
        pawl_err_set(err, EBUSY,
                     "the torch door is open without CUDA in this process, and libtorch does "
                     "not change its mind");
        return NULL;
    }
    return door.torch;
}

const struct pawl_engine_ops *pawl_door_engine(const char *device, uint32_t thread_count,
                                               struct pawl_err *err)
{
    bool is_cuda = strcmp(device, "cuda") == 0;
    if (!is_cuda && strcmp(device, "torch") != 0) {
        pawl_err_set(err, EINVAL, "no such device; there are \"cpu\" and \"cuda\"");
        return NULL;
    }
    struct pawl_door_cfg cfg = {.thread_count = thread_count, .wants_cuda = is_cuda};
    struct pawl_torch_about about;
    const struct pawl_torch *torch = pawl_door_open(&cfg, err);
    if (!torch)
        return NULL;
    if (!is_cuda)
        return torch->engine_cpu;
    if (torch->about(&about, err) != 0)
        return NULL;
    if (about.device_count == 0) {
        pawl_err_set(err, ENODEV, "no device of CUDA: %s", about.cuda_why);
        return NULL;
    }
    return torch->engine_cuda;
}

bool pawl_door_has_driver(void)
{
    return access(DRIVER_NODE, F_OK) == 0;
}

bool pawl_door_has(bool cuda)
{
    char path[PATH_MAX];
    return find(cuda ? MODULE_CUDA : MODULE, path, NULL) == 0;
}
