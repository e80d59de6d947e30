"""sac_train.py SEED STEPS: Stable-Baselines3 learns Pendulum-v1 as configs/pendulum.toml does, for sac.py.

Prints environment steps per second of learn() and the mean return of the last 20 episodes.
"""

import os
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import gymnasium
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.monitor import Monitor

LAST = 20


def main():
    seed, steps = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    env = Monitor(gymnasium.make("Pendulum-v1"))
    model = SAC("MlpPolicy", env, learning_rate=1e-3, buffer_size=20000, learning_starts=500, batch_size=256,
                tau=0.005, gamma=0.99, train_freq=1, gradient_steps=1, ent_coef="auto",
                policy_kwargs={"net_arch": [64, 64]}, seed=seed, device="cpu")  # fmt: skip
    began = time.perf_counter()
    model.learn(steps)
    took_s = time.perf_counter() - began
    print(steps / took_s, statistics.mean(env.get_episode_rewards()[-LAST:]))


if __name__ == "__main__":
    main()
