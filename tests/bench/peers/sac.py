#!/usr/bin/env python3
"""sac.py [--rounds=N] [--seconds=S] [--build=DIR] [--end-to-end] [--smoke] [--install]: SAC of Pawl,
Stable-Baselines3, sbx (the same in JAX) and LeRobot side by side.

Without --end-to-end: updates per second. Observation 18, action 4, hidden layers 256 and 256, two critics,
batches of 256 and 64, everybody with one thread on the same processor. Pawl's network "plain" is beside
Stable-Baselines3 and sbx, "lerobot" beside LeRobot. Counted is the processor's time: what else the machine
does makes all slower, but nobody in particular. An update of Pawl is its lists of operations and all
around them (bench_sac), a batch sampled from a store (bench_replay: of 256 frames, also where the batch is
64), and its share of a publication (bench_params; by default there is one for 8 updates). sbx and
Stable-Baselines3 make one update per call, as with one update for each environment step; "sbx_20" makes 20.

With --end-to-end: environment steps per second of whole runs on Pendulum, one update for each step, with the
hyper-parameters of configs/pendulum.toml, two processors for each; and what they learnt.

Rounds are interleaved; printed are medians, lowest and highest as `name value unit`. The peers live in a
virtual environment of their own in $PAWL_PEERS_SAC (pawl/peers-sac in the user's folder for caches), made
at the first run from requirements_sac.txt: 4 GB to download. --install only does that. --build is a build
of the preset bench.
"""

import argparse
import json
import math
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

import step

ROOT = step.ROOT
REQUIREMENTS = step.HERE / "requirements_sac.txt"
BATCHES = [256, 64]
PUBLISH_UPDATES = 8  # learner.publish_updates
# A peer, updates in one call, Pawl's network beside it, times as fast as the goal says (batch 256).
PEERS = {
    "sb3": ("sb3", 1, "plain", 1.7),
    "sbx": ("sbx", 1, "plain", 1.2),
    "sbx_20": ("sbx", 20, "plain", None),
    "lerobot": ("lerobot", 1, "lerobot", 1.7),
}
SEEDS = [1, 2, 3]
STEPS = 10000
RUN_GUARD_S = 1800
LAST = 20  # episodes
T_975 = {1: 12.706, 2: 4.303}  # Student's, by degrees of freedom


def show(name, values, unit):
    for what, value in [("median", statistics.median(values)), ("lowest", min(values)), ("highest", max(values))]:
        print(f"{name}_{what} {value:.4g} {unit}", flush=True)


def note(text):
    print(f"# {text}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


# --- updates per second ---


def figures(program, cpus):
    """What a bench prints, by name."""
    done = step.subprocess.run([str(program)], capture_output=True, text=True, timeout=step.GUARD_S,
                               preexec_fn=lambda: os.sched_setaffinity(0, cpus))  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"{program} failed with {done.returncode}:\n{done.stderr}")
    words = (line.split() for line in done.stdout.splitlines())
    return {each[0]: float(each[1]) for each in words if len(each) == 3}


def measure_pawl(build, cpus, split):
    """Updates per second by (network, batch); what they consist of goes into split."""
    sac = figures(build / "bench" / "bench_sac", cpus[-1:])
    sampling_us = figures(build / "bench" / "bench_replay", cpus[-1:])["replay_sample256_state_us"]
    publish_us = figures(build / "bench" / "bench_params", cpus)["params_publish_1MiB_p50"] / PUBLISH_UPDATES
    rates = {}
    for network in ("plain", "lerobot"):
        for batch in BATCHES:
            update_us = sac[f"sac_{network}_{batch}_update_us"]
            products_us = sac[f"sac_{network}_{batch}_products_us"]
            parts = {
                "products": products_us, "rest": update_us - products_us, "sampling": sampling_us,
                "publish": publish_us,
            }  # fmt: skip
            for part, value_us in parts.items():
                split.setdefault((network, batch, part), []).append(value_us)
            split.setdefault((network, batch, "ratio"), []).append(sac[f"sac_{network}_{batch}_ratio"])
            rates[network, batch] = 1e6 / sum(parts.values())
    return rates


