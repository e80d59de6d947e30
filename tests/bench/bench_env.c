/* bench_env.c: what a step of each environment costs on one thread: through the lanes, with a
 * new episode after each end, as an actor runs it. One action for all steps, so that its choice
 * costs nothing. */
#include "actor/env_check.h"
#include "actor/env_dummy.h"
#include "actor/env_registry.h"
#include "actor/env_spec.h"
#include "actor/lanes.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/bench.h"

#define RUN_COUNT  101
#define STEP_COUNT 2000

static float action[PAWL_ENV_ACTIONS_MAX];
static void *obs[PAWL_ENV_FIELDS_MAX];

static int steps(struct pawl_lanes *lanes)
{
    struct pawl_env_step step;
    int failed_count = 0;

    for (int i = 0; i < STEP_COUNT; i++) {
        if (!pawl_lanes_get(lanes, 0)->is_running)
            failed_count += pawl_lanes_begin(lanes, 0, obs, NULL) != 0;
        failed_count += pawl_lanes_step(lanes, 0, action, obs, &step, NULL) != 0;
    }
    return failed_count;
}

static int checks(const struct pawl_env_spec *spec)
{
    int bad_count = 0;

    for (int i = 0; i < STEP_COUNT; i++)
        bad_count += pawl_env_obs_find_bad(spec, obs) >= 0;
    return bad_count;
}

static void print(const char *name, const char *what, double *took_ns)
{
    char line_name[96];
    snprintf(line_name, sizeof(line_name), "%s_%s", name, what);
    bench_print_spread(line_name, took_ns, RUN_COUNT, 1.0, "ns");
    snprintf(line_name, sizeof(line_name), "%s_%s_rate", name, what);
    bench_print(line_name, round(1e9 / bench_percentile(took_ns, RUN_COUNT, 50)), "per_s");
}

static int bench(const char *name, const struct pawl_lanes_cfg *cfg)
{
    static double step_ns[RUN_COUNT], check_ns[RUN_COUNT];
    struct pawl_lanes *lanes;
    struct pawl_philox philox;
    struct pawl_err err = {0};
    int failed_count = 0;

    if (pawl_lanes_open(&lanes, cfg, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct pawl_env_spec *spec = pawl_lanes_spec(lanes);
    for (uint32_t i = 0; i < spec->obs_count; i++)
        obs[i] = malloc(pawl_env_field_bytes(&spec->obs[i]));
    pawl_philox_open(&philox, 1, 1, 1);
    pawl_env_act_random(action, spec, &philox);
    for (int i = 0; i < RUN_COUNT; i++) {
        double start_ns = bench_now_ns();
        failed_count += steps(lanes);
        double middle_ns = bench_now_ns();
        failed_count += checks(spec);
        double end_ns = bench_now_ns();
        step_ns[i] = (middle_ns - start_ns) / STEP_COUNT;
        check_ns[i] = (end_ns - middle_ns) / STEP_COUNT;
    }
    print(name, "step", step_ns);
    print(name, "obs_check", check_ns);
    for (uint32_t i = 0; i < spec->obs_count; i++)
        free(obs[i]);
    pawl_lanes_close(lanes);
    return failed_count != 0;
}

int main(void)
{
    int failed_count = 0;

    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++) {
        _Alignas(16) unsigned char fields[1024];
        struct pawl_lanes_cfg cfg = pawl_lanes_default_cfg();
        cfg.ops = entry->ops;
        if (entry->table) {
            if (entry->table->fields_bytes > sizeof(fields) ||
                pawl_cfg_default(entry->table, fields, NULL) != 0)
                return 1;
            cfg.args.fields = fields;
        }
        failed_count += bench(entry->ops->name, &cfg);
    }
    struct pawl_env_dummy_cfg dummy;
    struct pawl_lanes_cfg cfg = pawl_lanes_default_cfg();
    cfg.ops = &pawl_env_dummy;
    cfg.args.fields = &dummy;
    if (pawl_cfg_default(&pawl_env_dummy_table, &dummy, NULL) != 0)
        return 1;
    dummy.image_count = 1;
    failed_count += bench("dummy_image_128", &cfg);
    return failed_count != 0;
}
