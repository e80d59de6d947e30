/* run_cfg.h: the tables [run] and [log]: what every program of a run is told, whatever it does.
 */
#ifndef PAWL_RUNTIME_RUN_CFG_H
#define PAWL_RUNTIME_RUN_CFG_H

#include "runtime/cfg.h"

#define PAWL_RUN_NAME_BYTES 64
#define PAWL_RUN_PATH_BYTES 1024

struct pawl_run_cfg {
    char name[PAWL_RUN_NAME_BYTES];
    char dir[PAWL_RUN_PATH_BYTES];
    int64_t seed;
    bool deterministic;
    int64_t steps;
    double stop_s;
    double start_s;
    double restart_pause_s;
    int64_t crash_count_max;
    double crash_window_s;
};

enum pawl_log_cfg_level {
    PAWL_LOG_CFG_ERROR,
    PAWL_LOG_CFG_WARN,
    PAWL_LOG_CFG_INFO,
    PAWL_LOG_CFG_DEBUG,
};

struct pawl_run_log_cfg {
    int32_t level; /* enum pawl_log_cfg_level */
    int32_t color; /* enum pawl_log_colour (log.h) */
    bool file;
    double period_s;
};

extern const struct pawl_cfg_table pawl_run_table; /* fills struct pawl_run_cfg */
extern const struct pawl_cfg_table pawl_log_table; /* fills struct pawl_run_log_cfg */

#endif
