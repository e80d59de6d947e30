/* policy_random.c: every action equally likely. */
#include "policy/policy.h"
#include "runtime/philox.h"

#include <errno.h>
#include <stdlib.h>

struct random_policy {
    struct pawl_policy base;
    size_t action_offset;
    uint32_t component_count;     /* those before the choice, if there is one */
    uint32_t choice_count;        /* of the last component; 0: it is continuous as all */
    struct pawl_philox streams[]; /* one for each lane */
};

static int random_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                       struct pawl_err *err)
{
    *policy = NULL;
    const struct pawl_spec_field *action = pawl_spec_find(setup->spec, "action");
    if (!action || action->dtype != PAWL_F32)
        return pawl_err_set(
            err, EINVAL, "policy random: the records have no field 'action' of type float32");

    struct random_policy *random =
        calloc(1, sizeof(*random) + setup->lane_count * sizeof(random->streams[0]));
    if (!random)
        return pawl_err_set(err, ENOMEM, "policy random: out of memory");
    random->base.ops = &pawl_random_policy;
    random->action_offset = action->offset_bytes;
    random->component_count =
        (uint32_t)(action->size_bytes / sizeof(float)) - (setup->choice_count != 0);
    random->choice_count = setup->choice_count;
    for (uint32_t lane = 0; lane < setup->lane_count; lane++)
        pawl_philox_open(&random->streams[lane], setup->seed, PAWL_STREAM_EXPLORATION,
                         setup->lane_first + lane);
    *policy = &random->base;
    return 0;
}

static void random_close(struct pawl_policy *policy)
{
    free(policy);
}

static void random_act(struct pawl_policy *policy, unsigned char *const *records,
                       uint32_t lane_count)
{
    struct random_policy *random = (struct random_policy *)policy;

    for (uint32_t lane = 0; lane < lane_count; lane++) {
        struct pawl_philox *stream = &random->streams[lane];
        float *action = (float *)(void *)(records[lane] + random->action_offset);

        for (uint32_t i = 0; i < random->component_count; i++) {
            /* 24 bits: exact in a float, within -1..1, the upper end excluded. */
            action[i] = (float)(pawl_philox_next32(stream) >> 8) * 0x1p-23f - 1.0f;
        }
        if (random->choice_count) {
            /* 2^32 is no multiple of the count; the excess of 2^-32 is below any use. */
            uint64_t scaled = (uint64_t)pawl_philox_next32(stream) * random->choice_count;
            action[random->component_count] = (float)(scaled >> 32);
        }
    }
}

const struct pawl_policy_ops pawl_random_policy = {
    .name = "random",
    .help = "Every action equally likely.",
    .open = random_open,
    .close = random_close,
    .act = random_act,
};
