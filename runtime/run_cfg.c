#include "runtime/run_cfg.h"

#include "runtime/log.h"
#include "runtime/restart.h"

#define ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#define RUN struct pawl_run_cfg
static const struct pawl_cfg_row run_rows[] = {
    PAWL_CFG_TEXT_ROW(RUN, "run.name", name, "run", PAWL_CFG_IS_NOT_EMPTY,
                      "What the run is called; a part of the name of its folder."),
    PAWL_CFG_TEXT_ROW(RUN, "run.dir", dir, "runs", PAWL_CFG_IS_NOT_EMPTY,
                      "Where the folders of runs are made."),
    PAWL_CFG_I64_ROW(RUN, "run.seed", seed, 0, 0, PAWL_CFG_I64_HIGHEST, "",
                     "What all random numbers of the run are derived from."),
    PAWL_CFG_BOOL_ROW(RUN, "run.deterministic", deterministic, false,
                      "Everything in lock-step, so that the same seed gives the same run."),
    PAWL_CFG_I64_ROW(RUN, "run.steps", steps, 0, 0, PAWL_CFG_I64_HIGHEST, "steps",
                     "Steps after which the run is done; 0: when somebody stops it."),
    PAWL_CFG_F64_ROW(RUN, "run.stop_s", stop_s, 8.0, 0.1, 3600.0, "s",
                     "How long a run that is stopped may take to end in order."),
    PAWL_CFG_F64_ROW(RUN, "run.start_s", start_s, 60.0, 0.1, 3600.0, "s",
                     "How long a process may be out of touch with the others after its start."),
    PAWL_CFG_F64_ROW(RUN, "run.restart_pause_s", restart_pause_s, 0.05, 0.001, 10.0, "s",
                     "How soon a process that died is started again; twice as long after "
                     "each crash in a row."),
    PAWL_CFG_I64_ROW(RUN, "run.crash_count_max", crash_count_max, 5, 1,
                     PAWL_RESTART_CRASH_COUNT_MAX, "",
                     "So many crashes of one process within run.crash_window_s, and it is not "
                     "started again."),
    PAWL_CFG_F64_ROW(RUN, "run.crash_window_s", crash_window_s, 60.0, 0.01, 86400.0, "s",
                     "Likewise; a process that runs for so long has recovered."),
};

const struct pawl_cfg_table pawl_run_table = {
    .name = "run",
    .help = "What a run is called, where it is kept and what it repeats.",
    .rows = run_rows,
    .row_count = ROW_COUNT(run_rows),
    .fields_bytes = sizeof(RUN),
};

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL};

#define LOG struct pawl_run_log_cfg
static const struct pawl_cfg_row log_rows[] = {
    PAWL_CFG_CHOICE_ROW(LOG, "log.level", level, PAWL_LOG_CFG_INFO, levels,
                        "The least important lines that are still written."),
    PAWL_CFG_CHOICE_ROW(LOG, "log.color", color, PAWL_LOG_COLOUR_AUTO, colors,
                        "Colour on standard error; auto: on a terminal without NO_COLOR."),
    PAWL_CFG_BOOL_ROW(LOG, "log.file", file, true, "Write log.txt into the folder of the run."),
    PAWL_CFG_F64_ROW(LOG, "log.period_s", period_s, 10.0, 0.1, 3600.0, "s",
                     "Time between two lines of progress where there is no terminal."),
};

const struct pawl_cfg_table pawl_log_table = {
    .name = "log",
    .help = "What is written about a run while it goes on.",
    .rows = log_rows,
    .row_count = ROW_COUNT(log_rows),
    .fields_bytes = sizeof(LOG),
};
