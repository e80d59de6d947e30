"""Whole learner iterations of LeRobot 0.4.4 itself: its SACPolicy, its losses, its optimizers, in the
order of its learner (lerobot/rl/learner.py), with a gripper, with an encoder of the actor's own,
with drawn critics, with last layers and spreads that are not its defaults. Noise and draws are inputs. Run with LeRobot 0.4.4 and torch installed."""
import itertools
import torch
import torch.distributions.multivariate_normal as mvn
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.sac.configuration_sac import ActorNetworkConfig, CriticNetworkConfig, PolicyConfig, SACConfig
from lerobot.policies.sac.modeling_sac import SACPolicy
from veclib import enc, save

ROWS, OBS, ACTION = 5, 3, 2


def policy_of(p, seed):
    torch.manual_seed(seed)
    more = p.get("more", {})
    nets = dict(critic_network_kwargs=CriticNetworkConfig(hidden_dims=[6, 4], **more.get("critic", {})),
                actor_network_kwargs=ActorNetworkConfig(hidden_dims=[6, 4], **more.get("actor", {})),
                discrete_critic_network_kwargs=CriticNetworkConfig(hidden_dims=[7], **more.get("discrete_critic", {})),
                policy_kwargs=PolicyConfig(**more.get("policy", {})), **more.get("", {}))
    policy = SACPolicy(SACConfig(
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (OBS,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (ACTION,))}, device="cpu", latent_dim=5, use_torch_compile=False,
        push_to_hub=False, num_discrete_actions=p["choices"] or None, shared_encoder=p["shared_encoder"], num_critics=p["num_critics"],
        num_subsample_critics=p["num_subsample_critics"] or None, utd_ratio=p["utd_ratio"], policy_update_freq=p["policy_update_freq"],
        critic_lr=p["critic_lr"], actor_lr=p["actor_lr"], temperature_lr=p["temperature_lr"], grad_clip_norm=p["grad_clip_norm"],
        critic_target_update_weight=p["weight"], discount=p["discount"], **nets))
    with torch.no_grad():  # norms of 1 and 0, and targets equal to critics, would hide mistakes
        for x in policy.parameters():
            x.add_(0.1 * torch.randn_like(x))
    return policy


def tensors(policy):
    seen = {}
    for name, x in sorted(policy.state_dict().items()):
        if not any(x.data_ptr() == y.data_ptr() for y in seen.values()):
            seen[name] = x
    return {name: x.clone() for name, x in seen.items()}


def step(optimizer, loss, parameters, limit):
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(parameters=parameters, max_norm=limit)
    optimizer.step()
    return norm


def learn(policy, p, i):
    cfg = policy.config
    adam = torch.optim.Adam
    opt = {"actor": adam([x for n, x in policy.actor.named_parameters() if not cfg.shared_encoder or not n.startswith("encoder")], lr=cfg.actor_lr),
           "critic": adam(policy.critic_ensemble.parameters(), lr=cfg.critic_lr), "temperature": adam([policy.log_alpha], lr=cfg.critic_lr)}
    if p["choices"]:
        opt["discrete"] = adam(policy.discrete_critic.parameters(), lr=cfg.critic_lr)
    eps = {k: iter(i[k]) for k in ("eps_next", "eps_pi", "eps_temp")}
    perms = iter(p["perms"])
    now = []
    mvn._standard_normal = lambda *_, **__: next(eps[now[0]])
    torch.randperm = lambda n: torch.tensor(next(perms))
    batches = itertools.count()
    out = {}

    def learn_batch(has_info):
        b = next(batches)
        batch = {"action": i["action"][b], "reward": i["reward"][b], "done": i["done"][b], "state": {"observation.state": i["state"][b]},
                 "next_state": {"observation.state": i["next_state"][b]}}
        if has_info:
            batch["complementary_info"] = {"discrete_penalty": i["penalty"][b]}
        now[:] = ["eps_next"]
        loss = policy.forward(batch, model="critic")["loss_critic"]
        out["grad/critic"] = step(opt["critic"], loss, policy.critic_ensemble.parameters(), cfg.grad_clip_norm)
        out["loss/critic"] = loss.detach()
        if p["choices"]:
            loss = policy.forward(batch, model="discrete_critic")["loss_discrete_critic"]
            out["grad/discrete_critic"] = step(opt["discrete"], loss, policy.discrete_critic.parameters(), cfg.grad_clip_norm)
            out["loss/discrete_critic"] = loss.detach()
        return batch

    for optimization_step in range(p["updates"]):
        for _ in range(cfg.utd_ratio - 1):
            learn_batch(True)
            policy.update_target_networks()
        batch = learn_batch(False)
        if optimization_step % cfg.policy_update_freq == 0:
            for _ in range(cfg.policy_update_freq):
                now[:] = ["eps_pi"]
                loss = policy.forward(batch, model="actor")["loss_actor"]
                out["grad/actor"] = step(opt["actor"], loss, policy.actor.parameters(), cfg.grad_clip_norm)
                out["loss/actor"] = loss.detach()
                now[:] = ["eps_temp"]
                loss = policy.forward(batch, model="temperature")["loss_temperature"]
                out["grad/temperature"] = step(opt["temperature"], loss, [policy.log_alpha], cfg.grad_clip_norm)
                out["loss/temperature"] = loss.detach()
        policy.update_target_networks()
    out.update({"after/" + k: v for k, v in tensors(policy).items()})
    return out


