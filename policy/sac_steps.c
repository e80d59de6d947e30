#include "policy/sac_steps.h"

#include "policy/sac_nets.h"

#include <errno.h>
#include <stdlib.h>

#define ADAM_BETA1 0.9 /* torch's, which LeRobot leaves as they are */
#define ADAM_BETA2 0.999
#define ADAM_EPS   1e-8

/* What is needed while lists are built, and the WORK matrices that they use one after another.
 */
struct builder {
    struct pawl_sac_steps *steps;
    const struct pawl_sac_model *model;
    const struct pawl_sac_cfg *cfg;
    struct pawl_plan *plan;
    struct pawl_sac_row row;
    struct pawl_sac_group critics, targets, actor, discrete, discrete_target;
    struct pawl_sac_acts critic_acts, actor_acts, discrete_acts;
    struct pawl_sac_codes codes;           /* of the critics' encoder */
    struct pawl_sac_codes actor_codes;     /* of the actor's own */
    struct pawl_view joined;               /* (B, encodings + A): of the observations */
    struct pawl_view joined_next;          /* likewise, of the next ones */
    struct pawl_view own;                  /* (B, encodings): of the actor's own encoder */
    struct pawl_view djoined;              /* (B, encodings + A) */
    struct pawl_view q_next, dq;           /* (B, E) */
    struct pawl_view heads, dheads;        /* (B, 2 A) */
    struct pawl_view logp, dlogp;          /* (B, 1) */
    struct pawl_view values_next, dvalues; /* (B, C) */
    struct pawl_view encoder_copy;         /* (1, encoder) */
    bool is_leftover; /* the actor's step reaches the shared encoder's gradients */
};

static bool is_lerobot(const struct builder *b)
{
    return b->cfg->compat == PAWL_SAC_COMPAT_LEROBOT;
}

static struct pawl_view new_view(struct builder *b, enum pawl_arena arena, uint32_t rows,
                                 uint32_t cols)
{
    return pawl_plan_new(b->plan, arena, rows, cols);
}

static struct pawl_view range_of(struct pawl_view row, struct pawl_sac_range range)
{
    return pawl_view_cols(row, (uint32_t)range.at, (uint32_t)range.count);
}

static struct pawl_view codes_of(const struct builder *b, struct pawl_view joined)
{
    return pawl_view_cols(joined, 0, b->model->encoding_count);
}

static struct pawl_view action_of(const struct builder *b, struct pawl_view joined)
{
    return pawl_view_cols(joined, b->model->encoding_count, b->model->action_count);
}

/* --- memory --- */

static void add_optimizer(struct builder *b, struct pawl_sac_optimizer *optimizer,
                          const char *name, struct pawl_sac_range first,
                          struct pawl_sac_range last, uint32_t loss_count)
{
    optimizer->name = name;
    optimizer->range.at = first.at;
    optimizer->range.count = last.at + last.count - first.at;
    optimizer->m = new_view(b, PAWL_STATE, 1, (uint32_t)optimizer->range.count);
    optimizer->v = new_view(b, PAWL_STATE, 1, (uint32_t)optimizer->range.count);
    /* A whole line, so that what follows begins at one too. */
    optimizer->step = pawl_view_cols(new_view(b, PAWL_STATE, 1, PAWL_SAC_ALIGN_FLOATS), 0, 1);
    optimizer->norm = new_view(b, PAWL_OUTPUT, 1, 1);
    optimizer->gate = new_view(b, PAWL_OUTPUT, 1, 1);
    optimizer->loss = new_view(b, PAWL_OUTPUT, 1, loss_count);
}

