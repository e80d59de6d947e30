/* main_pawl.c: the program that people run. Here, and only here, all verbs and all tables of
 * configuration keys are listed. */
#include "pawl/bench_run.h"
#include "pawl/build.h"
#include "pawl/eval.h"
#include "pawl/train.h"

#include "actor/actor_cfg.h"
#include "actor/env_cfg.h"
#include "actor/verbs.h"
#include "learner/checkpoint_cfg.h"
#include "learner/learner_cfg.h"
#include "learner/replay_cfg.h"
#include "learner/verbs.h"
#include "policy/blas.h"
#include "policy/door.h"
#include "policy/policy_cfg.h"
#include "runtime/cli.h"
#include "runtime/run_cfg.h"
#include "runtime/verbs.h"
#include "shm/ring_cfg.h"
#include "shm/verbs.h"

static const struct pawl_cli_verb *const verbs[] = {
    /* in the order of the help */
    &pawl_verb_train,
    &pawl_verb_learner,
    &pawl_verb_actor,
    &pawl_verb_eval,
    &pawl_verb_record,
    &pawl_verb_info,
    &pawl_verb_config,
    &pawl_verb_config_check,
    &pawl_verb_config_dump,
    &pawl_verb_config_schema,
    &pawl_verb_config_diff,
    &pawl_verb_env,
    &pawl_verb_env_list,
    &pawl_verb_env_check,
    &pawl_verb_env_run,
    &pawl_verb_shm,
    &pawl_verb_bench,
    &pawl_verb_bench_ring,
    &pawl_verb_bench_params,
    &pawl_verb_bench_step,
    &pawl_verb_checkpoint,
    &pawl_verb_checkpoint_list,
    &pawl_verb_checkpoint_verify,
    &pawl_verb_checkpoint_show,
    &pawl_verb_completion,
    &pawl_verb_help,
    NULL,
};

static const struct pawl_cfg_table *const tables[] = {
    &pawl_run_table,
    &pawl_env_table,
    &pawl_env_reach2d_table,
    &pawl_env_dummy_table,
    &pawl_actor_table,
    &pawl_ring_table,
    &pawl_policy_table,
    &pawl_sac_table,
    &pawl_learner_table,
    &pawl_replay_table,
    &pawl_checkpoint_table,
    &pawl_log_table,
    NULL,
};

static const struct pawl_cli_library libraries[] = {PAWL_BUILD_LIBRARIES};

static const struct pawl_cli_build build = {
    .type = PAWL_BUILD_TYPE,
    .compiler = PAWL_BUILD_COMPILER,
    .options = PAWL_BUILD_OPTIONS,
    .sanitizer = PAWL_BUILD_SANITIZER,
    .libraries = libraries,
    .library_count = sizeof(libraries) / sizeof(libraries[0]),
};

static const struct pawl_cli_facts *const facts[] = {&pawl_door_facts, &pawl_blas_facts, NULL};

int main(int argc, char **argv)
{
    static const struct pawl_cli_program program = {
        .name = "pawl",
        .version = PAWL_BUILD_VERSION,
        .help = "reinforcement learning on one workstation",
        .verbs = verbs,
        .tables = tables,
        .build = &build,
        .facts = facts,
    };
    return pawl_cli_main(&program, argc, argv);
}
