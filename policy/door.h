/* door.h: opens the torch door (policy/torch/shim.h), for who wants libtorch at run time.
 *
 *     struct pawl_door_cfg cfg = {.thread_count = 1, .wants_cuda = true};
 *     const struct pawl_torch *torch = pawl_door_open(&cfg, err);
 *     torch->about(&about, err);
 *
 * The program links nothing of libtorch, so it starts as fast without it and says in a sentence
 * what is missing. Once open the door stays open: libtorch cannot be unloaded.
 *
 * Thread safety: opened by one thread while the process has no other that computes, since
 * threads and memory of the libraries are set up through the environment.
 */
#ifndef PAWL_POLICY_DOOR_H
#define PAWL_POLICY_DOOR_H

#include "policy/torch/shim.h"
#include "runtime/cli.h"

#include <stdbool.h>
#include <stddef.h>

struct pawl_door_cfg {
    uint32_t thread_count; /* of the libraries' pools; 0: as the environment has it */
    bool wants_cuda;
};

/* Looks for the modules where the other parts of the installation are (runtime/installed.h).
 * NULL with a sentence: there is no such module, it cannot be loaded, it is of another build,
 * or the door is open already without CUDA. Asked again, the same table; cfg->thread_count then
 * changes nothing. */
const struct pawl_torch *pawl_door_open(const struct pawl_door_cfg *cfg, struct pawl_err *err);

/* The engine of libtorch (policy/engine.h) on "cuda", or as "torch" on the CPU, which is
 * what our own is compared with; opens the door. NULL with a sentence. */
const struct pawl_engine_ops *pawl_door_engine(const char *device, uint32_t thread_count,
                                               struct pawl_err *err);

/* Whether there is an NVIDIA driver, with or without a GPU that it can use. Nothing is loaded.
 */
bool pawl_door_has_driver(void);

/* Whether there is a module to open, or its CUDA half. Nothing is loaded. */
bool pawl_door_has(bool cuda);

/* For `pawl info`. */
extern const struct pawl_cli_facts pawl_door_facts;

#endif