static void add_state(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    const struct pawl_sac_model *model = b->model;
    const struct pawl_sac_tensor *log_alpha = &model->tensors[model->log_alpha];
    struct pawl_sac_range alpha = {.at = log_alpha->at, .count = PAWL_SAC_ALIGN_FLOATS};

    steps->row = new_view(b, PAWL_STATE, 1, (uint32_t)model->float_count);
    add_optimizer(b, &steps->critic, "critic", model->encoder_range, model->critic_range,
                  model->critic_count);
    add_optimizer(b, &steps->actor, "actor", model->actor_encoder_range, model->actor_range, 1);
    add_optimizer(b, &steps->temperature, "temperature", alpha, alpha, 1);
    if (model->choice_count)
        add_optimizer(b, &steps->discrete, "discrete_critic", model->discrete_range,
                      model->encoder_range, 1);
    steps->counters = pawl_view_cols(new_view(b, PAWL_STATE, 1, PAWL_SAC_ALIGN_FLOATS), 0, 2);
    steps->grads = new_view(b, PAWL_WORK, 1, (uint32_t)(log_alpha->at + PAWL_SAC_ALIGN_FLOATS));
    b->row = (struct pawl_sac_row){
        .model = model, .plan = b->plan, .values = steps->row, .grads = steps->grads};
}

static void add_host(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    const struct pawl_sac_model *model = b->model;
    uint32_t rows = steps->batch_count, actions = model->action_count;

    for (uint32_t i = 0; i < model->input_count; i++) {
        steps->obs[i] = new_view(b, PAWL_INPUT, rows, model->inputs[i].count);
        steps->next[i] = new_view(b, PAWL_INPUT, rows, model->inputs[i].count);
    }
    steps->action = new_view(b, PAWL_INPUT, rows, actions + (model->choice_count ? 1 : 0));
    steps->reward = new_view(b, PAWL_INPUT, rows, 1);
    steps->discount = new_view(b, PAWL_INPUT, rows, 1);
    steps->weight = new_view(b, PAWL_INPUT, rows, 1);
    steps->penalty = new_view(b, PAWL_INPUT, rows, 1);
    steps->chosen = new_view(b, PAWL_INPUT, 1, model->critic_count);
    steps->eps_next = new_view(b, PAWL_INPUT, rows, actions);
    steps->eps_actor = new_view(b, PAWL_INPUT, rows, actions);
    steps->eps_temperature = new_view(b, PAWL_INPUT, rows, actions);
    steps->counters_next = new_view(b, PAWL_INPUT, 1, 2);
    steps->q = new_view(b, PAWL_OUTPUT, rows, model->critic_count);
    steps->target = new_view(b, PAWL_OUTPUT, rows, 1);
    steps->error = new_view(b, PAWL_OUTPUT, rows, 1);
    steps->logp = new_view(b, PAWL_OUTPUT, rows, 1);
    steps->log_alpha = new_view(b, PAWL_OUTPUT, 1, 1);
}

static void add_work(struct builder *b)
{
    const struct pawl_sac_model *model = b->model;
    uint32_t rows = b->steps->batch_count, encodings = model->encoding_count;
    uint32_t actions = model->action_count, critics = model->critic_count;

    b->critics = (struct pawl_sac_group){&model->critic, critics, model->critic_stride};
    b->targets = (struct pawl_sac_group){&model->target, critics, model->critic_stride};
    b->actor = (struct pawl_sac_group){&model->actor, 1, 0};
    pawl_sac_acts_new(&b->critic_acts, b->plan, b->critics, rows);
    pawl_sac_acts_new(&b->actor_acts, b->plan, b->actor, rows);
    pawl_sac_codes_new(&b->codes, model, b->plan, rows);
    b->joined = new_view(b, PAWL_WORK, rows, encodings + actions);
    b->joined_next = new_view(b, PAWL_WORK, rows, encodings + actions);
    b->djoined = new_view(b, PAWL_WORK, rows, encodings + actions);
    b->q_next = new_view(b, PAWL_WORK, rows, critics);
    b->dq = new_view(b, PAWL_WORK, rows, critics);
    b->heads = new_view(b, PAWL_WORK, rows, 2 * actions);
    b->dheads = new_view(b, PAWL_WORK, rows, 2 * actions);
    b->logp = new_view(b, PAWL_WORK, rows, 1);
    b->dlogp = new_view(b, PAWL_WORK, rows, 1);
    if (!model->is_shared) {
        pawl_sac_codes_new(&b->actor_codes, model, b->plan, rows);
        b->own = new_view(b, PAWL_WORK, rows, encodings);
    }
    if (model->encoder_range.count)
        b->encoder_copy = new_view(b, PAWL_WORK, 1, (uint32_t)model->encoder_range.count);
    b->is_leftover = is_lerobot(b) && model->is_shared && !model->is_plain;
    b->steps->heads = b->heads;
    b->steps->joined = b->joined;
    if (!model->choice_count)
        return;
    b->discrete = (struct pawl_sac_group){&model->discrete, 1, 0};
    b->discrete_target = (struct pawl_sac_group){&model->discrete_target, 1, 0};
    pawl_sac_acts_new(&b->discrete_acts, b->plan, b->discrete, rows);
    b->steps->values = new_view(b, PAWL_WORK, rows, model->choice_count);
    b->values_next = new_view(b, PAWL_WORK, rows, model->choice_count);
    b->dvalues = new_view(b, PAWL_WORK, rows, model->choice_count);
    b->steps->choice_target = new_view(b, PAWL_WORK, rows, 1);
}