def updates(args, python, cpus):
    rates, split = {}, {}
    for number in range(args.rounds):
        for (network, batch), rate in measure_pawl(args.build, cpus, split).items():
            rates.setdefault((f"pawl_{network}", batch), []).append(rate)
            note(f"round {number} pawl_{network} {batch}: {rate:.0f}")
        for name, (peer, at_once, _, _) in PEERS.items():
            for batch in BATCHES:
                words = [python, step.HERE / "sac_update.py", peer, args.seconds, batch, at_once]
                rates.setdefault((name, batch), []).append(float(step.run(words)))
                note(f"round {number} {name} {batch}: {rates[name, batch][-1]:.0f}")

    for (name, batch), values in rates.items():
        show(f"sac_{name}_{batch}", values, "updates/s")
    for (network, batch, part), values in split.items():
        unit = "x" if part == "ratio" else "us"
        show(f"sac_pawl_{network}_{batch}_{part}", values, unit)
    for name, (_, _, network, goal) in PEERS.items():
        for batch in BATCHES:
            pairs = zip(rates[f"pawl_{network}", batch], rates[name, batch])
            show(f"sac_over_{name}_{batch}", [ours / theirs for ours, theirs in pairs], "x")
        if goal:
            print(f"sac_over_{name}_goal {goal} x")


# --- whole runs ---


def train_pawl(build, scratch, seed, steps):
    """Steps per second, from when the actor's ring is attached, and the mean return of the last episodes."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    step.run([build / "bin" / "pawl", "train", ROOT / "configs" / "pendulum.toml", f"run.dir={folder}",
              f"run.seed={seed}", f"run.steps={steps}"], RUN_GUARD_S)  # fmt: skip
    (run,) = folder.glob("*/*_pendulum")
    log = (run / "log.txt").read_text()
    began, ended = (
        float(re.search(rf"([\d.]+) info learner {what}", log).group(1))
        for what in ("ring attached", "goal reached")
    )
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    return steps / (ended - began), statistics.mean(each["return"] for each in episodes[-LAST:])


def train_sb3(python, seed, steps):
    command = [python, step.HERE / "sac_train.py", seed, steps]
    return [float(word) for word in step.run(command, RUN_GUARD_S).split()]


def interval(values):
    half = T_975[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values) - half, statistics.mean(values) + half


def end_to_end(args, python):
    steps, seeds = (1000, SEEDS[:2]) if args.smoke else (STEPS, SEEDS)
    runs = {"pawl": [], "sb3": []}
    with tempfile.TemporaryDirectory(prefix="pawl-peers-") as scratch:
        for seed in seeds:
            runs["pawl"].append(train_pawl(args.build, scratch, seed, steps))
            runs["sb3"].append(train_sb3(python, seed, steps))
            note(f"seed {seed}: {runs['pawl'][-1]} {runs['sb3'][-1]}")
    for name, pairs in runs.items():
        show(f"sac_run_{name}", [rate for rate, _ in pairs], "steps/s")
        returns = [value for _, value in pairs]
        for what, value in zip(["mean", "low", "high"], [statistics.mean(returns), *interval(returns)]):
            print(f"sac_run_{name}_return_{what} {value:.1f} 1")
    ratios = [ours / theirs for (ours, _), (theirs, _) in zip(runs["pawl"], runs["sb3"])]
    show("sac_run_over_sb3", ratios, "x")
    (low, high), (low_sb3, high_sb3) = (interval([value for _, value in runs[name]]) for name in runs)
    print(f"sac_run_return_intervals_overlap {int(low <= high_sb3 and low_sb3 <= high)} 1")


def main():
    parser = argparse.ArgumentParser(description="SAC, side by side with the peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured, of each peer in a round")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--end-to-end", action="store_true", help="whole runs instead of updates")
    parser.add_argument("--smoke", action="store_true", help="a short round of both: does it run?")
    parser.add_argument("--install", action="store_true", help="only make what the peers need")
    args = parser.parse_args()

    folder = step.peers_folder("PAWL_PEERS_SAC", "peers-sac")
    step.install(folder, REQUIREMENTS)
    if args.install:
        return
    if args.smoke:
        args.rounds, args.seconds = 1, 0.3
    cpus = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cpus)
    python = folder / "bin" / "python"
    args.build = args.build.resolve()
    names = ["stable-baselines3", "sbx-rl", "jax", "lerobot", "torch", "numpy"]
    code = f"from importlib.metadata import version as v; print(*map(v, {names}))"
    for name, version in zip(names, step.run([python, "-c", code]).split()):
        print(f"version_{name} {version}")
    print("version_pawl", step.run([args.build / "bin" / "pawl", "--version"]).split(" ", 1)[1], flush=True)

    began = time.monotonic()
    if not args.end_to_end:
        updates(args, python, cpus)
    if args.end_to_end or args.smoke:
        end_to_end(args, python)
    print(f"load {os.getloadavg()[0]:.1f} runnable")
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
