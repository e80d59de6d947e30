/* main_actor.c: pawl-actor, a process that acts. Started by `pawl train`, not by people:
 *
 *     pawl-actor --config FILE --index N --hub FD [--life N] [--start-ns NS]
 *
 * FILE is the resolved configuration of the run, in its folder, FD the connection to its hub. N
 * is the actor's number; PAWL_HUB_ANY_INDEX lets the hub choose it. NS is when the run began.
 *
 * Exit: 0 told to stop, 1 failed or left alone, 2 what it was told cannot be, 3 the environment
 * or a device of it is missing.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/actor.h"
#include "runtime/cli.h"
#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/run_cfg.h"
#include "shm/hub_msg.h"

_Static_assert(PAWL_LOG_CFG_DEBUG + PAWL_LOG_ERROR == (int)PAWL_LOG_DEBUG,
               "the choices of log.level follow those of the log, without off");

struct options {
    const char *config;
    uint32_t index, life;
    int hub_fd;
    uint64_t start_ns; /* of the run; 0: now */
};

static struct pawl_actor *running; /* for the signal handler; set before it is installed */

static void on_signal(int signal)
{
    (void)signal;
    pawl_actor_ask_to_stop(running);
}

/* A whole number from 0 to max; -1 otherwise. */
static long number_of(const char *text, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || value < 0 || value > max)
        return -1;
    return value;
}

static int read_options(struct options *options, int argc, char **argv, struct pawl_err *err)
{
    *options = (struct options){.hub_fd = -1, .index = 0, .life = PAWL_ACTOR_LIFE_UNKNOWN};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        long number = -1;
        if (!value)
            return pawl_err_set(err, EINVAL, "%s: a value is missing", name);
        if (strcmp(name, "--config") == 0)
            options->config = value;
        else if (strcmp(name, "--index") == 0 &&
                 (number = number_of(value, PAWL_HUB_ANY_INDEX)) >= 0)
            options->index = (uint32_t)number;
        else if (strcmp(name, "--hub") == 0 && (number = number_of(value, 1 << 20)) >= 0)
            options->hub_fd = (int)number;
        else if (strcmp(name, "--life") == 0 && (number = number_of(value, 1 << 30)) >= 0)
            options->life = (uint32_t)number;
        else if (strcmp(name, "--start-ns") == 0 && (number = number_of(value, LONG_MAX)) >= 0)
            options->start_ns = (uint64_t)number;
        else
            return pawl_err_set(err, EINVAL,
                                "'%s %s': pawl-actor --config FILE --index N --hub FD", name,
                                value);
    }
    if (!options->config || options->hub_fd < 0)
        return pawl_err_set(err, EINVAL,
                            "pawl-actor is started by 'pawl train', with --config and --hub");
    return 0;
}

/* The problems of a configuration are printed as they are. */
static int open_cfg(struct pawl_cfg **cfg, const char *path, struct pawl_err *err)
{
    struct pawl_cfg_source source = {.path = path, .has_other_tables = true};

    int code = pawl_cfg_open(cfg, pawl_actor_tables, &source, err);
    if (code != 0 && *cfg)
        pawl_cfg_problems_print(*cfg, stderr);
    return code;
}

static int start_log(const struct pawl_cfg *cfg, const struct options *options,
                     struct pawl_err *err)
{
    const struct pawl_run_log_cfg *table = pawl_cfg_fields(cfg, &pawl_log_table);
    const char *slash = strrchr(options->config, '/');
    char role[32] = "actor-joined", path[PATH_MAX];

    if (options->index != PAWL_HUB_ANY_INDEX)
        snprintf(role, sizeof(role), "actor-%u", options->index);
    snprintf(path, sizeof(path), "%.*slog.txt", slash ? (int)(slash - options->config) + 1 : 0,
             options->config);
    struct pawl_log_cfg log_cfg = pawl_log_default_cfg(role);
    log_cfg.level = (enum pawl_log_level)(table->level + PAWL_LOG_ERROR);
    log_cfg.stderr_level = log_cfg.level < PAWL_LOG_WARN ? log_cfg.level : PAWL_LOG_WARN;
    log_cfg.path = table->file ? path : NULL;
    log_cfg.start_ns = options->start_ns;
    return pawl_log_start(&log_cfg, err);
}

static int exit_code_of(int code)
{
    switch (code) {
    case 0:
        return PAWL_EXIT_DONE;
    case -EINVAL:
    case -E2BIG:
        return PAWL_EXIT_USAGE;
    case -ENODEV:
        return PAWL_EXIT_MISSING;
    default:
        return PAWL_EXIT_FAILED;
    }
}

static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &ignore, NULL); /* the supervisor's to answer */
}

static int run(const struct options *options, const struct pawl_cfg *cfg, struct pawl_err *err)
{
    struct pawl_actor_start start = {
        .cfg = cfg, .index = options->index, .hub_fd = options->hub_fd, .life = options->life};

    int code = pawl_actor_open(&running, &start, err);
    if (code != 0) {
        pawl_log_error("cannot start", "error=%s", err->text);
        return exit_code_of(code);
    }
    catch_signals();
    code = pawl_actor_run(running, err);
    if (code != 0) {
        pawl_log_settle(PAWL_NS_PER_S); /* the reason is the last line */
        pawl_log_error("cannot go on", "error=%s", err->text);
    }
    signal(SIGTERM, SIG_IGN); /* it stops already */
    pawl_actor_close(running);
    return exit_code_of(code);
}

int main(int argc, char **argv)
{
    struct pawl_err err = {0};
    struct options options;
    struct pawl_cfg *cfg = NULL;
    int exit_code = PAWL_EXIT_USAGE;

    signal(SIGPIPE, SIG_IGN); /* a supervisor that died reads no standard error */
#ifdef PAWL_FAULTS
    if (pawl_fault_arm_from_env(&err) != 0)
        goto fail;
#endif
    if (read_options(&options, argc, argv, &err) != 0)
        goto fail;
    if (open_cfg(&cfg, options.config, &err) != 0 || start_log(cfg, &options, &err) != 0)
        goto fail;
    exit_code = run(&options, cfg, &err);
    pawl_log_stop();
    pawl_cfg_close(cfg);
    return exit_code;

fail:
    if (!cfg)
        fprintf(stderr, "pawl-actor: %s\n", err.text);
    pawl_cfg_close(cfg);
    return exit_code;
}
