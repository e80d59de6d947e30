#include "actor/record.h"

#include <stdio.h>

#include "shm/record.h"

static int add_observations(struct pawl_record_layout *layout, const struct pawl_env_spec *env,
                            struct pawl_err *err)
{
    for (uint32_t i = 0; i < env->obs_count; i++) {
        const struct pawl_env_field *field = &env->obs[i];
        char name[PAWL_SPEC_NAME_BYTES];
        snprintf(name, sizeof(name), PAWL_RECORD_OBS_PREFIX "%s", field->name);
        int code = pawl_spec_add(&layout->spec, name, (enum pawl_dtype)field->dtype,
                                 field->rank, field->shape, err);
        if (code != 0)
            return code;
        layout->obs_offset[i] = layout->spec.fields[i].offset_bytes;
    }
    layout->obs_count = env->obs_count;
    return 0;
}

/* Adds a field and says where it is. */
static int add(struct pawl_record_layout *layout, const char *name, enum pawl_dtype dtype,
               uint32_t rank, const uint32_t *shape, size_t *offset, struct pawl_err *err)
{
    int code = pawl_spec_add(&layout->spec, name, dtype, rank, shape, err);
    if (code == 0)
        *offset = layout->spec.fields[layout->spec.field_count - 1].offset_bytes;
    return code;
}

int pawl_record_layout_make(struct pawl_record_layout *layout, const struct pawl_env_spec *env,
                            const struct pawl_policy_ops *policy,
                            const struct pawl_policy_setup *setup, struct pawl_err *err)
{
    int code;

    *layout = (struct pawl_record_layout){.choice_count = env->choice_count};
    layout->action_count = env->action.shape[0];
    if ((code = add_observations(layout, env, err)) != 0 ||
        (code = add(layout, PAWL_RECORD_ACTION_NAME, PAWL_F32, 1, &layout->action_count,
                    &layout->action_offset, err)) != 0 ||
        (code = add(layout, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, &layout->reward_offset,
                    err)) != 0 ||
        (code = add(layout, PAWL_RECORD_TERMINATED_NAME, PAWL_BOOL, 0, NULL,
                    &layout->terminated_offset, err)) != 0 ||
        (code = add(layout, PAWL_RECORD_TRUNCATED_NAME, PAWL_BOOL, 0, NULL,
                    &layout->truncated_offset, err)) != 0 ||
        (code = add(layout, PAWL_RECORD_SUCCESS_NAME, PAWL_BOOL, 0, NULL,
                    &layout->success_offset, err)) != 0 ||
        (code = add(layout, PAWL_RECORD_INTERVENTION_NAME, PAWL_BOOL, 0, NULL,
                    &layout->intervention_offset, err)) != 0)
        goto fail;
    if (env->choice_count && (code = add(layout, PAWL_RECORD_PENALTY_NAME, PAWL_F32, 0, NULL,
                                         &layout->penalty_offset, err)) != 0)
        goto fail;
    if (policy->declare && (code = policy->declare(setup, &layout->spec, err)) != 0)
        goto fail;
    layout->record_bytes = layout->spec.record_bytes;
    return 0;

fail:
    pawl_err_wrap(err, "records of policy %s", policy->name);
    return code;
}
