#!/usr/bin/env python3
"""Makes the golden values of tests/unit/test_env_gymnasium.c with Gymnasium. Run beside this file:

    python3 -m venv VENV && VENV/bin/pip install gymnasium==1.4.0 numpy==2.4.6
    VENV/bin/python make_env.py

For each environment, in little-endian 32-bit words:

NAME_resets.bin  the observation after reset(seed=k) for k = 0 .. 999, float32
NAME_steps.bin   episodes: seed, number of steps, the observation after the reset; then per step
                 action, observation, reward, all float32, and 1 terminated + 2 truncated

The episodes go on to their end or to the number of steps given below; actions are drawn beyond
their bounds too, where Gymnasium clips them itself. The environments come from gymnasium.make(),
so the limit of steps is in them.
"""
import platform
import struct
import sys

import gymnasium
import numpy as np

RESET_COUNT = 1000


def random_torque(rng, obs):
    return np.array([rng.uniform(-2.5, 2.5)], dtype=np.float32)


def swing_up(rng, obs):
    """Adds energy until the pole is nearly up, so that the fast states are visited."""
    return np.array([2.0 if obs[2] > 0 else -2.0], dtype=np.float32)


def random_force(rng, obs):
    return np.array([rng.uniform(-1.25, 1.25)], dtype=np.float32)


def rock(rng, obs):
    """Reaches the goal, touching the left wall on the way."""
    return np.array([(1.0 if obs[1] >= 0 else -1.0) * rng.uniform(0.8, 1.25)], dtype=np.float32)


def random_push(rng, obs):
    return int(rng.integers(2))


def balance(rng, obs):
    return int(obs[2] + obs[3] + 0.1 * obs[0] + 0.1 * obs[1] > 0)


# file, environment, then (seed, steps at most, what acts)
ENVIRONMENTS = [
    ("pendulum", "Pendulum-v1",
     [(k, 200, random_torque) for k in range(5)] + [(k, 200, swing_up) for k in (5, 6, 7)]),
    ("mountain_car", "MountainCarContinuous-v0",
     [(0, 999, random_force), (1, 200, random_force)] + [(k, 999, rock) for k in range(2, 8)]),
    ("cartpole", "CartPole-v1",
     [(k, 500, random_push) for k in range(12)] + [(k, 500, balance) for k in (12, 13)]),
]


def words(*values):
    return b"".join(struct.pack("<I", v) if isinstance(v, int) else struct.pack("<f", v)
                    for v in values)


def main():
    for name, gymnasium_id, episodes in ENVIRONMENTS:
        env = gymnasium.make(gymnasium_id)
        with open(f"{name}_resets.bin", "wb") as out:
            for seed in range(RESET_COUNT):
                obs, _ = env.reset(seed=seed)
                assert obs.dtype == np.float32
                out.write(obs.astype("<f4").tobytes())
        with open(f"{name}_steps.bin", "wb") as out:
            for seed, steps_max, act in episodes:
                rng = np.random.default_rng(seed)
                obs, _ = env.reset(seed=seed)
                first, steps, ended = obs, [], False
                while not ended and len(steps) < steps_max:
                    action = act(rng, obs)
                    obs, reward, terminated, truncated, _ = env.step(action)
                    number = float(action) if isinstance(action, int) else float(action[0])
                    steps.append(words(number) + obs.astype("<f4").tobytes()
                                 + words(float(reward), int(terminated) + 2 * int(truncated)))
                    ended = terminated or truncated
                out.write(words(seed, len(steps)) + first.astype("<f4").tobytes())
                out.write(b"".join(steps))
                print(name, seed, act.__name__, len(steps), "terminated" if terminated else "")
    print("made with Gymnasium", gymnasium.__version__, "NumPy", np.__version__, "Python",
          platform.python_version(), file=sys.stderr)


main()
