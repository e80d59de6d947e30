/* sac_init.c: first values of SAC's tensors, from a Philox stream for each. */
#include "policy/policy.h"
#include "policy/sac_model.h"
#include "runtime/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void draw_uniform(struct pawl_philox *stream, float *data, uint64_t count, double bound)
{
    for (uint64_t i = 0; i < count; i++)
        data[i] = (float)((2.0 * pawl_philox_double(stream) - 1.0) * bound);
}

static double dot(const float *a, const float *b, uint32_t count, uint32_t stride)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        sum += (double)a[(size_t)i * stride] * (double)b[(size_t)i * stride];
    return sum;
}

/* The shorter side's vectors, each made orthogonal to those before it and one long. Drawing
 * again is for a vector that is nearly a sum of the others. */
static void draw_orthogonal(struct pawl_philox *stream, float *data, uint32_t rows,
                            uint32_t columns)
{
    uint32_t vectors = rows <= columns ? rows : columns;
    uint32_t length = rows <= columns ? columns : rows;
    uint32_t step = rows <= columns ? 1 : columns;       /* within a vector */
    size_t next = rows <= columns ? (size_t)columns : 1; /* from vector to vector */

    for (uint32_t v = 0; v < vectors; v++) {
        float *x = data + v * next;
        double norm;
        do {
            for (uint32_t i = 0; i < length; i++)
                x[(size_t)i * step] = (float)pawl_philox_normal(stream);
            for (uint32_t u = 0; u < v; u++) {
                const float *y = data + u * next;
                double along = dot(x, y, length, step);
                for (uint32_t i = 0; i < length; i++)
                    x[(size_t)i * step] -= (float)along * y[(size_t)i * step];
            }
            norm = sqrt(dot(x, x, length, step));
        } while (norm < 1e-3);
        for (uint32_t i = 0; i < length; i++)
            x[(size_t)i * step] = (float)((double)x[(size_t)i * step] / norm);
    }
}

static void take_list(float *data, const struct pawl_cfg_f64_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        data[i] = (float)list->items[i];
}

void pawl_sac_model_init(const struct pawl_sac_model *model, uint32_t index, uint64_t seed,
                         float *data)
{
    const struct pawl_sac_tensor *tensor = &model->tensors[index];
    struct pawl_philox stream;

    if (tensor->init == PAWL_SAC_INIT_COPY) {
        pawl_sac_model_init(model, tensor->copied, seed, data);
        return;
    }
    pawl_philox_open(&stream, seed, PAWL_STREAM_PARAMETERS, index);
    switch (tensor->init) {
    case PAWL_SAC_INIT_UNIFORM:
        draw_uniform(&stream, data, tensor->count, (double)tensor->bound);
        break;
    case PAWL_SAC_INIT_ORTHOGONAL:
        draw_orthogonal(&stream, data, tensor->shape[0], tensor->shape[1]);
        break;
    case PAWL_SAC_INIT_VALUE:
        for (uint64_t i = 0; i < tensor->count; i++)
            data[i] = tensor->bound;
        break;
    case PAWL_SAC_INIT_MEAN:
        take_list(data, &model->cfg->observation_mean);
        break;
    case PAWL_SAC_INIT_STD:
        take_list(data, &model->cfg->observation_std);
        break;
    case PAWL_SAC_INIT_COPY:
        break;
    }
}
