#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct pawl_policy_ops *const pawl_policies[] = {
    &pawl_null_policy,
    &pawl_random_policy,
    &pawl_sac_policy,
    NULL,
};

const struct pawl_policy_ops *pawl_policy_find(const char *name, struct pawl_err *err)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; pawl_policies[i]; i++) {
        if (strcmp(pawl_policies[i]->name, name) == 0)
            return pawl_policies[i];
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s\"%s\"",
                                 used ? ", " : "", pawl_policies[i]->name);
    }
    pawl_err_set(err, ENOENT, "policy.type = \"%s\": no such method; there are %s", name,
                 known);
    return NULL;
}

static int form_differs(const struct pawl_tensor *want, const struct pawl_tensor *have,
                        struct pawl_err *err)
{
    if (want->dtype != have->dtype)
        return pawl_err_set(err, EINVAL, "tensor '%s': %s wanted, %s given", want->name,
                            pawl_dtype_name(want->dtype), pawl_dtype_name(have->dtype));
    if (want->rank != have->rank)
        return pawl_err_set(err, EINVAL, "tensor '%s': rank %u wanted, %u given", want->name,
                            want->rank, have->rank);
    for (uint32_t i = 0; i < want->rank; i++)
        if (want->shape[i] != have->shape[i])
            return pawl_err_set(err, EINVAL, "tensor '%s': extent %u is %u, %u wanted",
                                want->name, i, have->shape[i], want->shape[i]);
    if (!have->data)
        return pawl_err_set(err, EINVAL, "tensor '%s': no data", want->name);
    return 0;
}

int pawl_policy_match(const struct pawl_tensor *manifest, size_t manifest_count,
                      const struct pawl_tensor *tensors, size_t count, const void **data,
                      struct pawl_err *err)
{
    for (size_t i = 0; i < manifest_count; i++) {
        /* Both sides have the same order in a run, so the first try mostly succeeds. */
        const struct pawl_tensor *found = NULL;
        for (size_t k = 0; k < count && !found; k++) {
            const struct pawl_tensor *tensor = &tensors[(i + k) % count];
            if (strncmp(tensor->name, manifest[i].name, PAWL_TENSOR_NAME_BYTES) == 0)
                found = tensor;
        }
        if (!found)
            return pawl_err_set(err, ENOENT, "tensor '%s' is missing", manifest[i].name);

        int code = form_differs(&manifest[i], found, err);
        if (code != 0)
            return code;
        data[i] = found->data;
    }
    return 0;
}
