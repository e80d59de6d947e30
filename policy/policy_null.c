/* policy_null.c: does nothing, so that what remains is the cost of the runtime alone. */
#include "policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct null_policy {
    struct pawl_policy base;
    size_t action_offset;
    size_t action_bytes;
};

static int null_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                     struct pawl_err *err)
{
    *policy = NULL;
    const struct pawl_spec_field *action = pawl_spec_find(setup->spec, "action");
    if (!action)
        return pawl_err_set(err, EINVAL, "policy null: the records have no field 'action'");

    struct null_policy *null = calloc(1, sizeof(*null));
    if (!null)
        return pawl_err_set(err, ENOMEM, "policy null: out of memory");
    null->base.ops = &pawl_null_policy;
    null->action_offset = action->offset_bytes;
    null->action_bytes = action->size_bytes;
    *policy = &null->base;
    return 0;
}

static void null_close(struct pawl_policy *policy)
{
    free(policy);
}

static void null_act(struct pawl_policy *policy, unsigned char *const *records,
                     uint32_t lane_count)
{
    const struct null_policy *null = (const struct null_policy *)policy;

    for (uint32_t lane = 0; lane < lane_count; lane++)
        memset(records[lane] + null->action_offset, 0, null->action_bytes);
}

const struct pawl_policy_ops pawl_null_policy = {
    .name = "null",
    .help = "Does nothing: the cost of the runtime alone.",
    .open = null_open,
    .close = null_close,
    .act = null_act,
};
