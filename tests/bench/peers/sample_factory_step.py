"""sample_factory_step.py BUSY_US SECONDS FOLDER: Sample Factory's sampler on the dummy
environment; prints steps per second. FOLDER is for what it writes.

The sampler alone, through SyncSamplingAPI as in its own sf_examples/sampler: rollout worker with 16
environments, policy worker with a 64x64 network on the CPU, trajectories of 32 steps copied out of the
shared buffers by the caller, no learner, and double-buffered as it comes. A process for the
environments, one for the policy, one for the caller. (Its serial mode is for debugging.)
"""

import functools
import logging
import sys

import gymnasium
import numpy
import torch
from sample_factory.algo.sampling.simplified_sampling_api import SyncSamplingAPI
from sample_factory.algo.utils.env_info import obtain_env_info_in_a_separate_process
from sample_factory.algo.utils.rl_utils import samples_per_trajectory
from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
from sample_factory.envs.env_utils import register_env
from sample_factory.utils.utils import log

import dummy

WARMUP_S = 1.0


class DummyGym(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (dummy.OBS_COUNT,), numpy.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (dummy.ACTION_COUNT,), numpy.float32)

    def __init__(self, busy_us):
        self.env = dummy.Dummy(busy_us)
        self.render_mode = None

    def reset(self, *, seed=None, options=None):
        return self.env.reset(), {}

    def step(self, action):
        obs, reward, is_cut = self.env.step(action)
        return obs, reward, False, is_cut, {}


def make_env(busy_us, name, cfg=None, env_config=None, render_mode=None):
    return DummyGym(busy_us)


def config(folder):
    argv = [
        "--env=dummy", "--algo=APPO", "--experiment=step", "--train_dir=" + folder, "--device=cpu",
        "--serial_mode=False", "--async_rl=True", "--batched_sampling=False",
        "--num_workers=1", "--num_envs_per_worker=16", "--worker_num_splits=2",
        "--policy_workers_per_policy=1", "--rollout=32", "--batch_size=512", "--use_rnn=False",
        "--encoder_mlp_layers", "64", "64", "--normalize_input=False", "--normalize_returns=False",
        "--decorrelate_experience_max_seconds=0", "--decorrelate_envs_on_one_worker=False",
        "--set_workers_cpu_affinity=False", "--with_wandb=False",
    ]  # fmt: skip
    parser, _ = parse_sf_args(argv=argv)
    return parse_full_cfg(parser, argv)


def main():
    busy_us, seconds, folder = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    log.setLevel(logging.WARNING)
    torch.set_num_threads(1)
    register_env("dummy", functools.partial(make_env, busy_us))
    cfg = config(folder)

    sampler = SyncSamplingAPI(cfg, obtain_env_info_in_a_separate_process(cfg))
    sampler.start()
    rate = dummy.Rate(WARMUP_S, seconds)
    count = 0
    while not rate.add(count):
        count += samples_per_trajectory(sampler.get_trajectories_sync())
    print(f"{rate.per_s():.1f}", flush=True)
    sampler.stop()


if __name__ == "__main__":
    main()
