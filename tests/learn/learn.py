#!/usr/bin/env python3
"""learn.py --bin=DIR [--seeds=N]: does it learn? configs/pendulum.toml and configs/reach2d.toml, a few seeds
each, on two processors without a GPU.

    pendulum   the mean return of the last 20 episodes of training is at least -250, after 10,000 steps and
               within 120 s; likewise while the learner is killed again and again, whatever that takes
    reach2d    pays at the goal alone: with 20 episodes of the scripted expert (pawl record) at least 0.95
               of the episodes of an evaluation succeed, without them fewer than 0.3, after as many steps

Prints `name value unit`; fails where a figure is not as wanted. Runs are not deterministic: actors and
learner are processes.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
GUARD_S = 900
LAST, RETURN_LOWEST, WALL_HIGHEST_S = 20, -250.0, 120.0
DEMONSTRATIONS, EVALUATED = 20, 200  # episodes
KILL_PERIOD_S, KILLS_MAX = 0.8, 20
SUCCESS_LOWEST, UNAIDED_HIGHEST = 0.95, 0.3


class Learn:
    def __init__(self, bin_folder, scratch):
        self.bin, self.scratch, self.failures = bin_folder, scratch, []

    def pawl(self, *words):
        command = [str(word) for word in (self.bin / "pawl", *words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD_S)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def train(self, config, name, seed, *overrides):
        """The run's folder and how long it took, from the command to its end."""
        began = time.monotonic()
        self.pawl("train", config, f"run.dir={self.scratch}", f"run.name={name}", f"run.seed={seed}", *overrides)
        took_s = time.monotonic() - began
        (run,) = self.scratch.glob(f"*/*_{name}")
        return run, took_s

    def show(self, name, value, unit, is_wanted=True):
        print(f"{name} {value:.4g} {unit}", flush=True)
        if not is_wanted:
            self.failures.append(name)

    def kill_learners(self, pawl):
        """Until pawl has ended or there were enough; how many."""
        count = 0
        while count < KILLS_MAX:
            try:
                pawl.wait(KILL_PERIOD_S)
                break
            except subprocess.TimeoutExpired:
                pass
            for folder in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    if words[0].endswith(b"pawl-learner") and str(self.scratch).encode() in b" ".join(words):
                        os.kill(int(folder.name), signal.SIGKILL)
                        count += 1
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return count

    def killed(self, seed):
        words = ["train", CONFIGS / "pendulum.toml", f"run.dir={self.scratch}", f"run.name=killed{seed}",
                 f"run.seed={seed}", "run.crash_count_max=32"]  # fmt: skip
        with subprocess.Popen([str(word) for word in (self.bin / "pawl", *words)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pawl:  # fmt: skip
            count = self.kill_learners(pawl)
            code = pawl.wait(GUARD_S)
        (run,) = self.scratch.glob(f"*/*_killed{seed}")
        self.show(f"pendulum_killed_{seed}_kills", count, "1", code == 0 and count > 0)
        self.show_last(f"pendulum_killed_{seed}", run)

    def pendulum(self, seed):
        run, took_s = self.train(CONFIGS / "pendulum.toml", f"pendulum{seed}", seed)
        self.show_last(f"pendulum_{seed}", run)
        self.show(f"pendulum_{seed}_wall", took_s, "s", took_s < WALL_HIGHEST_S)

    def show_last(self, name, run):
        """What the last episodes of training returned."""
        episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
        last = statistics.mean(each["return"] for each in episodes[-LAST:])
        steps = episodes[-1]["env_step"]
        self.show(f"{name}_steps", steps, "steps", steps <= 10000)
        self.show(f"{name}_return", last, "1", last >= RETURN_LOWEST)

    def reach2d(self, seed, demonstrations):
        config = CONFIGS / "reach2d.toml"
        aided = f"replay.offline={demonstrations}"
        for name, overrides in [("demonstrated", [aided]), ("unaided", [])]:
            run, took_s = self.train(config, f"{name}{seed}", seed, *overrides)
            result = json.loads(self.pawl("eval", run, f"--episodes={EVALUATED}", "--json"))
            success = result["success"]
            is_wanted = success >= SUCCESS_LOWEST if overrides else success < UNAIDED_HIGHEST
            self.show(f"reach2d_{name}_{seed}_success", success, "1", is_wanted)
            self.show(f"reach2d_{name}_{seed}_wall", took_s, "s")


def main():
    parser = argparse.ArgumentParser(description="Does it learn?")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where pawl is")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pawl-learn-") as scratch:
        learn = Learn(args.bin.resolve(), pathlib.Path(scratch))
        demonstrations = learn.scratch / "demonstrations.journal"
        learn.pawl("record", CONFIGS / "reach2d.toml", f"--episodes={DEMONSTRATIONS}", f"--output={demonstrations}")
        for seed in range(1, args.seeds + 1):
            learn.pendulum(seed)
            learn.killed(seed)
            learn.reach2d(seed, demonstrations)
    if learn.failures:
        sys.exit(f"not as wanted: {', '.join(learn.failures)}")


if __name__ == "__main__":
    main()
