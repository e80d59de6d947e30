#!/usr/bin/env python3
"""Cuts the power of a disk on which checkpoints are being saved, at every flush.

    sudo tests/powercut/powercut.py --saver build/dev/tests/powercut_saver [--subsets 4] [--points N]

A plugin of nbdkit writes down every write and flush; nbdfuse shows it as a file, a loop device
makes a disk of it, ext4 goes on it, and checkpoints are saved there. Then, for each flush
boundary, images are built: all that was flushed, and of what came after until the next flush
nothing, all, a prefix, or a random part. Each is mounted (ext4 replays its journal) and judged:
the newest valid checkpoint is at least the last one that was reported as done before the cut,
its content is whole, every numbered folder is valid, and saving goes on.

Needs root, nbdkit, nbdfuse, nbdkit-plugin-dev, e2fsprogs. Exits with 77 when one is missing.
"""
import argparse
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

IMAGE_BYTES = 16 << 20
FLUSH = 2**64 - 1
HERE = pathlib.Path(__file__).resolve().parent
SAVE_COUNT = 8
SKIPPED = 77


def run(*args, **options):
    return subprocess.run([str(a) for a in args], check=True, **options)


def missing():
    if os.geteuid() != 0:
        return "root"
    for tool in ("nbdkit", "nbdfuse", "mkfs.ext4", "losetup", "fusermount3"):
        if not shutil.which(tool):
            return tool
    if not pathlib.Path("/usr/include/nbdkit-plugin.h").exists():
        return "nbdkit-plugin-dev"
    if not pathlib.Path("/dev/fuse").exists():
        return "/dev/fuse"
    return None


class Mount:
    """An image as a folder."""

    def __init__(self, image, folder):
        self.image, self.folder = image, folder

    def __enter__(self):
        self.loop = run("losetup", "--find", "--show", self.image, capture_output=True,
                        text=True).stdout.strip()
        try:
            run("mount", "-t", "ext4", self.loop, self.folder)
        except Exception:
            run("losetup", "--detach", self.loop)
            raise
        return self.folder

    def __exit__(self, *_):
        run("umount", self.folder)
        run("losetup", "--detach", self.loop)


def record(work, saver):
    """Saves on the disk that writes down; returns its first content, records and acks."""
    disk, base = work / "disk", work / "base"
    with open(disk, "wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", "-F", "-b", "1024", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk)
    folder = work / "mnt"
    folder.mkdir()
    with Mount(disk, folder):
        (folder / "run").mkdir()
    shutil.copyfile(disk, base)

    plugin = work / "journal_plugin.so"
    run("cc", "-O2", "-shared", "-fPIC", "-o", plugin, HERE / "journal_plugin.c")
    shown = work / "shown"
    shown.touch()
    journal, acks = work / "journal", work / "acks"
    # Not "nbdkit -s": nbdfuse hands it a socket.
    fuse = subprocess.Popen(["nbdfuse", str(shown), "[", "nbdkit", "--exit-with-parent", str(plugin),
                             f"image={disk}", f"journal={journal}", "]"])
    try:
        for _ in range(100):
            if shown.stat().st_size == IMAGE_BYTES:
                break
            time.sleep(0.1)
        else:
            raise SystemExit("nbdfuse shows no disk")
        with Mount(shown, folder):
            run(saver, "save", folder / "run", SAVE_COUNT, acks, journal)
    finally:
        subprocess.run(["fusermount3", "-u", str(shown)], check=False)
        fuse.wait(30)
    return base, read_journal(journal), [tuple(map(int, l.split())) for l in open(acks)]


def read_journal(path):
    """(position behind the record, offset, bytes); a flush has None for bytes."""
    data, at, records = path.read_bytes(), 0, []
    while at < len(data):
        offset, length = struct.unpack_from("<QQ", data, at)
        at += 16
        content = None if offset == FLUSH else data[at:at + length]
        at += length
        records.append((at, offset, content))
    return records


def segments(records):
    """(records up to a flush, the writes from there to the next one)."""
    bounds = [i for i, r in enumerate(records) if r[2] is None]
    starts = [0] + [b + 1 for b in bounds]
    ends = bounds + [len(records)]
    for start, end in zip(starts, ends):
        yield start, records[start:end]


def variants(writes, subsets, rng):
    """What of the writes may have reached the disk."""
    yield "none", []
    if not writes:
        return
    yield "all", writes
    yield "prefix", writes[:rng.randrange(len(writes))]
    for i in range(subsets):
        yield f"subset{i}", [w for w in writes if rng.random() < 0.5]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--saver", required=True)
    parser.add_argument("--subsets", type=int, default=4)
    parser.add_argument("--points", type=int, default=0, help="as many images at most; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lacking = missing()
    if lacking:
        print(f"powercut: skipped, there is no {lacking}")
        return SKIPPED
    rng = random.Random(args.seed)
    work = pathlib.Path(tempfile.mkdtemp(prefix="pawl-powercut-"))
    failures = images = 0
    seen = set()
    try:
        saver = pathlib.Path(args.saver).resolve()
        base, records, acks = record(work, saver)
        points = []
        for start, writes in segments(records):
            done_at = records[start - 1][0] if start else 0
            least = max([step for step, at in acks if at <= done_at], default=0)
            for name, kept in variants(writes, args.subsets, rng):
                points.append((start, least, name, kept))
        if args.points and len(points) > args.points:
            points = sorted(rng.sample(points, args.points), key=lambda p: p[0])
        flushes = sum(1 for r in records if r[2] is None)
        print(f"# {flushes} flushes, {len(records) - flushes} writes, {len(points)} images, "
              f"seed {args.seed}", flush=True)

        solid, solid_at = bytearray(base.read_bytes()), 0
        image = work / "image"
        for start, least, name, kept in points:
            for _, offset, content in records[solid_at:start]:
                if content is not None:
                    solid[offset:offset + len(content)] = content
            solid_at = max(solid_at, start)
            now = bytearray(solid)
            for _, offset, content in kept:
                now[offset:offset + len(content)] = content
            image.write_bytes(now)
            images += 1
            with Mount(image, work / "mnt") as folder:
                result = subprocess.run([saver, "check", folder / "run", str(least)],
                                        capture_output=True, text=True, check=False)
            if result.returncode != 0:
                failures += 1
                print(f"flush {start} {name}: at least step {least} wanted: "
                      f"{(result.stderr or result.stdout).strip()}", flush=True)
            elif result.stdout.strip():
                seen.add(int(result.stdout))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"powercut_images {images} images")
    print(f"powercut_failures {failures} images")
    print(f"# resumed from steps {sorted(seen)}")
    return 1 if failures or not images else 0


if __name__ == "__main__":
    sys.exit(main())
