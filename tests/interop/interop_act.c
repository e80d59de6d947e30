/* interop_act MODEL OBS ACTIONS CHOICES [OVERRIDE...]: what Pawl's actor does with a
 * checkpoint, for checkpoint.py. MODEL is a pretrained_model folder; rows of OBS float32 come
 * from standard input, and the most likely action for each goes to standard output. */
#include "pawl/weights.h"
#include "policy/policy_cfg.h"

#include <stdio.h>
#include <stdlib.h>

#define OPERANDS 5

static int fail(const struct pawl_err *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

static int act(struct pawl_policy *policy, const struct pawl_spec *spec)
{
    const struct pawl_spec_field *obs = pawl_spec_find(spec, "obs.state");
    const struct pawl_spec_field *action = pawl_spec_find(spec, "action");
    unsigned char *record = calloc(1, spec->record_bytes);

    while (record && fread(record + obs->offset_bytes, obs->size_bytes, 1, stdin) == 1) {
        policy->ops->act(policy, &record, 1);
        if (fwrite(record + action->offset_bytes, action->size_bytes, 1, stdout) != 1)
            break;
    }
    int code = record && feof(stdin) && fflush(stdout) == 0 ? 0 : 1;
    free(record);
    return code;
}

int main(int argc, char **argv)
{
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    struct pawl_spec spec = {0};
    struct pawl_cfg *cfg;
    struct pawl_policy *policy;
    struct pawl_weights weights = {0};
    struct pawl_err err = {0};

    if (argc < OPERANDS) {
        fprintf(stderr, "usage: interop_act MODEL OBS ACTIONS CHOICES [OVERRIDE...]\n");
        return 2;
    }
    struct pawl_cfg_source source = {.words = argv + OPERANDS, .word_count = argc - OPERANDS};
    const uint32_t obs_count = (uint32_t)atoi(argv[2]), action_count = (uint32_t)atoi(argv[3]);
    if (pawl_cfg_open(&cfg, tables, &source, &err) != 0 ||
        pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, &obs_count, &err) != 0 ||
        pawl_spec_add(&spec, "action", PAWL_F32, 1, &action_count, &err) != 0)
        return fail(&err);
    const struct pawl_policy_setup setup = {.cfg = cfg,
                                            .spec = &spec,
                                            .choice_count = (uint32_t)atoi(argv[4]),
                                            .lane_count = 1,
                                            .seed = 1,
                                            .is_greedy = true};
    if (pawl_sac_policy.open(&policy, &setup, &err) != 0 ||
        pawl_weights_open(&weights, argv[1], policy, &err) != 0 ||
        pawl_sac_policy.bind(policy, weights.tensors, weights.count, &err) != 0)
        return fail(&err);
    int code = act(policy, &spec);
    pawl_sac_policy.close(policy);
    pawl_weights_close(&weights);
    pawl_cfg_close(cfg);
    return code;
}
