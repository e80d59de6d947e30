/* bench_policy.c: what one action costs, for the networks of the classic tasks and of LeRobot's
 * arm, with the kernels of this processor, by the number of lanes that act at once. What the
 * greedy policy saves is the second head and the noise. */
#include "policy/policy.h"
#include "policy/policy_cfg.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/bench.h"

#define RUN_COUNT 201
#define LANE_MAX  64

static void measure(const struct pawl_policy_ops *ops, uint32_t obs_count,
                    uint32_t action_count, uint32_t lane_count, bool is_greedy)
{
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    static _Alignas(64) unsigned char memory[LANE_MAX][1024];
    unsigned char *records[LANE_MAX];
    struct pawl_tensor tensors[PAWL_POLICY_TENSOR_COUNT_MAX];
    struct pawl_cfg_source source = {0};
    struct pawl_cfg *cfg;
    struct pawl_spec spec = {0};
    struct pawl_policy *policy;
    size_t count = 0;

    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, &obs_count, NULL);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, &action_count, NULL);
    if (pawl_cfg_open(&cfg, tables, &source, NULL) != 0)
        exit(1);
    struct pawl_policy_setup setup = {
        .cfg = cfg, .spec = &spec, .lane_count = lane_count, .is_greedy = is_greedy};
    if (ops->open(&policy, &setup, NULL) != 0)
        exit(1);
    for (uint32_t lane = 0; lane < lane_count; lane++)
        records[lane] = memory[lane];
    const struct pawl_tensor *manifest = ops->manifest ? ops->manifest(policy, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t items =
            manifest[i].shape[0] * (manifest[i].rank == 2 ? (size_t)manifest[i].shape[1] : 1);
        void *data = calloc(items, sizeof(float));
        ops->init(policy, i, data);
        tensors[i] = manifest[i];
        tensors[i].data = data;
    }
    if (count && ops->bind(policy, tensors, count, NULL) != 0)
        exit(1);

    static double took_ns[RUN_COUNT];
    uint32_t repeat_count = 2048 / lane_count;
    for (size_t run = 0; run < RUN_COUNT; run++) {
        double start_ns = bench_now_ns();
        for (uint32_t i = 0; i < repeat_count; i++)
            ops->act(policy, records, lane_count);
        took_ns[run] = (bench_now_ns() - start_ns) / (double)(repeat_count * lane_count);
    }
    char name[96];
    snprintf(name, sizeof(name), "policy_%s%s_obs%u_act%u_lanes%u_ns", ops->name,
             is_greedy ? "_greedy" : "", obs_count, action_count, lane_count);
    bench_print_spread(name, took_ns, RUN_COUNT, 1.0, "ns");

    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)tensors[i].data);
    ops->close(policy);
    pawl_cfg_close(cfg);
}

int main(void)
{
    static const uint32_t lanes[] = {1, 4, 16, LANE_MAX};

    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
        measure(&pawl_null_policy, 18, 4, lanes[i], false);
        measure(&pawl_random_policy, 18, 4, lanes[i], false);
        measure(&pawl_sac_policy, 3, 1, lanes[i], false);
        measure(&pawl_sac_policy, 18, 7, lanes[i], false);
        measure(&pawl_sac_policy, 18, 7, lanes[i], true);
    }
    return 0;
}