/* --- parts of lists --- */

static struct pawl_view log_alpha_of(const struct builder *b)
{
    return pawl_sac_steps_tensor(b->steps, b->model->log_alpha);
}

/* What the actor reads: the encodings in `joined`, or those of its own encoder, made here. */
static struct pawl_view actor_codes(struct builder *b, struct pawl_view joined,
                                    const struct pawl_view *obs, bool has_grad)
{
    if (b->model->is_shared)
        return codes_of(b, joined);
    pawl_sac_encode(&b->row, b->model->actor_encoder, has_grad ? &b->actor_codes : NULL, b->own,
                    obs);
    return b->own;
}

/* action and logp from the encodings; an absent action is not wanted. */
static void sample(struct builder *b, struct pawl_view action, struct pawl_view logp,
                   struct pawl_view codes, struct pawl_view eps, bool has_grad)
{
    uint32_t actions = b->model->action_count;

    pawl_sac_forward(&b->row, b->actor, &b->actor_acts, b->heads, codes, has_grad);
    pawl_plan_tanh_gauss(
        b->plan, &(struct pawl_op_tanh_gauss){.action = action,
                                              .logp = logp,
                                              .mean = pawl_view_cols(b->heads, 0, actions),
                                              .raw = pawl_view_cols(b->heads, actions, actions),
                                              .eps = eps,
                                              .s_min = (float)b->cfg->std_min,
                                              .s_max = (float)b->cfg->std_max,
                                              .s_is_variance = is_lerobot(b)});
}

/* `also` is measured and shortened with the optimizer's gradients; `before` is the gate of a
 * step without which this one is not made, both may be absent. */
static void clip_and_step(struct builder *b, struct pawl_sac_optimizer *optimizer,
                          struct pawl_view also, struct pawl_view before, double lr)
{
    optimizer->learning_rate = lr;
    struct pawl_view p = range_of(b->steps->row, optimizer->range);
    struct pawl_view g = range_of(b->steps->grads, optimizer->range);

    pawl_plan_clip(b->plan, &(struct pawl_op_clip){.norm = optimizer->norm,
                                                   .gate = optimizer->gate,
                                                   .g = {g, also},
                                                   .loss = optimizer->loss,
                                                   .before = before,
                                                   .max_norm = (float)b->cfg->grad_clip_norm});
    pawl_plan_adam(b->plan, &(struct pawl_op_adam){.p = p,
                                                   .m = optimizer->m,
                                                   .v = optimizer->v,
                                                   .step = optimizer->step,
                                                   .g = g,
                                                   .gate = optimizer->gate,
                                                   .lr = lr,
                                                   .beta1 = ADAM_BETA1,
                                                   .beta2 = ADAM_BETA2,
                                                   .eps = ADAM_EPS});
}

static const struct pawl_view absent;

/* --- the lists --- */

