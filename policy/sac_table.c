#include "policy/sac_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add_tensor(struct pawl_sac_table *table, const float *data, enum pawl_dtype dtype,
                       uint32_t rank, const uint32_t *shape, const char *name)
{
    struct pawl_tensor *tensor = &table->tensors[table->count++];

    snprintf(tensor->name, sizeof(tensor->name), "%s", name);
    tensor->dtype = dtype;
    tensor->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        tensor->shape[i] = shape[i];
    tensor->data = data;
}

/* The moments of tensors first .. last - 1 that the optimizer has, numbered from *index on. */
static void add_moments(struct pawl_sac_table *table,
                        const struct pawl_sac_optimizer *optimizer, uint32_t first,
                        uint32_t last, uint32_t *index)
{
    const float *state = table->state;

    for (uint32_t i = first; i < last; i++) {
        const struct pawl_sac_tensor *tensor = &table->steps->model->tensors[i];
        if (tensor->at < optimizer->range.at ||
            tensor->at >= optimizer->range.at + optimizer->range.count)
            continue;
        uint64_t at = tensor->at - optimizer->range.at;
        char name[PAWL_TENSOR_NAME_BYTES];
        snprintf(name, sizeof(name), "optimizer/%s/state/%u/exp_avg", optimizer->name, *index);
        add_tensor(table, state + optimizer->m.at + at, PAWL_F32, tensor->rank, tensor->shape,
                   name);
        snprintf(name, sizeof(name), "optimizer/%s/state/%u/exp_avg_sq", optimizer->name,
                 *index);
        add_tensor(table, state + optimizer->v.at + at, PAWL_F32, tensor->rank, tensor->shape,
                   name);
        /* One number here: the parameters of an optimizer are always moved together. */
        snprintf(name, sizeof(name), "optimizer/%s/state/%u/step", optimizer->name, *index);
        add_tensor(table, state + optimizer->step.at, PAWL_F32, 0, NULL, name);
        ++*index;
    }
}

static void add_optimizer(struct pawl_sac_table *table,
                          const struct pawl_sac_optimizer *optimizer, uint32_t param_count)
{
    table->optimizers[table->optimizer_count++] = (struct pawl_trainer_optimizer){
        .name = optimizer->name,
        .learning_rate = optimizer->learning_rate,
        .param_count = param_count,
    };
}

int pawl_sac_table_open(struct pawl_sac_table *table, const struct pawl_sac_steps *steps,
                        const float *state, struct pawl_err *err)
{
    const struct pawl_sac_model *model = steps->model;
    uint32_t count = model->tensor_count;

    *table = (struct pawl_sac_table){.steps = steps, .state = state};
    /* Each tensor, and its three of at most two optimizers; the counter. */
    table->tensors = calloc(7 * (size_t)count + 1, sizeof(table->tensors[0]));
    if (!table->tensors)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory for %u tensors", count);
    for (uint32_t i = 0; i < count; i++) {
        const struct pawl_sac_tensor *tensor = &model->tensors[i];
        add_tensor(table, state + steps->row.at + tensor->at, PAWL_F32, tensor->rank,
                   tensor->shape, tensor->name);
    }
    uint32_t index = 0;
    add_moments(table, &steps->critic, 0, count, &index);
    add_optimizer(table, &steps->critic, index);
    index = 0;
    add_moments(table, &steps->actor, 0, count, &index);
    add_optimizer(table, &steps->actor, index);
    index = 0;
    add_moments(table, &steps->temperature, 0, count, &index);
    add_optimizer(table, &steps->temperature, index);
    if (model->choice_count) {
        uint32_t first = model->critic.layers[0].tensor;
        uint32_t encoder = model->is_plain ? first : model->encoder[0].tensor;
        index = 0; /* the encoder first, then the net, though the net lies in front of it */
        add_moments(table, &steps->discrete, encoder, first, &index);
        add_moments(table, &steps->discrete, 0, encoder, &index);
        add_optimizer(table, &steps->discrete, index);
    }
    add_tensor(table, state + steps->counters.at, PAWL_U64, 1, (uint32_t[]){1}, "pawl/updates");
    return 0;
}

void pawl_sac_table_close(struct pawl_sac_table *table)
{
    free(table->tensors);
    *table = (struct pawl_sac_table){0};
}

static int check_finite(const struct pawl_tensor *tensor, struct pawl_err *err)
{
    const float *data = tensor->data;
    uint64_t count = pawl_tensor_count(tensor);

    for (size_t i = 0; tensor->dtype == PAWL_F32 && i < count; i++)
        if (!isfinite(data[i]))
            return pawl_err_set(err, EINVAL, "tensor '%s': number %zu is %g", tensor->name, i,
                                (double)data[i]);
    return 0;
}

int pawl_sac_table_check(const struct pawl_sac_table *table, struct pawl_err *err)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < table->count; i++)
        code = check_finite(&table->tensors[i], err);
    return code;
}
