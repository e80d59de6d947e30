#include "policy/sac_nets.h"

struct pawl_view pawl_sac_tensor_view(const struct pawl_sac_model *model,
                                      struct pawl_view values, uint32_t index)
{
    const struct pawl_sac_tensor *tensor = &model->tensors[index];
    uint32_t rows = tensor->rank == 2 ? tensor->shape[0] : 1;
    uint32_t cols = tensor->rank == 2 ? tensor->shape[1] : tensor->shape[0];

    return (struct pawl_view){.arena = values.arena,
                              .rows = rows,
                              .cols = cols,
                              .stride = cols,
                              .at = values.at + tensor->at};
}

/* Which of a layer's tensors. */
enum part { WEIGHT, BIAS, NORM_WEIGHT, NORM_BIAS };

/* A part of a layer in all groups at once: they lie one behind the other. */
static struct pawl_view stack(const struct pawl_sac_row *row,
                              const struct pawl_sac_layer *layer, enum part part,
                              uint32_t group_count)
{
    struct pawl_view view =
        pawl_sac_tensor_view(row->model, row->values, layer->tensor + (uint32_t)part);

    if (part == WEIGHT) {
        view.rows = layer->out_count * group_count;
        return view;
    }
    view.cols = view.stride = layer->out_count * group_count;
    return view;
}

static struct pawl_view part_of(const struct pawl_sac_row *row, struct pawl_sac_group group,
                                uint32_t layer, enum part part, uint32_t g)
{
    struct pawl_sac_layer at = group.net->layers[layer];
    at.tensor += g * group.stride;
    return stack(row, &at, part, 1);
}

static struct pawl_view grad_of(const struct pawl_sac_row *row, struct pawl_view parameter)
{
    return pawl_view_like(parameter, row->values, row->grads);
}

/* The columns of group g in a matrix of `width` columns for each. */
static struct pawl_view group_cols(struct pawl_view view, uint32_t g, uint32_t width)
{
    return pawl_view_cols(view, g * width, width);
}

void pawl_sac_acts_new(struct pawl_sac_acts *acts, struct pawl_plan *plan,
                       struct pawl_sac_group group, uint32_t batch_count)
{
    for (uint32_t i = 0; i + 1 < group.net->layer_count; i++) {
        const struct pawl_sac_layer *layer = &group.net->layers[i];
        uint32_t cols = layer->out_count * group.group_count;
        acts->y[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, cols);
        acts->d[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, cols);
        if (!layer->has_norm)
            continue;
        acts->keep[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, cols);
        acts->rstd[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, group.group_count);
    }
}

/* z = x w^T for every group: one product where all read the same x. */
static void products(const struct pawl_sac_row *row, struct pawl_sac_group group,
                     uint32_t layer, struct pawl_view z, struct pawl_view x)
{
    const struct pawl_sac_layer *at = &group.net->layers[layer];

    if (layer == 0) {
        pawl_plan_linear(row->plan,
                         &(struct pawl_op_linear){
                             .y = z, .x = x, .w = stack(row, at, WEIGHT, group.group_count)});
        return;
    }
    for (uint32_t g = 0; g < group.group_count; g++)
        pawl_plan_linear(row->plan,
                         &(struct pawl_op_linear){.y = group_cols(z, g, at->out_count),
                                                  .x = group_cols(x, g, at->in_count),
                                                  .w = part_of(row, group, layer, WEIGHT, g)});
}

void pawl_sac_forward(const struct pawl_sac_row *row, struct pawl_sac_group group,
                      const struct pawl_sac_acts *acts, struct pawl_view out,
                      struct pawl_view x, bool has_grad)
{
    uint32_t last = group.net->layer_count - 1;