static void build_target(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    bool has_entropy = b->cfg->use_backup_entropy;

    pawl_sac_encode(&b->row, b->model->encoder, NULL, b->joined_next, steps->next);
    sample(b, action_of(b, b->joined_next), b->logp,
           actor_codes(b, b->joined_next, steps->next, false), steps->eps_next, false);
    pawl_sac_forward(&b->row, b->targets, &b->critic_acts, b->q_next, b->joined_next, false);
    pawl_plan_td_target(b->plan, &(struct pawl_op_td_target){
                                     .y = steps->target,
                                     .q = b->q_next,
                                     .chosen = steps->chosen,
                                     .reward = steps->reward,
                                     .discount = steps->discount,
                                     .logp = has_entropy ? b->logp : absent,
                                     .log_alpha = has_entropy ? log_alpha_of(b) : absent});
}

static void build_critic(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;

    steps->lists[PAWL_SAC_CRITIC] = pawl_plan_begin(b->plan, "critic");
    build_target(b);
    pawl_sac_encode(&b->row, b->model->encoder, &b->codes, b->joined, steps->obs);
    pawl_plan_copy(b->plan, &(struct pawl_op_copy){
                                .y = action_of(b, b->joined),
                                .x = pawl_view_cols(steps->action, 0, b->model->action_count)});
    pawl_sac_forward(&b->row, b->critics, &b->critic_acts, steps->q, b->joined, true);
    pawl_plan_critic_loss(b->plan, &(struct pawl_op_critic_loss){.dq = b->dq,
                                                                 .loss = steps->critic.loss,
                                                                 .error = steps->error,
                                                                 .q = steps->q,
                                                                 .y = steps->target,
                                                                 .weight = steps->weight,
                                                                 .scale = 1.0f});
    pawl_sac_backward(&b->row, b->critics, &b->critic_acts, b->dq, b->joined, true);
    if (!b->model->is_plain) {
        struct pawl_view dcodes = codes_of(b, b->djoined);
        pawl_sac_backward_input(&b->row, b->critics, &b->critic_acts, dcodes, 0, false);
        pawl_sac_encode_backward(&b->row, b->model->encoder, &b->codes, dcodes, b->joined,
                                 steps->obs, false);
    }
    clip_and_step(b, &steps->critic, absent, absent, b->cfg->critic_lr);
}

/* The encodings are made anew: the critics' step has moved the encoder. */
static void build_discrete(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    struct pawl_view codes = codes_of(b, b->joined);
    struct pawl_view codes_next = codes_of(b, b->joined_next);
    /* Only the target's pass needs room for its values beside those it is compared with. */
    struct pawl_view online_next = steps->values, target_next = b->values_next;

    steps->lists[PAWL_SAC_DISCRETE] = pawl_plan_begin(b->plan, "discrete");
    pawl_sac_encode(&b->row, b->model->encoder, NULL, b->joined_next, steps->next);
    pawl_sac_forward(&b->row, b->discrete, &b->discrete_acts, online_next, codes_next, false);
    pawl_sac_forward(&b->row, b->discrete_target, &b->discrete_acts, target_next, codes_next,
                     false);
    pawl_plan_choice_target(b->plan,
                            &(struct pawl_op_choice_target){.y = b->steps->choice_target,
                                                            .q = online_next,
                                                            .q_target = target_next,
                                                            .reward = steps->reward,
                                                            .discount = steps->discount,
                                                            .penalty = steps->penalty});
    pawl_sac_encode(&b->row, b->model->encoder, &b->codes, b->joined, steps->obs);
    pawl_sac_forward(&b->row, b->discrete, &b->discrete_acts, steps->values, codes, true);
    pawl_plan_choice_loss(
        b->plan, &(struct pawl_op_choice_loss){
                     .dq = b->dvalues,
                     .loss = steps->discrete.loss,
                     .q = steps->values,
                     .choice = pawl_view_cols(steps->action, b->model->action_count, 1),
                     .y = b->steps->choice_target,
                     .weight = steps->weight});
    pawl_sac_backward(&b->row, b->discrete, &b->discrete_acts, b->dvalues, codes, true);
    if (!b->model->is_plain) {
        struct pawl_view dcodes = codes_of(b, b->djoined);
        pawl_sac_backward_input(&b->row, b->discrete, &b->discrete_acts, dcodes, 0, false);
        pawl_sac_encode_backward(&b->row, b->model->encoder, &b->codes, dcodes, b->joined,
                                 steps->obs, false);
    }
    clip_and_step(b, &steps->discrete, absent, steps->critic.gate, b->cfg->critic_lr);
}

