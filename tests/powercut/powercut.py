#!/usr/bin/env python3
"""Cuts the power of a disk on which a run learns, and resumes the run from what is left.

    sudo tests/powercut/powercut.py --pawl build/dev/bin/pawl [--images 400] [--data writeback] [--seed N]

A run (SAC on Pendulum, small) begins, comes to its goal, is resumed, has its learner killed, and
comes to its next goal, with a checkpoint every second and the replay's journal, all on an
ext4 whose disk writes down every write and flush (disk.py). Then, for cuts of the power at
flushes throughout, the disk is made as it could have been, mounted (ext4 replays its own
journal), and `pawl train --resume` is run there. Wanted of each:

- Every checkpoint with a number is whole, and is one that the run has written. The one it
  resumes from is at least the last one that the learner had reported as saved.
- The replay's journal has every frame that was reported as durable, each as it was and in its
  place, and the run goes on with what is there of the checkpoint's window.
- It learns on, to a next checkpoint and exit code 0; no count goes back; the replay's journal,
  episodes.jsonl and metrics.jsonl are in order then.
- Before the first checkpoint it refuses and begins nothing.

When something was reported is in the run's log, to the millisecond; the disk has the time of
each write. Needs root, nbdkit, nbdfuse, nbdkit-plugin-dev, e2fsprogs, util-linux; exits with 77
when one is missing.
"""
import argparse
import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import disk as disks
import judge

IMAGE_BYTES = 16 << 20
CAPACITY = 300
GOALS = (457, 907)  # a checkpoint each 50 steps, and one in the place of the last at the end
KILL_AFTER = (12, 15)  # checkpoints
MORE_STEPS = 80  # of each resumed run
CLOCK_NS = 2_000_000  # the log has milliseconds
HANG_S = 120  # where others want the processors too
SKIPPED = 77
INSIDE = "PAWL_POWERCUT_INSIDE"
CONFIG = f"""
[run]
name = "cut"
stop_s = {HANG_S / 2}
[env]
type = "pendulum"
target_hz = 50.0
[policy]
type = "sac"
[policy.sac]
network = "plain"
hidden = [8, 8]
[replay]
capacity = {CAPACITY}
journal_sync_period_s = 0.3
[learner]
update_ratio = 0.1
learning_starts = 50
batch_size = 8
metrics_period_s = 0.2
[checkpoint]
period_s = 0.0
every_updates = 5
keep_last = 2
keep_best = 1
[log]
level = "debug"
"""


def missing():
    if os.geteuid() != 0:
        return "root"
    for tool in ("nbdkit", "nbdfuse", "mkfs.ext4", "unshare", "fusermount3"):
        if not shutil.which(tool):
            return tool
    if not pathlib.Path("/usr/include/nbdkit-plugin.h").exists():
        return "nbdkit-plugin-dev"
    if not pathlib.Path("/dev/fuse").exists():
        return "/dev/fuse"
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        return "right to mount"
    return None


class Truth:
    """What the run wrote, and when it said so."""

    def __init__(self):
        self.versions = []  # (step, wall ns when it was seen, digest), in order
        self.saved = []     # (wall ns, step, digest): reported
        self.durable = []   # (wall ns, frames): reported
        self.frames = {}
        self.episodes = []

    def watch(self, folder, is_over):
        """Notes each checkpoint once it has its number."""
        seen = set()
        while not is_over.is_set():
            time.sleep(0.002)
            try:
                run = judge.find_run(folder)
                for path in judge.numbered(run) if run else []:
                    key = (path.name, path.stat().st_ino)
                    if key not in seen:
                        self.versions.append((int(path.name), time.time_ns(), judge.digest(path)))
                        seen.add(key)
            except FileNotFoundError:
                pass  # an old one was being removed

    def read_log(self, run, skip_bytes, skip_lines):
        """Of one life of the run; its times count from the life's start."""
        metrics = [json.loads(l) for l in judge.lines(run / "metrics.jsonl")]
        start_ns = max(round(m["wall"] * 1e9) - m["t_ns"] for m in metrics[skip_lines:])
        for line in (run / "log.txt").read_text()[skip_bytes:].splitlines():
            when = start_ns + CLOCK_NS + round(float(line.split()[0]) * 1e9)
            saved = re.search(r" learner checkpoint step=(\d+) bytes", line)
            if saved:
                step = int(saved[1])
                version = [v for v in self.versions if v[0] == step and v[1] <= when + CLOCK_NS]
                if version:
                    self.saved.append((when, step, version[-1][2]))
            durable = re.search(r" replay durable folder=\S+/replay head=(\d+)", line)
            if durable:
                self.durable.append((when, int(durable[1])))
        return (run / "log.txt").stat().st_size, len(metrics)

    def rank(self, step, digest):
        """How new a checkpoint is; None: it never was."""
        versions = [v[2] for v in self.versions if v[0] == step]
        return (step, len(versions) - 1 - versions[::-1].index(digest)) if digest in versions \
            else None


