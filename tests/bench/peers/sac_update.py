"""sac_update.py PEER SECONDS [BATCH [AT_ONCE]]: SAC updates per second of one peer, for sac.py.

Observation 18, action 4, hidden layers 256 and 256, two critics, one processor, one thread. PEER is sb3
(Stable-Baselines3), sbx (the same in JAX) or lerobot (SACPolicy with the learner's own order of steps).
AT_ONCE is how many updates sb3 and sbx make in one call: 1 where each step of an environment is worth one.
The replay is filled with noise first; then updates are run until the time is over. Prints the rate, per
second of the processor's time that the process took: what else runs there counts for nobody.
"""

import os
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})

import gymnasium
import numpy as np

OBS, ACTION, REPLAY = 18, 4, 10000


class Space(gymnasium.Env):
    """Never stepped: only its spaces are looked at."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (OBS,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(OBS, np.float32), {}

    def step(self, action):
        return np.zeros(OBS, np.float32), 0.0, False, False, {}


def baselines(module, batch, at_once):
    """A function that runs some updates and says how many."""
    from stable_baselines3.common.logger import configure

    model = module.SAC("MlpPolicy", Space(), batch_size=batch, buffer_size=REPLAY, seed=0,
                       policy_kwargs={"net_arch": [256, 256]}, verbose=0)  # fmt: skip
    model.set_logger(configure(None, []))
    rng = np.random.default_rng(0)
    for _ in range(REPLAY):
        model.replay_buffer.add(
            rng.normal(size=(1, OBS)).astype(np.float32), rng.normal(size=(1, OBS)).astype(np.float32),
            rng.uniform(-1, 1, (1, ACTION)).astype(np.float32), rng.normal(size=1), np.array([rng.random() < 0.01]),
            [{}],
        )  # fmt: skip

    def run():
        model.train(gradient_steps=at_once, batch_size=batch)
        return at_once

    return run


def sb3(batch, at_once):
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
    return baselines(stable_baselines3, batch, at_once)


def sbx(batch, at_once):
    import sbx

    return baselines(sbx, batch, at_once)


def lerobot(batch, _):
    import lerobot_sac  # noqa: F401
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.sac.configuration_sac import SACConfig
    from lerobot.policies.sac.modeling_sac import SACPolicy
    from lerobot.rl.buffer import ReplayBuffer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    statistics = {
        "observation.state": {"min": [-1.0] * OBS, "max": [1.0] * OBS},
        "action": {"min": [-1.0] * ACTION, "max": [1.0] * ACTION},
    }
    config = SACConfig(
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (OBS,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (ACTION,))},
        dataset_stats=statistics, device="cpu", use_torch_compile=False,
    )  # fmt: skip
    policy = SACPolicy(config)
    policy.train()
    groups = policy.get_optim_params()
    groups = {name: [p] if isinstance(p, torch.Tensor) else list(p) for name, p in groups.items()}
    optimizers = {name: torch.optim.Adam(params, lr=3e-4) for name, params in groups.items()}
    clipped = {
        "critic": list(policy.critic_ensemble.parameters()),
        "actor": list(policy.actor.parameters()),
        "temperature": [policy.log_alpha],
    }
    replay = ReplayBuffer(REPLAY, device="cpu", state_keys=["observation.state"], storage_device="cpu",
                          optimize_memory=True)  # fmt: skip
    for _ in range(REPLAY):
        replay.add(
            {"observation.state": torch.randn(1, OBS)}, torch.rand(1, ACTION) * 2 - 1, float(np.random.randn()),
            {"observation.state": torch.randn(1, OBS)}, False, False,
        )  # fmt: skip

    def step(name, loss):
        optimizers[name].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(clipped[name], 40.0).item()
        optimizers[name].step()

    def run():
        sample = replay.sample(batch)
        forward = {
            "action": sample["action"], "reward": sample["reward"], "state": sample["state"],
            "next_state": sample["next_state"], "done": sample["done"], "observation_feature": None,
            "next_observation_feature": None,
        }  # fmt: skip
        step("critic", policy.forward(forward, model="critic")["loss_critic"])
        step("actor", policy.forward(forward, model="actor")["loss_actor"])
        step("temperature", policy.forward(forward, model="temperature")["loss_temperature"])
        policy.update_target_networks()
        return 1

    return run


def main():
    peer, seconds = sys.argv[1], float(sys.argv[2])
    batch = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    at_once = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    run = {"sb3": sb3, "sbx": sbx, "lerobot": lerobot}[peer](batch, at_once)
    for _ in range(3):
        run()  # JAX compiles, allocators settle
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        count += run()
    print(count / (time.process_time() - began))


if __name__ == "__main__":
    main()
