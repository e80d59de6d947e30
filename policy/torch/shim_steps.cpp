/* shim_steps.cpp: one function for each kind of operation; policy/plan.h has the formulas. */
#include "policy/torch/steps.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace pawl
{

at::Tensor arenas::view(const pawl_view &v) const
{
    if (!pawl_view_is(v))
        return {};
    return of[v.arena].as_strided({v.rows, v.cols}, {v.stride, 1}, static_cast<int64_t>(v.at));
}

at::Tensor arenas::groups(const pawl_view &v, int64_t count) const
{
    if (!pawl_view_is(v))
        return {};
    int64_t cols = v.cols / count;
    return of[v.arena].as_strided({v.rows, count, cols}, {v.stride, cols, 1},
                                  static_cast<int64_t>(v.at));
}

at::Tensor arenas::like(int index, const pawl_view &v) const
{
    return spare[index].as_strided({v.rows, v.cols}, {v.cols, 1}, 0);
}

at::Tensor arenas::groups_like(int index, const pawl_view &v, int64_t count) const
{
    int64_t cols = v.cols / count;
    return spare[index].as_strided({v.rows, count, cols}, {v.cols, cols, 1}, 0);
}

namespace
{

using at::Tensor;

constexpr double NORM_EPS = 1e-5;

bool is_same(const Tensor &a, const Tensor &b)
{
    return a.data_ptr() == b.data_ptr();
}

/* out = column sums of x, or +=. */
void sum_columns(Tensor out, const Tensor &x, bool accumulate)
{
    if (!out.defined())
        return;
    if (accumulate)
        out.add_(at::sum(x, {0}, true));
    else
        at::sum_out(out, x, {0}, true);
}

/* Where q is its row's best; of several the first. What is not a number is both the least and
 * the most. */
Tensor first_of(const Tensor &q, const Tensor &best)
{
    Tensor is_best = at::logical_or(q == best, at::isnan(q));
    return at::logical_and(is_best, at::cumsum(is_best, 1) == 1);
}

step copy(const arenas &a, const pawl_op_copy &op)
{
    Tensor y = a.view(op.y), x = a.view(op.x);
    if (op.accumulate)
        return [=] { y.add_(x); };
    return [=] { y.copy_(x); };
}

step linear(const arenas &a, const pawl_op_linear &op)
{
    Tensor y = a.view(op.y), x = a.view(op.x), w_t = a.view(op.w).t(), b = a.view(op.b);
    if (b.defined())
        return [=]() mutable { at::addmm_out(y, b, x, w_t); };
    return [=]() mutable { at::mm_out(y, x, w_t); };
}

step linear_dx(const arenas &a, const pawl_op_linear_dx &op)
{
    Tensor dx = a.view(op.dx), dy = a.view(op.dy), w = a.view(op.w);
    if (op.accumulate)
        return [=] { dx.addmm_(dy, w); };
    return [=]() mutable { at::mm_out(dx, dy, w); };
}

step linear_dw(const arenas &a, const pawl_op_linear_dw &op)
{
    Tensor dw = a.view(op.dw), db = a.view(op.db), dy = a.view(op.dy), x = a.view(op.x);
    Tensor dy_t = dy.t();
    bool accumulate = op.accumulate;
    return [=]() mutable {
        if (accumulate)
            dw.addmm_(dy_t, x);
        else
            at::mm_out(dw, dy_t, x);
        sum_columns(db, dy, accumulate);
    };
}

/* y = act(u); y may be u. */
void activate(pawl_op_act act, Tensor &y, const Tensor &u)
{
    switch (act) {
    case PAWL_ACT_RELU:
        at::clamp_min_out(y, u, 0);
        return;
    case PAWL_ACT_SILU:
        at::silu_out(y, u);
        return;
    case PAWL_ACT_TANH:
        at::tanh_out(y, u);
        return;
    case PAWL_ACT_NONE:
        if (!is_same(y, u))
            y.copy_(u);
        return;
    }
}

step norm_act(const arenas &a, const pawl_op_norm_act &op)
{
    int64_t group_count = op.group_count ? op.group_count : 1;
    const pawl_view &made = pawl_view_is(op.keep) ? op.keep : op.y;
    Tensor y = a.view(op.y), z = a.view(op.z), b = a.view(op.b), rstd = a.view(op.rstd);
    Tensor gamma = a.view(op.gamma), beta = a.view(op.beta);
    Tensor u = a.view(made), u_groups = a.groups(made, group_count);
    pawl_op_act act = op.act;
    return [=]() mutable {
        if (b.defined())
            at::add_out(u, z, b);
        else if (!is_same(u, z))
            u.copy_(z);
        if (!gamma.defined()) {
            activate(act, y, u);
            return;
        }
        auto [variance, middle] = at::var_mean(u_groups, {2}, false, true);
        Tensor r = at::rsqrt(variance.add_(NORM_EPS));
        if (rstd.defined())
            rstd.copy_(r.squeeze(2));
        u_groups.sub_(middle).mul_(r);
        at::addcmul_out(y, beta, u, gamma);
        activate(act, y, y);
    };
}

/* du = dy act'(u), from what act() must know of y or u. */
void activate_grad(pawl_op_act act, Tensor &du, const Tensor &dy, const Tensor &y,
                   const Tensor &u)
{
    switch (act) {
    case PAWL_ACT_RELU:
        at::threshold_backward_out(du, dy, y, 0);
        return;
    case PAWL_ACT_SILU:
        at::silu_backward_out(du, dy, u);
        return;
    case PAWL_ACT_TANH:
        at::tanh_backward_out(du, dy, y);
        return;
    case PAWL_ACT_NONE:
        du.copy_(dy);
        return;
    }
}

step norm_act_grad(const arenas &a, const pawl_op_norm_act_grad &op)
{
    int64_t group_count = op.group_count ? op.group_count : 1;
    Tensor dz = a.view(op.dz), dgamma = a.view(op.dgamma), dbeta = a.view(op.dbeta);
    Tensor db = a.view(op.db), dy = a.view(op.dy), y = a.view(op.y), keep = a.view(op.keep);
    Tensor gamma = a.view(op.gamma), beta = a.view(op.beta);
    Tensor du = a.like(0, op.dz), more = a.like(1, op.dz);
    Tensor du_groups = a.groups_like(0, op.dz, group_count);
    Tensor more_groups = a.groups_like(1, op.dz, group_count);
    Tensor dz_groups = a.groups(op.dz, group_count), keep_groups;
    Tensor rstd = a.view(op.rstd);
    if (gamma.defined()) {
        keep_groups = a.groups(op.keep, group_count);
        rstd = rstd.unsqueeze(2);
    }
    pawl_op_act act = op.act;
    bool accumulate = op.accumulate;
    return [=]() mutable {
        if (!gamma.defined()) {
            activate_grad(act, du, dy, y, keep);
            dz.copy_(du);
            sum_columns(db, dz, accumulate);
            return;
        }
        if (act == PAWL_ACT_SILU)
            at::addcmul_out(more, beta, keep, gamma);
        activate_grad(act, du, dy, y, more);
        at::mul_out(more, du, keep);
        sum_columns(dgamma, more, accumulate);
        sum_columns(dbeta, du, accumulate);
        du.mul_(gamma);
        more.mul_(gamma);
        /* dz = rstd (dx - mean(dx) - x mean(dx x)) of each group, dx = du gamma */
        Tensor mean_dx = at::mean(du_groups, {2}, true);
        Tensor mean_dxx = at::mean(more_groups, {2}, true);
        du_groups.sub_(mean_dx).addcmul_(keep_groups, mean_dxx, -1);
        at::mul_out(dz_groups, du_groups, rstd);
        sum_columns(db, dz, accumulate);
    };
}

step tanh_gauss(const arenas &a, const pawl_op_tanh_gauss &op)
{
    Tensor action = a.view(op.action), logp = a.view(op.logp), mean_ = a.view(op.mean);
    Tensor raw = a.view(op.raw), eps = a.view(op.eps);
    double s_min = op.s_min, s_max = op.s_max;
    bool is_variance = op.s_is_variance;
    return [=]() mutable {
        constexpr double half_log_2pi = 0.91893853320467274178;
        Tensor s = at::clamp(at::exp(raw), s_min, s_max);
        Tensor deviation = is_variance ? at::sqrt(s) : s;
        Tensor x = at::addcmul(mean_, deviation, eps);
        if (action.defined())
            at::tanh_out(action, x);
        if (!logp.defined())
            return;
        Tensor squash = (at::softplus(x * -2.0) + x - std::log(2.0)) * 2.0;
        Tensor density = eps * eps * -0.5 - half_log_2pi - at::log(deviation);
        at::sum_out(logp, density + squash, {1}, true);
    };
}

step tanh_gauss_grad(const arenas &a, const pawl_op_tanh_gauss_grad &op)
{
    Tensor dmean = a.view(op.dmean), draw = a.view(op.draw), daction = a.view(op.daction);
    Tensor dlogp = a.view(op.dlogp), action = a.view(op.action), raw = a.view(op.raw);
    Tensor eps = a.view(op.eps);
    double s_min = op.s_min, s_max = op.s_max;
    bool is_variance = op.s_is_variance;
    return [=]() mutable {
        /* d logp / d x = 2 tanh(x), and tanh(x) is the action */
        Tensor dx = at::zeros_like(action);
        if (daction.defined())
            dx.add_(daction * (1.0 - action * action));
        if (dlogp.defined())
            dx.addcmul_(action, dlogp, 2.0);
        Tensor s = at::exp(raw);
        Tensor is_inside = at::logical_and(s >= s_min, s <= s_max);
        Tensor deviation = is_variance ? at::sqrt(s) : s;
        Tensor ds = dx * eps * deviation; /* d deviation / d raw is deviation, or half of it */
        if (dlogp.defined())
            ds.sub_(dlogp);
        if (is_variance)
            ds.mul_(0.5);
        draw.copy_(at::where(is_inside, ds, at::zeros_like(ds)));
        dmean.copy_(dx);
    };
}

step td_target(const arenas &a, const pawl_op_td_target &op)
{
    Tensor y = a.view(op.y), q = a.view(op.q), chosen = a.view(op.chosen);
    Tensor reward = a.view(op.reward), discount = a.view(op.discount);
    Tensor logp = a.view(op.logp), log_alpha = a.view(op.log_alpha);
    return [=]() mutable {
        Tensor counts = q;
        if (chosen.defined())
            counts = q.masked_fill(chosen == 0, std::numeric_limits<double>::infinity());
        Tensor value = at::amin(counts, {1}, true);
        if (logp.defined())
            value = value - at::exp(log_alpha) * logp;
        at::addcmul_out(y, reward, discount, value);
    };
}

step critic_loss(const arenas &a, const pawl_op_critic_loss &op)
{
    Tensor dq = a.view(op.dq), loss = a.view(op.loss), error = a.view(op.error);
    Tensor q = a.view(op.q), y = a.view(op.y), weight = a.view(op.weight);
    double scale = op.scale, rows = op.q.rows;
    return [=]() mutable {
        Tensor d = q - y;
        if (error.defined())
            at::mean_out(error, at::abs(d), {1}, true);
        Tensor weighted = weight.defined() ? d * weight : d;
        at::sum_out(loss, weighted * d, {0}, true).mul_(scale / rows);
        at::mul_out(dq, weighted, at::scalar_tensor(2.0 * scale / rows));
    };
}

step actor_loss(const arenas &a, const pawl_op_actor_loss &op)
{
    Tensor dq = a.view(op.dq), dlogp = a.view(op.dlogp), loss = a.view(op.loss);
    Tensor q = a.view(op.q), logp = a.view(op.logp), log_alpha = a.view(op.log_alpha);
    double rows = op.q.rows;
    return [=]() mutable {
        Tensor alpha = at::exp(log_alpha);
        Tensor least = at::amin(q, {1}, true);
        at::mean_out(loss, alpha * logp - least, {0}, true);
        dq.copy_(first_of(q, least));
        dq.mul_(-1.0 / rows);
        dlogp.copy_((alpha / rows).expand_as(dlogp));
    };
}

step temperature_loss(const arenas &a, const pawl_op_temperature_loss &op)
{
    Tensor dlog_alpha = a.view(op.dlog_alpha), loss = a.view(op.loss);
    Tensor logp = a.view(op.logp), log_alpha = a.view(op.log_alpha);
    double target_entropy = op.target_entropy;
    return [=]() mutable {
        Tensor alpha = at::exp(log_alpha);
        at::mean_out(loss, -alpha * (logp + target_entropy), {0}, true);
        dlog_alpha.copy_(loss); /* the exponential is its own derivative */
    };
}

step choice_target(const arenas &a, const pawl_op_choice_target &op)
{
    Tensor y = a.view(op.y), q = a.view(op.q), q_target = a.view(op.q_target);
    Tensor reward = a.view(op.reward), discount = a.view(op.discount);
    Tensor penalty = a.view(op.penalty);
    return [=]() mutable {
        Tensor is_taken = first_of(q, at::amax(q, {1}, true));
        Tensor value = at::sum(q_target.masked_fill(at::logical_not(is_taken), 0.0), {1}, true);
        at::addcmul_out(y, penalty.defined() ? reward + penalty : reward, discount, value);
    };
}

/* Compares with the numbers of the choices instead of taking them as indices: an index that is
 * not a number would end a CUDA context. */
step choice_loss(const arenas &a, const pawl_op_choice_loss &op)
{
    Tensor dq = a.view(op.dq), loss = a.view(op.loss), q = a.view(op.q);
    Tensor choice = a.view(op.choice), y = a.view(op.y), weight = a.view(op.weight);
    Tensor numbers = at::arange(q.size(1), q.options()).unsqueeze(0);
    double rows = op.q.rows, last = op.q.cols - 1.0;
    return [=]() mutable {
        Tensor taken = at::clamp(at::round(at::nan_to_num(choice, 0.0)), 0.0, last);
        Tensor is_other = numbers != taken;
        Tensor d = at::sum(q.masked_fill(is_other, 0.0), {1}, true).sub_(y);
        Tensor weighted = weight.defined() ? d * weight : d;
        at::sum_out(loss, weighted * d, {0}, true).mul_(1.0 / rows);
        dq.copy_(weighted);
        dq.mul_(2.0 / rows).masked_fill_(is_other, 0.0);
    };
}

step clip(const arenas &a, const pawl_op_clip &op)
{
    Tensor norm = a.view(op.norm), gate = a.view(op.gate), loss = a.view(op.loss);
    Tensor before = a.view(op.before);
    std::vector<Tensor> gradients;
    for (const pawl_view &g : op.g) {
        if (pawl_view_is(g))
            gradients.push_back(a.view(g));
    }
    double max_norm = op.max_norm;
    return [=]() mutable {
        std::vector<Tensor> norms;
        for (const Tensor &g : gradients)
            norms.push_back(at::linalg_vector_norm(g, 2));
        Tensor all = at::linalg_vector_norm(at::stack(norms), 2).view({1, 1});
        Tensor is_open = at::isfinite(all);
        if (loss.defined())
            is_open = at::logical_and(is_open, at::all(at::isfinite(loss)));
        if (before.defined())
            is_open = at::logical_and(is_open, before != 0);
        norm.copy_(all);
        gate.copy_(is_open);
        if (max_norm == 0.0)
            return;
        Tensor factor = at::clamp_max(max_norm / (all + 1e-6), 1.0);
        factor.masked_fill_(at::logical_not(is_open), 1.0);
        for (const Tensor &g : gradients)
            g.mul_(factor);
    };
}

/* Where the gate is 0 the old values are chosen, bit for bit: what is computed beside them may
 * then be anything. */
step adam(const arenas &a, const pawl_op_adam &op)
{
    Tensor p = a.view(op.p), m = a.view(op.m), v = a.view(op.v), count = a.view(op.step);
    Tensor g = a.view(op.g), gate = a.view(op.gate);
    Tensor s = a.like(0, op.p), t = a.like(1, op.p);
    double lr = op.lr, beta1 = op.beta1, beta2 = op.beta2, eps = op.eps;
    return [=]() mutable {
        Tensor is_open = gate.defined() ? gate != 0 : at::ones_like(count, at::kBool);
        count.add_(is_open);
        Tensor n = count.to(at::kDouble); /* 1 - 0.999^n needs it */
        Tensor rate = (lr / (1.0 - at::pow(beta1, n))).to(at::kFloat);
        Tensor root = at::rsqrt(1.0 - at::pow(beta2, n)).to(at::kFloat);

        at::mul_out(s, m, at::scalar_tensor(beta1)).add_(g, 1.0 - beta1);
        at::where_out(m, is_open, s, m);
        at::mul_out(s, g, g).mul_(1.0 - beta2).add_(v, beta2);
        at::where_out(v, is_open, s, v);
        at::sqrt_out(s, v).mul_(root).add_(eps);
        at::div_out(t, m, s).mul_(rate);
        at::sub_out(s, p, t);
        at::where_out(p, is_open, s, p);
    };
}

step polyak(const arenas &a, const pawl_op_polyak &op)
{
    Tensor target = a.view(op.target), p = a.view(op.p), gate = a.view(op.gate);
    Tensor s = a.like(0, op.target);
    double w = op.w;
    return [=]() mutable {
        at::mul_out(s, target, at::scalar_tensor(1.0 - w)).add_(p, w);
        if (gate.defined())
            at::where_out(target, gate != 0, s, target);
        else
            target.copy_(s);
    };
}

} // namespace

step make_step(const arenas &arenas, const pawl_op &op)
{
    switch (op.kind) {
    case PAWL_OP_COPY:
        return copy(arenas, op.copy);
    case PAWL_OP_LINEAR:
        return linear(arenas, op.linear);
    case PAWL_OP_LINEAR_DX:
        return linear_dx(arenas, op.linear_dx);
    case PAWL_OP_LINEAR_DW:
        return linear_dw(arenas, op.linear_dw);
    case PAWL_OP_NORM_ACT:
        return norm_act(arenas, op.norm_act);
    case PAWL_OP_NORM_ACT_GRAD:
        return norm_act_grad(arenas, op.norm_act_grad);
    case PAWL_OP_TANH_GAUSS:
        return tanh_gauss(arenas, op.tanh_gauss);
    case PAWL_OP_TANH_GAUSS_GRAD:
        return tanh_gauss_grad(arenas, op.tanh_gauss_grad);
    case PAWL_OP_TD_TARGET:
        return td_target(arenas, op.td_target);
    case PAWL_OP_CRITIC_LOSS:
        return critic_loss(arenas, op.critic_loss);
    case PAWL_OP_ACTOR_LOSS:
        return actor_loss(arenas, op.actor_loss);
    case PAWL_OP_TEMPERATURE_LOSS:
        return temperature_loss(arenas, op.temperature_loss);
    case PAWL_OP_CHOICE_TARGET:
        return choice_target(arenas, op.choice_target);
    case PAWL_OP_CHOICE_LOSS:
        return choice_loss(arenas, op.choice_loss);
    case PAWL_OP_CLIP:
        return clip(arenas, op.clip);
    case PAWL_OP_ADAM:
        return adam(arenas, op.adam);
    case PAWL_OP_POLYAK:
        return polyak(arenas, op.polyak);
    case PAWL_OP_KIND_COUNT:
        break;
    }
    throw std::invalid_argument("an operation that this build does not know");
}

} // namespace pawl