    for (uint32_t i = 0; i < last; i++) {
        const struct pawl_sac_layer *layer = &group.net->layers[i];
        bool is_kept = has_grad && layer->has_norm;
        struct pawl_op_norm_act op = {.y = acts->y[i],
                                      .z = is_kept ? acts->keep[i] : acts->y[i],
                                      .b = stack(row, layer, BIAS, group.group_count),
                                      .group_count = layer->has_norm ? group.group_count : 1,
                                      .act = layer->act};
        if (is_kept) {
            op.keep = acts->keep[i];
            op.rstd = acts->rstd[i];
        }
        if (layer->has_norm) {
            op.gamma = stack(row, layer, NORM_WEIGHT, group.group_count);
            op.beta = stack(row, layer, NORM_BIAS, group.group_count);
        }
        products(row, group, i, op.z, x);
        pawl_plan_norm_act(row->plan, &op);
        x = acts->y[i];
    }
    const struct pawl_sac_layer *layer = &group.net->layers[last];
    for (uint32_t g = 0; g < group.group_count; g++)
        pawl_plan_linear(row->plan,
                         &(struct pawl_op_linear){.y = group_cols(out, g, layer->out_count),
                                                  .x = group_cols(x, g, layer->in_count),
                                                  .w = part_of(row, group, last, WEIGHT, g),
                                                  .b = part_of(row, group, last, BIAS, g)});
}

static void weight_grads(const struct pawl_sac_row *row, struct pawl_sac_group group,
                         uint32_t layer, struct pawl_view dz, struct pawl_view x)
{
    const struct pawl_sac_layer *at = &group.net->layers[layer];
    bool is_last = layer + 1 == group.net->layer_count;

    if (layer == 0) {
        struct pawl_view w = stack(row, at, WEIGHT, group.group_count);
        pawl_plan_linear_dw(
            row->plan, &(struct pawl_op_linear_dw){.dw = grad_of(row, w), .dy = dz, .x = x});
        return;
    }
    for (uint32_t g = 0; g < group.group_count; g++) {
        struct pawl_op_linear_dw op = {.dw =
                                           grad_of(row, part_of(row, group, layer, WEIGHT, g)),
                                       .dy = group_cols(dz, g, at->out_count),
                                       .x = group_cols(x, g, at->in_count)};
        if (is_last)
            op.db = grad_of(row, part_of(row, group, layer, BIAS, g));
        pawl_plan_linear_dw(row->plan, &op);
    }
}

/* The norm and the activation of a hidden layer, in place: d. */
static void hidden_grads(const struct pawl_sac_row *row, struct pawl_sac_group group,
                         uint32_t layer, const struct pawl_sac_acts *acts, bool has_weights)
{
    const struct pawl_sac_layer *at = &group.net->layers[layer];
    struct pawl_op_norm_act_grad op = {.dz = acts->d[layer],
                                       .dy = acts->d[layer],
                                       .y = acts->y[layer],
                                       .group_count = at->has_norm ? group.group_count : 1,
                                       .act = at->act};

    if (has_weights)
        op.db = grad_of(row, stack(row, at, BIAS, group.group_count));
    if (at->has_norm) {
        op.keep = acts->keep[layer];
        op.rstd = acts->rstd[layer];
        op.gamma = stack(row, at, NORM_WEIGHT, group.group_count);
        op.beta = stack(row, at, NORM_BIAS, group.group_count);
    }
    if (at->has_norm && has_weights) {
        op.dgamma = grad_of(row, op.gamma);
        op.dbeta = grad_of(row, op.beta);
    }
    pawl_plan_norm_act_grad(row->plan, &op);
}

void pawl_sac_backward(const struct pawl_sac_row *row, struct pawl_sac_group group,
                       const struct pawl_sac_acts *acts, struct pawl_view dout,
                       struct pawl_view x, bool has_weights)
{
    struct pawl_view d = dout;

    for (uint32_t i = group.net->layer_count - 1; i > 0; i--) {
        const struct pawl_sac_layer *layer = &group.net->layers[i];
        if (has_weights)
            weight_grads(row, group, i, d, acts->y[i - 1]);
        for (uint32_t g = 0; g < group.group_count; g++)
            pawl_plan_linear_dx(row->plan,
                                &(struct pawl_op_linear_dx){
                                    .dx = group_cols(acts->d[i - 1], g, layer->in_count),
                                    .dy = group_cols(d, g, layer->out_count),
                                    .w = part_of(row, group, i, WEIGHT, g)});
        hidden_grads(row, group, i - 1, acts, has_weights);
        d = acts->d[i - 1];
    }
    if (has_weights)
        weight_grads(row, group, 0, d, x);
}