def kill_learner(pid):
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if "pawl-learner" in pathlib.Path(f"/proc/{child}/cmdline").read_text():
            os.kill(int(child), signal.SIGKILL)


def live(pawl, words, truth, kill_after):
    """`pawl train` to its end; its learner is killed when so many checkpoints were seen."""
    process = subprocess.Popen([pawl, "train", *words], stdout=subprocess.DEVNULL)
    kill_after = list(kill_after)
    while process.poll() is None:
        time.sleep(0.002)
        if kill_after and len(truth.versions) >= kill_after[0]:
            kill_after.pop(0)
            kill_learner(process.pid)
    if process.returncode != 0 or kill_after:
        raise SystemExit(f"the run to be cut ended with exit code {process.returncode}, "
                         f"{len(kill_after)} kills left")


def record(work, pawl, data):
    """The run on the disk that writes down."""
    truth, folder, is_over = Truth(), work / "mnt", threading.Event()
    folder.mkdir()
    (work / "run.toml").write_text(CONFIG)
    with disks.Disk(work, IMAGE_BYTES) as disk, disks.Mount(disk.shown, folder, data):
        watcher = threading.Thread(target=truth.watch, args=(folder, is_over))
        watcher.start()
        try:
            live(pawl, [work / "run.toml", f"run.dir={folder}/runs", f"run.steps={GOALS[0]}"],
                 truth, ())
            run = judge.find_run(folder)
            skip = truth.read_log(run, 0, 0)
            live(pawl, [f"--resume={run}", f"run.steps={GOALS[1]}"], truth, KILL_AFTER)
        finally:
            is_over.set()
            watcher.join()
        truth.read_log(run, *skip)
        truth.frames, _ = judge.read_journal(run)
        truth.episodes = judge.lines(run / "episodes.jsonl")
    return disk, truth