/* From the losses' gradients to those of the actor and, where these are wanted, of the encoder
 * that it reads. The critics pass gradients on and get none. */
static void build_actor_backward(struct builder *b, struct pawl_view codes)
{
    struct pawl_sac_steps *steps = b->steps;
    uint32_t actions = b->model->action_count, encodings = b->model->encoding_count;
    struct pawl_view daction = action_of(b, b->djoined), dcodes = codes_of(b, b->djoined);

    pawl_sac_backward(&b->row, b->critics, &b->critic_acts, b->dq, b->joined, false);
    if (b->is_leftover)
        pawl_sac_backward_input(&b->row, b->critics, &b->critic_acts, b->djoined, 0, false);
    else
        pawl_sac_backward_input(&b->row, b->critics, &b->critic_acts, daction, encodings,
                                false);
    pawl_plan_tanh_gauss_grad(b->plan, &(struct pawl_op_tanh_gauss_grad){
                                           .dmean = pawl_view_cols(b->dheads, 0, actions),
                                           .draw = pawl_view_cols(b->dheads, actions, actions),
                                           .daction = daction,
                                           .dlogp = b->dlogp,
                                           .action = action_of(b, b->joined),
                                           .raw = pawl_view_cols(b->heads, actions, actions),
                                           .eps = steps->eps_actor,
                                           .s_min = (float)b->cfg->std_min,
                                           .s_max = (float)b->cfg->std_max,
                                           .s_is_variance = is_lerobot(b)});
    pawl_sac_backward(&b->row, b->actor, &b->actor_acts, b->dheads, codes, true);
    if (b->is_leftover) {
        /* On top of what the critics pass on, and of what the critics' step left. */
        pawl_sac_backward_input(&b->row, b->actor, &b->actor_acts, dcodes, 0, true);
        pawl_sac_encode_backward(&b->row, b->model->encoder, &b->codes, dcodes, b->joined,
                                 steps->obs, true);
    } else if (!b->model->is_shared) {
        pawl_sac_backward_input(&b->row, b->actor, &b->actor_acts, dcodes, 0, false);
        pawl_sac_encode_backward(&b->row, b->model->actor_encoder, &b->actor_codes, dcodes,
                                 codes, steps->obs, false);
    }
}

static void build_actor(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;

    steps->lists[PAWL_SAC_ACTOR] = pawl_plan_begin(b->plan, "actor");
    pawl_sac_encode(&b->row, b->model->encoder, b->is_leftover ? &b->codes : NULL, b->joined,
                    steps->obs);
    struct pawl_view codes = actor_codes(b, b->joined, steps->obs, true);
    sample(b, action_of(b, b->joined), steps->logp, codes, steps->eps_actor, true);
    pawl_sac_forward(&b->row, b->critics, &b->critic_acts, b->q_next, b->joined, true);
    pawl_plan_actor_loss(b->plan, &(struct pawl_op_actor_loss){.dq = b->dq,
                                                               .dlogp = b->dlogp,
                                                               .loss = steps->actor.loss,
                                                               .q = b->q_next,
                                                               .logp = steps->logp,
                                                               .log_alpha = log_alpha_of(b)});
    build_actor_backward(b, codes);
    clip_and_step(b, &steps->actor,
                  b->is_leftover ? range_of(steps->grads, b->model->encoder_range) : absent,
                  absent, b->cfg->actor_lr);
}

static void build_temperature(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    uint32_t components = b->model->action_count + (b->model->choice_count ? 1 : 0);
    double entropy =
        b->cfg->target_entropy != 0.0 ? b->cfg->target_entropy : -(double)components / 2.0;
    struct pawl_view log_alpha = log_alpha_of(b);

    steps->lists[PAWL_SAC_TEMPERATURE] = pawl_plan_begin(b->plan, "temperature");
    sample(b, absent, b->logp, actor_codes(b, b->joined, steps->obs, false),
           steps->eps_temperature, false);
    pawl_plan_temperature_loss(
        b->plan, &(struct pawl_op_temperature_loss){
                     .dlog_alpha = pawl_view_like(log_alpha, steps->row, steps->grads),
                     .loss = steps->temperature.loss,
                     .logp = b->logp,
                     .log_alpha = log_alpha,
                     .target_entropy = (float)entropy});
    clip_and_step(b, &steps->temperature, absent, steps->actor.gate,
                  is_lerobot(b) ? b->cfg->critic_lr : b->cfg->temperature_lr);
}

