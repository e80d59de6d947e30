/* gpu_rig.h: a process that finds fake doors (tests/torch/), and a machine with a GPU's driver
 * or without.
 *
 *     struct fake_gpu *gpu = gpu_rig_use(PAWL_FAKE_DOORS "/gpu");     a device, and its driver
 *     gpu_rig_use_doors(PAWL_FAKE_DOORS "/half");                     others
 */
#ifndef PAWL_TEST_GPU_RIG_H
#define PAWL_TEST_GPU_RIG_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/installed.h"
#include "support/fake_gpu.h"
#include "support/test.h"

static bool gpu_rig_has_driver;

/* In the place of the C library's. */
int access(const char *name, int mode)
{
    if (strcmp(name, "/dev/nvidiactl") == 0)
        return gpu_rig_has_driver ? 0 : -1;
    return (int)syscall(SYS_faccessat, AT_FDCWD, name, mode);
}

static inline void gpu_rig_use_doors(const char *folder)
{
    setenv(PAWL_INSTALLED_ENV, folder, 1);
}

/* folder: of the doors with a device. */
static inline struct fake_gpu *gpu_rig_use(const char *folder)
{
    char name[1024];
    struct fake_gpu *(*gpu)(void);

    gpu_rig_use_doors(folder);
    gpu_rig_has_driver = true;
    snprintf(name, sizeof(name), "%s/pawl_torch.so", folder);
    void *module = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(module != NULL, "%s", dlerror());
    void *symbol = dlsym(module, "fake_gpu");
    ck_assert_ptr_nonnull(symbol);
    memcpy(&gpu, &symbol, sizeof(gpu)); /* C has no cast from an object to a function */
    return gpu();
}

#endif