BASE = {"choices": 0, "shared_encoder": True, "num_critics": 2, "num_subsample_critics": 0, "utd_ratio": 2, "policy_update_freq": 1,
        "critic_lr": 1e-3, "actor_lr": 3e-3, "temperature_lr": 5e-2, "grad_clip_norm": 40.0, "weight": 0.05, "discount": 0.97, "updates": 3, "perms": []}
CASES = {"gripper": {"choices": 3}, "gripper_clipped": {"choices": 3, "grad_clip_norm": 0.5, "policy_update_freq": 2},
         "own_encoder": {"choices": 3, "shared_encoder": False}, "own_encoder_no_choice": {"shared_encoder": False, "utd_ratio": 1, "grad_clip_norm": 0.5},
         "drawn_critics": {"num_critics": 4, "num_subsample_critics": 2, "perms": [[3, 1, 0, 2], [0, 2, 1, 3], [2, 3, 0, 1], [1, 3, 2, 0], [0, 1, 2, 3], [3, 0, 1, 2]]},
         "narrow_spread": {"more": {"policy": {"std_min": 0.9, "std_max": 1.1}, "critic": {"final_activation": "ReLU"}, "": {"target_entropy": -0.7}}},
         "bare_last_layers": {"choices": 3, "more": {name: {"activate_final": False} for name in ("actor", "critic", "discrete_critic")}},
         "other_last_layers": {"choices": 3, "shared_encoder": False, "more": {
             "critic": {"final_activation": "Tanh"}, "discrete_critic": {"final_activation": "Identity"}, "": {"use_backup_entropy": False}}}}
cases = []
for number, (name, changes) in enumerate(CASES.items()):
    p = dict(BASE, **changes)
    policy = policy_of(p, 50 + number)
    u = p["updates"] * p["utd_ratio"]
    g = torch.Generator().manual_seed(60 + number)
    action = torch.rand(u, ROWS, ACTION, generator=g) * 2 - 1
    if p["choices"]:
        action = torch.cat([action, torch.randint(0, p["choices"], (u, ROWS, 1), generator=g).float()], -1)
    i = {"state": torch.randn(u, ROWS, OBS, generator=g), "next_state": torch.randn(u, ROWS, OBS, generator=g), "action": action,
         "reward": torch.randn(u, ROWS, generator=g), "done": (torch.rand(u, ROWS, generator=g) < 0.3).float(),
         "penalty": -0.5 * (torch.rand(u, ROWS, generator=g) < 0.5).float()}
    i.update({k: torch.randn(u, ROWS, ACTION, generator=g) for k in ("eps_next", "eps_pi", "eps_temp")})
    inputs = dict(i, **{"P/" + k: v for k, v in tensors(policy).items()})
    cases.append({"name": name, "params": p, "inputs": enc(inputs), "expected": enc(learn(policy, p, i))})
save("lerobot_updates.json", "three learner iterations of LeRobot 0.4.4, executed: losses and gradient norms of the last one, every parameter afterwards",
     cases, rtol=1e-4, atol=1e-5)