void pawl_sac_backward_input(const struct pawl_sac_row *row, struct pawl_sac_group group,
                             const struct pawl_sac_acts *acts, struct pawl_view dx,
                             uint32_t first, bool is_added)
{
    struct pawl_view w = stack(row, &group.net->layers[0], WEIGHT, group.group_count);

    pawl_plan_linear_dx(row->plan,
                        &(struct pawl_op_linear_dx){.dx = dx,
                                                    .dy = acts->d[0],
                                                    .w = pawl_view_cols(w, first, dx.cols),
                                                    .accumulate = is_added});
}

void pawl_sac_codes_new(struct pawl_sac_codes *codes, const struct pawl_sac_model *model,
                        struct pawl_plan *plan, uint32_t batch_count)
{
    for (uint32_t i = 0; !model->is_plain && i < model->input_count; i++) {
        uint32_t width = model->inputs[i].width;
        codes->keep[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, width);
        codes->rstd[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, 1);
        codes->d[i] = pawl_plan_new(plan, PAWL_WORK, batch_count, width);
    }
}

static struct pawl_view code_cols(const struct pawl_sac_model *model, struct pawl_view view,
                                  uint32_t input)
{
    return pawl_view_cols(view, model->inputs[input].column, model->inputs[input].width);
}

void pawl_sac_encode(const struct pawl_sac_row *row, const struct pawl_sac_layer *encoders,
                     const struct pawl_sac_codes *codes, struct pawl_view out,
                     const struct pawl_view *obs)
{
    for (uint32_t i = 0; i < row->model->input_count; i++) {
        struct pawl_view y = code_cols(row->model, out, i);
        if (row->model->is_plain) {
            pawl_plan_copy(row->plan, &(struct pawl_op_copy){.y = y, .x = obs[i]});
            continue;
        }
        struct pawl_op_norm_act op = {.y = y,
                                      .z = codes ? codes->keep[i] : y,
                                      .b = stack(row, &encoders[i], BIAS, 1),
                                      .gamma = stack(row, &encoders[i], NORM_WEIGHT, 1),
                                      .beta = stack(row, &encoders[i], NORM_BIAS, 1),
                                      .act = PAWL_ACT_TANH};
        if (codes) {
            op.keep = codes->keep[i];
            op.rstd = codes->rstd[i];
        }
        pawl_plan_linear(row->plan,
                         &(struct pawl_op_linear){
                             .y = op.z, .x = obs[i], .w = stack(row, &encoders[i], WEIGHT, 1)});
        pawl_plan_norm_act(row->plan, &op);
    }
}

void pawl_sac_encode_backward(const struct pawl_sac_row *row,
                              const struct pawl_sac_layer *encoders,
                              const struct pawl_sac_codes *codes, struct pawl_view dout,
                              struct pawl_view out, const struct pawl_view *obs, bool is_added)
{
    for (uint32_t i = 0; !row->model->is_plain && i < row->model->input_count; i++) {
        struct pawl_view gamma = stack(row, &encoders[i], NORM_WEIGHT, 1);
        struct pawl_view beta = stack(row, &encoders[i], NORM_BIAS, 1);
        pawl_plan_norm_act_grad(row->plan,
                                &(struct pawl_op_norm_act_grad){
                                    .dz = codes->d[i],
                                    .dgamma = grad_of(row, gamma),
                                    .dbeta = grad_of(row, beta),
                                    .db = grad_of(row, stack(row, &encoders[i], BIAS, 1)),
                                    .dy = code_cols(row->model, dout, i),
                                    .y = code_cols(row->model, out, i),
                                    .keep = codes->keep[i],
                                    .rstd = codes->rstd[i],
                                    .gamma = gamma,
                                    .beta = beta,
                                    .act = PAWL_ACT_TANH,
                                    .accumulate = is_added});
        pawl_plan_linear_dw(
            row->plan,
            &(struct pawl_op_linear_dw){.dw = grad_of(row, stack(row, &encoders[i], WEIGHT, 1)),
                                        .dy = codes->d[i],
                                        .x = obs[i],
                                        .accumulate = is_added});
    }
}
