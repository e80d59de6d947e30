#include "policy/trainer.h"

#include "runtime/numbers.h"

const struct pawl_tensor *pawl_trainer_find_spoilt(const struct pawl_trainer *trainer,
                                                   const void *state, const void *block)
{
    size_t count;
    const struct pawl_tensor *tensors = trainer->ops->tensors(trainer, &count);

    for (size_t i = 0; i < count; i++) {
        const struct pawl_tensor *tensor = &tensors[i];
        size_t at = (size_t)((const char *)tensor->data - (const char *)state);
        if (!pawl_numbers_are_finite(tensor->dtype, (const char *)block + at,
                                     pawl_tensor_count(tensor)))
            return tensor;
    }
    return NULL;
}
