#!/usr/bin/env python3
"""step.py [--rounds=N] [--seconds=S] [--bin=DIR] [--install]: environment steps per second of Pawl, Sample
Factory's sampler and LeRobot's actor -> learner transport, side by side on two processors.

All of them run the same dummy environment (dummy.py, actor/env_dummy.h) with one process that steps it,
and a step counts when it has arrived where a learner would take it. Rounds are interleaved, so that what
else the machine does meets all of them; printed are the median, the lowest and the highest rate as
`name value unit`.

The peers live in a virtual environment of their own in $PAWL_PEERS (pawl/peers in the user's folder for
caches), made at the first run from requirements.txt: 3.7 GB to download, mostly CUDA libraries without
which PyPI's torch does not load. --install only does that. --bin is where pawl is.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUSY_US = [0, 20, 200]
GUARD_S = 300
REQUIREMENTS = HERE / "requirements.txt"


def peers_folder(variable="PAWL_PEERS", name="peers"):
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get(variable) or pathlib.Path(caches) / "pawl" / name)


def install(folder, requirements=REQUIREMENTS):
    """The mark says which requirements were installed, and is written last."""
    mark, wanted = folder / "ready", requirements.read_text()
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"# installing into {folder}", file=sys.stderr, flush=True)
    mark.unlink(missing_ok=True)
    venv.create(folder, with_pip=True, symlinks=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "-q", "--no-deps", "-r", requirements], check=True)
    mark.write_text(wanted)


def run(command, guard_s=GUARD_S):
    """The last line that the command prints; its errors are shown only when it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=guard_s,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[-1] if lines else ""


class Pawl:
    """Counted by the learner, from when the actor's ring is attached to the last step."""

    def __init__(self, bin_folder, scratch, cpus, overrides):
        self.bin, self.scratch, self.cpus, self.overrides = bin_folder, scratch, cpus, overrides
        self.per_s = {}

    def run_steps(self, busy_us, steps):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / "empty.toml").write_text("")
        run([
            self.bin / "pawl", "train", folder / "empty.toml", f"run.dir={folder}/runs",
            f"run.steps={steps}", "env.type=dummy", f"env.dummy.busy_us={busy_us}",
            f"actor.cpus=[{self.cpus[0]}]", *self.overrides,
        ])  # fmt: skip
        (exit_file,) = folder.glob("runs/*/*/exit.json")
        outcome = json.loads(exit_file.read_text())
        if outcome["outcome"] != "done" or outcome["since_began"]["learner.sequence_gaps"] != 0:
            sys.exit(f"pawl: {outcome}")
        log = (exit_file.parent / "log.txt").read_text()
        begin = float(re.search(r"([\d.]+) info learner ring attached", log).group(1))
        end = float(re.search(r"([\d.]+) info learner goal reached", log).group(1))
        return steps / max(end - begin, 0.001)  # the log's resolution

    def measure(self, busy_us, seconds):
        # Short runs say how many steps fill the time.
        if busy_us not in self.per_s:
            self.per_s[busy_us] = self.run_steps(busy_us, int(100000 / (1 + busy_us)))
            for _ in range(2):
                steps = int(self.per_s[busy_us] / 2) + 1
                self.per_s[busy_us] = self.run_steps(busy_us, steps)
        self.per_s[busy_us] = self.run_steps(busy_us, int(self.per_s[busy_us] * seconds) + 1)
        return self.per_s[busy_us]


class Peer:
    def __init__(self, python, script, *words):
        self.python, self.script, self.words = python, script, words

    def measure(self, busy_us, seconds):
        return float(run([self.python, HERE / self.script, busy_us, seconds, *self.words]))


def version_lines(python, bin_folder):
    yield "version_pawl", run([bin_folder / "pawl", "--version"]).split(" ", 1)[1]
    names = ["sample-factory", "lerobot", "torch", "grpcio", "numpy"]
    code = f"from importlib.metadata import version as v; print(*map(v, {names}))"
    yield from zip([f"version_{name}" for name in names], run([python, "-c", code]).split())
    yield "version_python", run([python, "-V"]).split()[1]


def main():
    parser = argparse.ArgumentParser(description="Steps per second, side by side with the peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured, of each run")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("--install", action="store_true", help="only make what the peers need")
    args = parser.parse_args()

    install(peers_folder())
    if args.install:
        return
    cpus = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cpus)
    python = peers_folder() / "bin" / "python"
    for name, version in version_lines(python, args.bin.resolve()):
        print(name, version, flush=True)

    rates, loads = {}, []
    with tempfile.TemporaryDirectory(prefix="pawl-peers-") as scratch:
        # It acts and does not learn: the row is about steps, and actors would wait for updates.
        network = ["policy.type=sac", "policy.sac.latent_dim=64", "policy.sac.hidden=[64, 64]",
                   "learner.update_ratio=0"]  # fmt: skip
        pawl = args.bin.resolve()
        sides = {
            "pawl_random": Pawl(pawl, scratch, cpus, ["policy.type=random"]),
            "pawl_network": Pawl(pawl, scratch, cpus, network),
            "sample_factory": Peer(python, "sample_factory_step.py", scratch),
            "lerobot": Peer(python, "lerobot_step.py"),
        }
        for number in range(args.rounds):
            # Every other round backwards: nobody always runs after the same one.
            order = list(sides) if number % 2 == 0 else list(reversed(sides))
            for busy_us in BUSY_US:
                for name in order:
                    rate = sides[name].measure(busy_us, args.seconds)
                    rates.setdefault((name, busy_us), []).append(rate)
                    loads.append(os.getloadavg()[0])
                    print(f"# round {number} {name} {busy_us} us: {rate:.0f}", file=sys.stderr)

    for (name, busy_us), values in sorted(rates.items(), key=lambda item: item[0][1]):
        for what, value in [
            ("median", statistics.median(values)), ("lowest", min(values)), ("highest", max(values)),
        ]:  # fmt: skip
            print(f"step_{name}_{busy_us}us_{what} {value:.0f} steps/s")
    print(f"load_median {statistics.median(loads):.1f} runnable")
    print(f"load_highest {max(loads):.1f} runnable")
    print(f"rounds {args.rounds} count")


if __name__ == "__main__":
    main()
