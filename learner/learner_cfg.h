/* learner_cfg.h: the table [learner]: how records are taken in and parameters handed out. */
#ifndef PAWL_LEARNER_LEARNER_CFG_H
#define PAWL_LEARNER_LEARNER_CFG_H

#include "runtime/cfg.h"

#define PAWL_LEARNER_PATH_BYTES 1024

enum pawl_learner_behind { PAWL_LEARNER_BEHIND_THROTTLE, PAWL_LEARNER_BEHIND_ALLOW };

enum pawl_learner_device {
    PAWL_LEARNER_DEVICE_AUTO,
    PAWL_LEARNER_DEVICE_CPU,
    PAWL_LEARNER_DEVICE_CUDA,
};

#define PAWL_LEARNER_DEVICE_WAY_OUT                                                            \
    "\"cpu\" computes on the processor, \"auto\" on a GPU where there is one"

struct pawl_learner_cfg {
    double update_ratio;
    int32_t behind; /* enum pawl_learner_behind */
    int64_t learning_starts;
    int64_t batch_size;
    int32_t device; /* enum pawl_learner_device */
    int64_t threads;
    int64_t mirror_updates;
    double metrics_period_s;
    char start_from[PAWL_LEARNER_PATH_BYTES];
    int64_t publish_updates;
    double publish_period_s;
    int64_t publish_every;
    int64_t version_slots;
    int64_t rings_max;
    int64_t drain_records;
    bool ledger;
    struct pawl_cfg_i64_list cpus;
};

extern const char *const pawl_learner_devices[];       /* NULL behind the last */
extern const struct pawl_cfg_table pawl_learner_table; /* fills struct pawl_learner_cfg */

#endif