class Wrong(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Wrong(text)


def go_on(pawl, run, steps):
    """`pawl train --resume`: exit code, what it printed, what it logged."""
    log = run / "log.txt"
    old_bytes = log.stat().st_size if log.exists() else 0
    try:
        result = subprocess.run(
            [pawl, "train", f"--resume={run}", f"run.steps={steps}", "env.target_hz=0"],
            capture_output=True, text=True, check=False, timeout=HANG_S)
    except subprocess.TimeoutExpired as error:
        raise Wrong("it hangs") from error
    new = log.read_bytes()[old_bytes:] if log.exists() else b""
    return result.returncode, result.stdout + result.stderr, new.decode(errors="replace")


def judge_refusal(pawl, run):
    code, said, log = go_on(pawl, run, GOALS[1])
    demand(code == 1, f"without a checkpoint: exit code {code}: {said}")
    demand(not judge.numbered(run) and not log, "it has begun anew")


def judge_frames(frames, truth, durable):
    """They are there as far as was promised, and as they were. The run's files are too small for
    any of them to be removed."""
    for number in range(durable):
        demand(number in frames, f"frame {number} of {durable} durable ones is not there")
    for number, slot in frames.items():
        demand(truth.frames.get(number) == slot, f"frame {number} is not what was written")


def judge_end(run, before, window, truth):
    """The books of the run that has gone on."""
    after = judge.resume_state(judge.numbered(run)[-1])
    old, new = before["counts"], after["counts"]
    demand(after["updates"] >= before["updates"] + 5, f"only {after['updates']} updates")
    demand(after["version_next"] > before["version_next"], "versions of the parameters go back")
    for name in old.keys() - {"episodes_bytes"}:  # the only thing that a power cut may shorten
        demand(new[name] >= old[name], f"{name} goes back")
    frames, _ = judge.read_journal(run)
    demand(all(frames.get(n) == slot for n, slot in window.items()), "old frames have changed")
    demand({n for n in frames if n >= old["frames"]} == set(range(old["frames"], new["frames"])),
           f"the journal does not hold the frames from {old['frames']} to {new['frames']}")
    lines = judge.lines(run / "episodes.jsonl")
    steps = [json.loads(line)["env_step"] for line in lines]
    demand(steps == sorted(steps) and len(steps) <= new["episodes"], "episodes.jsonl is confused")
    kept = lines[:sum(step <= old["steps"] for step in steps)]
    demand(kept == truth.episodes[:len(kept)], "a line of episodes.jsonl has changed")
    judge.lines(run / "metrics.jsonl")
    demand(json.loads((run / "exit.json").read_text())["outcome"] == "done", "no good end")


def judge_image(folder, pawl, cut, truth):
    """Words for the counts, or Wrong."""
    saved = [truth.rank(*s[1:]) for s in truth.saved if s[0] <= cut.until_ns]
    least = max(saved, default=None)
    durable = max((frames for when, frames in truth.durable if when <= cut.until_ns), default=0)
    run = judge.find_run(folder)
    ranks = {path: truth.rank(int(path.name), judge.digest(path))
             for path in (judge.numbered(run) if run else [])}
    for path, rank in ranks.items():
        demand(rank, f"checkpoint {path.name} is torn")
    newest = max(ranks, key=ranks.get, default=None)
    demand(not least or newest and ranks[newest] >= least,
           f"{newest}, but {least} was reported as saved")
    if not run:
        return ["before the run's folder"]
    if not newest:
        judge_refusal(pawl, run)
        return ["refused: before the first checkpoint"]

    before = judge.resume_state(newest)
    frames, torn = judge.read_journal(run)
    end = before["counts"]["frames"]
    judge_frames(frames, truth, durable)
    window = {n: slot for n, slot in frames.items() if max(0, end - CAPACITY) <= n < end}
    missing_count = min(end, CAPACITY) - len(window)

    code, said, log = go_on(pawl, run, before["counts"]["steps"] + MORE_STEPS)
    demand(code == 0, f"exit code {code}: {said}")
    demand(f"/checkpoints/{newest.name}, update" in said, f"not from {newest.name}: {said}")
    demand(f"store=replay frames={len(window)} missing={missing_count} " in log,
           f"{len(window)} frames are there and {missing_count} are not, but: {log}")
    judge_end(run, before, window, truth)
    return ["resumed", "from the last reported" if ranks[newest] == least else "from a newer one",
            "with a whole replay" if not missing_count else "with frames lost before their sync",
            *(["with a torn journal"] if torn else [])]


def try_image(task, work, pawl, truth, data):
    """A cut, and the words for the counts or what was wrong."""
    cut, content = task
    name = f"{os.getpid()}-{threading.get_ident()}"
    image, folder = work / f"image-{name}", work / f"mnt-{name}"
    image.write_bytes(content)
    folder.mkdir(exist_ok=True)
    try:
        with disks.Mount(image, folder, data):
            return cut, judge_image(folder, pawl, cut, truth), None
    except (Wrong, ValueError, KeyError, OSError, subprocess.CalledProcessError) as error:
        return cut, [], f"{type(error).__name__}: {error}"


def images(base, records, cuts):
    solid, solid_at = bytearray(base), 0
    for cut in cuts:
        disks.apply(solid, records[solid_at:cut.start])
        solid_at = cut.start
        content = bytearray(solid)
        disks.apply(content, cut.kept)
        yield cut, content


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pawl", required=True)
    parser.add_argument("--images", type=int, default=400, help="so many at most; 0: all")
    parser.add_argument("--data", default="ordered", choices=("ordered", "writeback"))
    parser.add_argument("--subsets", type=int, default=4, help="at each flush")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lacking = missing()
    if lacking:
        print(f"powercut: skipped, there is no {lacking}")
        return SKIPPED
    if INSIDE not in os.environ:  # in a mount namespace of its own: nothing stays mounted
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    rng = random.Random(args.seed)
    pawl = pathlib.Path(args.pawl).resolve()
    shm = pathlib.Path("/dev/shm")
    work = pathlib.Path(tempfile.mkdtemp(prefix="pawl-powercut-", dir=shm if shm.is_dir() else None))
    counts, failures = collections.Counter(), 0
    try:
        disk, truth = record(work, pawl, args.data)
        records = disk.records()
        cuts = list(disks.cuts(records, args.subsets, rng))
        flushes = sum(1 for r in records if r[2] is None)
        print(f"# {flushes} flushes, {len(records) - flushes} writes, {len(cuts)} possible images, "
              f"{len(truth.saved)} checkpoints reported, {len(truth.versions)} seen, "
              f"{len(truth.versions) - len({v[0] for v in truth.versions})} in the place of another, "
              f"{len(truth.frames)} frames, seed {args.seed}", flush=True)
        if args.images and len(cuts) > args.images:
            cuts = sorted(rng.sample(cuts, args.images), key=lambda cut: cut.start)
        tasks = images(disk.base.read_bytes(), records, cuts)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            while batch := list(itertools.islice(tasks, 4 * args.jobs)):
                for cut, words, wrong in pool.map(
                        lambda task: try_image(task, work, pawl, truth, args.data), batch):
                    counts.update(["images", f"of kind {cut.kind}", *words])
                    if wrong:
                        failures += 1
                        print(f"{cut}: {wrong}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name, count in sorted(counts.items()):
        print(f"# {count} {name}")
    print(f"powercut_images {counts['images']} images")
    print(f"powercut_failures {failures} images")
    return 1 if failures or not counts["resumed"] else 0


if __name__ == "__main__":
    sys.exit(main())
