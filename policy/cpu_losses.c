/* cpu_losses.c: targets and losses: a few numbers per row, summed in float64. */
#include "policy/cpu.h"

#include <math.h>

/* Column 0 of a view, by row; a constant where the view is absent. */
struct column {
    const float *at;
    size_t stride;
    float absent;
};

static struct column column_of(const struct pawl_cpu_memory *memory, struct pawl_view view,
                               float absent)
{
    return (struct column){pawl_cpu_at(memory, view), view.stride, absent};
}

static float get(struct column column, size_t row)
{
    return column.at ? column.at[row * column.stride] : column.absent;
}

void pawl_cpu_td_target(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_td_target *op = &any->td_target;
    float *y = pawl_cpu_at(memory, op->y);
    const float *q = pawl_cpu_at(memory, op->q), *chosen = pawl_cpu_at(memory, op->chosen);
    struct column reward = column_of(memory, op->reward, 0.0f);
    struct column discount = column_of(memory, op->discount, 0.0f);
    struct column logp = column_of(memory, op->logp, 0.0f);
    float alpha = logp.at ? expf(*pawl_cpu_at(memory, op->log_alpha)) : 0.0f;

    for (size_t b = 0; b < op->y.rows; b++, q += op->q.stride) {
        float least = INFINITY;
        for (uint32_t e = 0; e < op->q.cols; e++)
            if ((!chosen || chosen[e] != 0.0f) && !(q[e] >= least) && !isnan(least))
                least = q[e];
        if (logp.at)
            least -= alpha * get(logp, b);
        y[b * op->y.stride] = get(reward, b) + get(discount, b) * least;
    }
}

void pawl_cpu_critic_loss(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_critic_loss *op = &any->critic_loss;
    float *dq = pawl_cpu_at(memory, op->dq), *error = pawl_cpu_at(memory, op->error);
    const float *q = pawl_cpu_at(memory, op->q);
    struct column y = column_of(memory, op->y, 0.0f);
    struct column weight = column_of(memory, op->weight, 1.0f);
    float scale = op->scale / (float)op->q.rows;

    for (uint32_t e = 0; e < op->q.cols; e++) {
        double sum = 0.0;
        for (size_t b = 0; b < op->q.rows; b++) {
            float difference = q[b * op->q.stride + e] - get(y, b), w = get(weight, b);
            sum += (double)(w * difference * difference);
            dq[b * op->dq.stride + e] = 2.0f * scale * w * difference;
        }
        pawl_cpu_at(memory, op->loss)[e] = (float)(sum * (double)scale);
    }
    for (size_t b = 0; error && b < op->q.rows; b++) {
        float sum = 0.0f;
        for (uint32_t e = 0; e < op->q.cols; e++)
            sum += fabsf(q[b * op->q.stride + e] - get(y, b));
        error[b * op->error.stride] = sum / (float)op->q.cols;
    }
}

void pawl_cpu_actor_loss(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_actor_loss *op = &any->actor_loss;
    float *dq = pawl_cpu_at(memory, op->dq), *dlogp = pawl_cpu_at(memory, op->dlogp);
    const float *q = pawl_cpu_at(memory, op->q);
    struct column logp = column_of(memory, op->logp, 0.0f);
    float alpha = expf(*pawl_cpu_at(memory, op->log_alpha));
    float share = 1.0f / (float)op->q.rows;
    double sum = 0.0;

    for (size_t b = 0; b < op->q.rows; b++, q += op->q.stride, dq += op->dq.stride) {
        uint32_t least = 0;
        for (uint32_t e = 0; e < op->q.cols; e++) {
            dq[e] = 0.0f;
            if (!(q[e] >= q[least]) && !isnan(q[least]))
                least = e;
        }
        dq[least] = -share;
        dlogp[b * op->dlogp.stride] = alpha * share;
        sum += (double)(alpha * get(logp, b) - q[least]);
    }
    *pawl_cpu_at(memory, op->loss) = (float)(sum * (double)share);
}

void pawl_cpu_temperature_loss(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_temperature_loss *op = &any->temperature_loss;
    struct column logp = column_of(memory, op->logp, 0.0f);
    double alpha = exp((double)*pawl_cpu_at(memory, op->log_alpha)), sum = 0.0;

    for (size_t b = 0; b < op->logp.rows; b++)
        sum += (double)(get(logp, b) + op->target_entropy);
    float loss = (float)(-alpha * sum / (double)op->logp.rows);
    *pawl_cpu_at(memory, op->loss) = loss;
    *pawl_cpu_at(memory, op->dlog_alpha) = loss; /* d exp(x) / dx is exp(x) */
}

void pawl_cpu_choice_target(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_choice_target *op = &any->choice_target;
    float *y = pawl_cpu_at(memory, op->y);
    const float *q = pawl_cpu_at(memory, op->q), *q_target = pawl_cpu_at(memory, op->q_target);
    struct column reward = column_of(memory, op->reward, 0.0f);
    struct column discount = column_of(memory, op->discount, 0.0f);
    struct column penalty = column_of(memory, op->penalty, 0.0f);

    for (size_t b = 0; b < op->y.rows; b++) {
        uint32_t best = 0;
        for (uint32_t c = 1; c < op->q.cols; c++)
            if (!(q[c] <= q[best]) && !isnan(q[best]))
                best = c;
        y[b * op->y.stride] =
            get(reward, b) + get(penalty, b) + get(discount, b) * q_target[best];
        q += op->q.stride;
        q_target += op->q_target.stride;
    }
}

void pawl_cpu_choice_loss(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_choice_loss *op = &any->choice_loss;
    float *dq = pawl_cpu_at(memory, op->dq);
    const float *q = pawl_cpu_at(memory, op->q);
    struct column choice = column_of(memory, op->choice, 0.0f);
    struct column y = column_of(memory, op->y, 0.0f);
    struct column weight = column_of(memory, op->weight, 1.0f);
    float share = 1.0f / (float)op->q.rows;
    double sum = 0.0;

    for (size_t b = 0; b < op->q.rows; b++, q += op->q.stride, dq += op->dq.stride) {
        float number = fminf(fmaxf(rintf(get(choice, b)), 0.0f), (float)(op->q.cols - 1));
        uint32_t taken = (uint32_t)number; /* fmaxf takes 0 for what is not a number */
        float difference = q[taken] - get(y, b);

        for (uint32_t c = 0; c < op->q.cols; c++)
            dq[c] = 0.0f;
        dq[taken] = 2.0f * share * get(weight, b) * difference;
        sum += (double)(get(weight, b) * difference * difference);
    }
    *pawl_cpu_at(memory, op->loss) = (float)(sum * (double)share);
}