static void follow(struct builder *b, struct pawl_sac_range target, struct pawl_sac_range range,
                   struct pawl_view gate)
{
    pawl_plan_polyak(b->plan,
                     &(struct pawl_op_polyak){.target = range_of(b->steps->row, target),
                                              .p = range_of(b->steps->row, range),
                                              .gate = gate,
                                              .w = b->cfg->critic_target_update_weight});
}

/* LeRobot's targets hold the critics' very encoder, and move it towards itself: that rounds. */
static void follow_itself(struct builder *b, struct pawl_view gate)
{
    struct pawl_view encoder = range_of(b->steps->row, b->model->encoder_range);

    pawl_plan_copy(b->plan, &(struct pawl_op_copy){.y = b->encoder_copy, .x = encoder});
    pawl_plan_polyak(b->plan,
                     &(struct pawl_op_polyak){.target = encoder,
                                              .p = b->encoder_copy,
                                              .gate = gate,
                                              .w = b->cfg->critic_target_update_weight});
}

static void build_targets(struct builder *b)
{
    struct pawl_sac_steps *steps = b->steps;
    bool is_rounding = is_lerobot(b) && b->model->encoder_range.count > 0;

    steps->lists[PAWL_SAC_TARGETS] = pawl_plan_begin(b->plan, "targets");
    if (is_rounding)
        follow_itself(b, steps->critic.gate);
    follow(b, b->model->target_range, b->model->critic_range, steps->critic.gate);
    if (b->model->choice_count && is_rounding)
        follow_itself(b, steps->discrete.gate);
    if (b->model->choice_count)
        follow(b, b->model->discrete_target_range, b->model->discrete_range,
               steps->discrete.gate);
    pawl_plan_copy(b->plan,
                   &(struct pawl_op_copy){.y = steps->counters, .x = steps->counters_next});
    pawl_plan_copy(b->plan,
                   &(struct pawl_op_copy){.y = steps->log_alpha, .x = log_alpha_of(b)});
}

static int build(struct pawl_sac_steps *steps, struct pawl_err *err)
{
    struct builder b = {
        .steps = steps, .model = steps->model, .cfg = steps->model->cfg, .plan = steps->plan};

    add_state(&b);
    add_host(&b);
    add_work(&b);
    build_critic(&b);
    if (b.model->choice_count)
        build_discrete(&b);
    build_actor(&b);
    build_temperature(&b);
    build_targets(&b);
    return pawl_plan_finish(steps->plan, err);
}

int pawl_sac_steps_open(struct pawl_sac_steps **out, const struct pawl_sac_model *model,
                        uint32_t batch_count, struct pawl_err *err)
{
    *out = NULL;
    if (model->float_count > INT32_MAX / 4)
        return pawl_err_set(err, E2BIG, "policy sac: %llu parameters, at most %d are handled",
                            (unsigned long long)model->float_count, INT32_MAX / 4);
    struct pawl_sac_steps *steps = calloc(1, sizeof(*steps));
    if (!steps)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    steps->model = model;
    steps->batch_count = batch_count;
    int code = pawl_plan_open(&steps->plan, err);
    if (code == 0)
        code = build(steps, err);
    if (code != 0) {
        pawl_sac_steps_close(steps);
        return code;
    }
    *out = steps;
    return 0;
}

void pawl_sac_steps_close(struct pawl_sac_steps *steps)
{
    if (!steps)
        return;
    pawl_plan_close(steps->plan);
    free(steps);
}

struct pawl_view pawl_sac_steps_tensor(const struct pawl_sac_steps *steps, uint32_t index)
{
    return pawl_sac_tensor_view(steps->model, steps->row, index);
}
