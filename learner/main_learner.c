/* main_learner.c: the program pawl-learner, which the supervisor starts:
 *
 *     pawl-learner --config RUN/config.toml --hub FD [--resume]
 *
 * The folder of the file is the folder of the run. */
#include "learner/learner.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/learner_cfg.h"
#include "runtime/affinity.h"
#include "runtime/cli.h"
#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/run_cfg.h"

static _Atomic bool is_stopping;

static void on_signal(int signal)
{
    (void)signal;
    atomic_store_explicit(&is_stopping, true, memory_order_relaxed);
}

struct arguments {
    const char *config;
    int hub_fd;
    uint64_t start_ns; /* of the run; 0: now */
    bool is_resumed;
};

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"hub", required_argument, NULL, 'h'},
        {"index", required_argument, NULL, 'i'}, /* as every role is told; there is one learner
                                                  */
        {"start-ns", required_argument, NULL, 's'},
        {"resume", no_argument, NULL, 'r'},
        {0},
    };
    int option;
    *arguments = (struct arguments){.hub_fd = -1};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = NULL;
        if (option == 'c')
            arguments->config = optarg;
        else if (option == 'h')
            arguments->hub_fd = (int)strtol(optarg, &end, 10);
        else if (option == 's')
            arguments->start_ns = strtoull(optarg, &end, 10);
        else if (option == 'r')
            arguments->is_resumed = true;
        else if (option != 'i')
            return -EINVAL;
        if (end && (end == optarg || *end))
            return -EINVAL;
    }
    return arguments->config && arguments->hub_fd >= 0 && optind == argc ? 0 : -EINVAL;
}

/* Where the file is. */
static void folder_of(char *folder, size_t bytes, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, bytes, "%.*s", (int)(slash == path ? 1 : slash - path), path);
    else
        snprintf(folder, bytes, ".");
}

static int start_log(const struct pawl_cfg *cfg, const char *folder, uint64_t start_ns,
                     struct pawl_err *err)
{
    static const enum pawl_log_level levels[] = {
        [PAWL_LOG_CFG_ERROR] = PAWL_LOG_ERROR,
        [PAWL_LOG_CFG_WARN] = PAWL_LOG_WARN,
        [PAWL_LOG_CFG_INFO] = PAWL_LOG_INFO,
        [PAWL_LOG_CFG_DEBUG] = PAWL_LOG_DEBUG,
    };
    const struct pawl_run_log_cfg *keys = pawl_cfg_fields(cfg, &pawl_log_table);
    struct pawl_log_cfg log = pawl_log_default_cfg("learner");
    char path[4096 + 16];

    snprintf(path, sizeof(path), "%s/log.txt", folder);
    log.path = keys->file ? path : NULL;
    log.start_ns = start_ns;
    log.level = levels[keys->level];
    log.stderr_level = PAWL_LOG_WARN; /* people are told by the supervisor */
    return pawl_log_start(&log, err);
}

/* Before it starts threads. */
static int pin(const struct pawl_cfg *cfg, struct pawl_err *err)
{
    const struct pawl_learner_cfg *keys = pawl_cfg_fields(cfg, &pawl_learner_table);
    return pawl_affinity_set(keys->cpus.items, keys->cpus.count, "learner.cpus", err);
}

static int run(const struct arguments *arguments, const struct pawl_cfg *cfg,
               const char *folder, struct pawl_err *err)
{
    const struct pawl_learner_setup setup = {
        .cfg = cfg,
        .folder = folder,
        .hub_fd = arguments->hub_fd,
        .start_ns = arguments->start_ns,
        .is_resumed = arguments->is_resumed,
        .is_stopping = &is_stopping,
    };
    struct sigaction action = {.sa_handler = on_signal};
    struct pawl_learner *learner = NULL;

    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* Ctrl-C is for the supervisor */
    sigaction(SIGINT, &action, NULL);
    int code = pin(cfg, err);
    if (code == 0)
        code = pawl_learner_open(&learner, &setup, err);
    if (code == 0)
        code = pawl_learner_run(learner, err);
    pawl_learner_close(learner);
    return code;
}

/* What would be the same after another start ends the run: a configuration that cannot be
 * learned with, what this machine does not have, and training that has gone wrong for good. */
static int exit_code_of(int code)
{
    switch (-code) {
    case 0:
        return PAWL_EXIT_DONE;
    case EINVAL:
    case ENOENT:
        return PAWL_EXIT_USAGE;
    case ENOMEM:
    case ENODEV:
    case ENXIO:
    case ENOTSUP:
        return PAWL_EXIT_MISSING;
    case EDOM:
        return PAWL_EXIT_FINAL;
    default:
        return PAWL_EXIT_FAILED;
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct pawl_err err = {0};
    struct pawl_cfg *cfg = NULL;
    char folder[4096];

    signal(SIGPIPE, SIG_IGN); /* a supervisor that died reads no standard error */
#ifdef PAWL_FAULTS
    if (pawl_fault_arm_from_env(&err) != 0) {
        fprintf(stderr, "pawl-learner: %s\n", err.text);
        return PAWL_EXIT_USAGE;
    }
#endif
    if (read_arguments(&arguments, argc, argv) != 0) {
        fprintf(stderr,
                "usage: pawl-learner --config FILE --hub FD (started by `pawl train`)\n");
        return PAWL_EXIT_USAGE;
    }
    const struct pawl_cfg_source source = {.path = arguments.config, .has_other_tables = true};
    if (pawl_cfg_open(&cfg, pawl_learner_tables, &source, &err) != 0) {
        if (cfg)
            pawl_cfg_problems_print(cfg, stderr);
        else
            fprintf(stderr, "pawl-learner: %s\n", err.text);
        pawl_cfg_close(cfg);
        return PAWL_EXIT_USAGE;
    }
    folder_of(folder, sizeof(folder), arguments.config);
    int code = start_log(cfg, folder, arguments.start_ns, &err);
    if (code == 0)
        code = run(&arguments, cfg, folder, &err);
    if (code != 0) {
        pawl_log_settle(PAWL_NS_PER_S); /* the reason is the last line */
        pawl_log_error("failed", "reason=%s", err.text);
    }
    pawl_log_stop();
    pawl_cfg_close(cfg);
    return exit_code_of(code);
}
