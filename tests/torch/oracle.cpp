/* oracle.cpp: SAC's losses as one would write them down, and autograd's gradients of them. */
#include "tests/torch/oracle.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

namespace
{

using at::Tensor;

struct sample {
    Tensor action, logp; /* (B, A), (B, 1) */
};

class sac
{
  public:
    explicit sac(const oracle_problem &problem)
        : p(problem), row(of(p.row, 1, static_cast<int64_t>(p.float_count)).view({-1}))
    {
        row.requires_grad_(true);
    }

    /* (B, cols) of the caller's floats. */
    Tensor of(const float *floats, int64_t rows, int64_t cols) const
    {
        return at::from_blob(const_cast<float *>(floats), {rows, cols}, at::kFloat)
            .to(at::kDouble);
    }

    Tensor of(const float *floats, int64_t cols) const
    {
        return of(floats, p.batch_count, cols);
    }

    Tensor part(uint64_t at, int64_t count) const
    {
        return row.narrow(0, static_cast<int64_t>(at), count);
    }

    Tensor linear(const oracle_layer &l, const Tensor &x) const
    {
        Tensor weight = part(l.weight, int64_t{l.out_count} * l.in_count);
        return at::linear(x, weight.view({l.out_count, l.in_count}), part(l.bias, l.out_count));
    }

    Tensor normed(const oracle_layer &l, const Tensor &x) const
    {
        if (l.norm_weight == ORACLE_NO_FLOAT)
            return x;
        return at::layer_norm(x, {l.out_count}, part(l.norm_weight, l.out_count),
                              part(l.norm_bias, l.out_count), 1e-5);
    }

    Tensor net(const oracle_net &n, Tensor x) const
    {
        for (uint32_t i = 0; i + 1 < n.layer_count; i++) {
            x = normed(n.layers[i], linear(n.layers[i], x));
            x = p.is_plain ? at::relu(x) : at::silu(x);
        }
        return linear(n.layers[n.layer_count - 1], x);
    }

    Tensor encode(const oracle_layer *encoders, const float *const *obs) const
    {
        std::vector<Tensor> codes;
        for (uint32_t i = 0; i < p.input_count; i++) {
            Tensor x = of(obs[i], p.obs_counts[i]);
            codes.push_back(p.is_plain ? x
                                       : at::tanh(normed(encoders[i], linear(encoders[i], x))));
        }
        return at::cat(codes, 1);
    }

    sample act(const Tensor &codes, const float *eps) const
    {
        Tensor heads = net(p.actor, codes), noise = of(eps, p.action_count);
        Tensor mean = heads.narrow(1, 0, p.action_count);
        Tensor s = heads.narrow(1, p.action_count, p.action_count);
        s = at::clamp(at::exp(s), p.s_min, p.s_max);
        Tensor deviation = p.is_variance ? at::sqrt(s) : s;
        Tensor action = at::tanh(mean + deviation * noise);
        /* the density of x, over how much tanh squeezes there */
        Tensor logp = at::square(noise) * -0.5 - at::log(deviation) -
                      0.5 * std::log(2.0 * M_PI) - at::log(1.0 - at::square(action));
        return {action, at::sum(logp, {1}, true)};
    }

    Tensor values(const oracle_net *nets, const Tensor &codes, const Tensor &action) const
    {
        std::vector<Tensor> q;
        for (uint32_t i = 0; i < p.critic_count; i++)
            q.push_back(net(nets[i], at::cat({codes, action}, 1)));
        return at::cat(q, 1);
    }

    Tensor alpha() const
    {
        return at::exp(part(p.log_alpha, 1));
    }

    Tensor target() const
    {
        at::NoGradGuard constant;
        sample next = act(encode(p.actor_encoders, p.next), p.eps_next);
        Tensor q = values(p.targets, encode(p.encoders, p.next), next.action);
        std::vector<Tensor> counts;
        for (uint32_t i = 0; i < p.critic_count; i++) {
            if (p.chosen[i] != 0.0f)
                counts.push_back(q.narrow(1, i, 1));
        }
        Tensor least = std::get<0>(at::min(at::cat(counts, 1), 1, true));
        if (p.has_backup_entropy)
            least = least - alpha() * next.logp;
        return of(p.reward, 1) + of(p.discount, 1) * least;
    }

    Tensor critic_losses() const
    {
        Tensor y = target();
        Tensor q = values(p.critics, encode(p.encoders, p.obs), of(p.action, p.action_count));
        return at::mean(of(p.weight, 1) * at::square(q - y), {0});
    }

    Tensor actor_loss() const
    {
        sample now = act(encode(p.actor_encoders, p.obs), p.eps_actor);
        Tensor q = values(p.critics, encode(p.encoders, p.obs), now.action);
        return at::mean(alpha() * now.logp - std::get<0>(at::min(q, 1, true)));
    }

    Tensor temperature_loss() const
    {
        Tensor logp;
        {
            at::NoGradGuard constant;
            logp = act(encode(p.actor_encoders, p.obs), p.eps_temperature).logp;
        }
        return at::mean(-alpha() * (logp + p.target_entropy));
    }

    void differentiate(const Tensor &loss, double *grads) const
    {
        Tensor g = torch::autograd::grad({loss}, {row})[0].contiguous();
        std::copy_n(g.data_ptr<double>(), p.float_count, grads);
    }

  private:
    const oracle_problem &p;
    Tensor row;
};

void solve(const oracle_problem &problem, oracle_answer &answer)
{
    sac oracle(problem);
    Tensor losses = oracle.critic_losses();
    for (uint32_t i = 0; i < problem.critic_count; i++)
        answer.critic_loss[i] = losses[i].item<double>();
    oracle.differentiate(losses.sum(), answer.critic_grads);

    Tensor actor = oracle.actor_loss(), temperature = oracle.temperature_loss();
    answer.actor_loss = actor.item<double>();
    oracle.differentiate(actor, answer.actor_grads);
    answer.temperature_loss = temperature.item<double>();
    oracle.differentiate(temperature, answer.temperature_grads);
}

} // namespace

extern "C" __attribute__((visibility("default"))) int
oracle_solve(const oracle_problem *problem, oracle_answer *answer)
{
    try {
        solve(*problem, *answer);
        return 0;
    } catch (const std::exception &e) {
        std::snprintf(answer->error, sizeof(answer->error), "%s", e.what());
        return -1;
    }
}
