"""disk.py: a disk that writes down what reaches it, and what a power cut could leave of that.

    with Disk(work, image_bytes) as disk:                 nbdkit with journal_plugin.c, shown by nbdfuse
        with Mount(disk.shown, folder, "ordered"): ...    ext4 on a loop device
    for cut in cuts(disk.records(), subsets, rng): build(solid, cut)

Certain is what was written before a flush that was answered. Of the writes after the last such
flush any may be lost, each for itself, and one may be torn between two sectors.
"""
import pathlib
import shutil
import struct
import subprocess
import time

FLUSH = 2**64 - 1
SECTOR_BYTES = 512
HERE = pathlib.Path(__file__).resolve().parent


def run(*args, **options):
    return subprocess.run([str(a) for a in args], check=True, **options)


class Mount:
    """An image as a folder. data: ordered or writeback, as in ext4(5)."""

    def __init__(self, image, folder, data):
        self.image, self.folder, self.data = image, pathlib.Path(folder), data

    def __enter__(self):
        run("mount", "-t", "ext4", "-o", f"loop,noatime,data={self.data}", self.image, self.folder)
        return self.folder

    def __exit__(self, *_):
        # The kernel lets go of a dead process's io_uring, and of what was under way there, a
        # little after the process has ended.
        for _ in range(200):
            if subprocess.run(["umount", self.folder], capture_output=True,
                              check=False).returncode == 0:
                return
            time.sleep(0.05)
        run("umount", "--lazy", self.folder)
        raise OSError(f"{self.folder} is still in use")


class Disk:
    """Formatted, with its first content in `base`; everything after that is written down."""

    def __init__(self, work, image_bytes):
        self.work, self.image_bytes = work, image_bytes
        self.shown, self.base, self.journal = work / "shown", work / "base", work / "journal"

    def __enter__(self):
        disk, plugin = self.work / "disk", self.work / "journal_plugin.so"
        with open(disk, "wb") as file:
            file.truncate(self.image_bytes)
        run("mkfs.ext4", "-q", "-F", "-b", "1024", "-E", "lazy_itable_init=0,lazy_journal_init=0",
            disk)
        shutil.copyfile(disk, self.base)
        run("cc", "-O2", "-shared", "-fPIC", "-o", plugin, HERE / "journal_plugin.c")
        self.shown.touch()
        # Not "nbdkit -s": nbdfuse hands it a socket.
        self.fuse = subprocess.Popen(["nbdfuse", str(self.shown), "[", "nbdkit",
                                      "--exit-with-parent", str(plugin), f"image={disk}",
                                      f"journal={self.journal}", "]"])
        for _ in range(100):
            if self.shown.stat().st_size == self.image_bytes:
                return self
            time.sleep(0.1)
        self.__exit__()
        raise SystemExit("nbdfuse shows no disk")

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-u", str(self.shown)], check=False)
        self.fuse.wait(30)

    def records(self):
        """(wall clock in ns, offset, bytes); a flush has None for bytes."""
        data, at, records = self.journal.read_bytes(), 0, []
        while at < len(data):
            when, offset, length = struct.unpack_from("<QQQ", data, at)
            at += 24
            records.append((when, offset, None if offset == FLUSH else data[at:at + length]))
            at += length
        return records


class Cut:
    """start: records before it are certain. kept: those after it that reached the disk as well.
    until_ns: the power may have failed as late as that."""

    def __init__(self, start, until_ns, kind, kept):
        self.start, self.until_ns, self.kind, self.kept = start, until_ns, kind, kept

    def __str__(self):
        return f"record {self.start}, {self.kind}"


def tear(write, rng):
    """A part of its sectors."""
    when, offset, content = write
    return [(when, offset + i, content[i:i + SECTOR_BYTES])
            for i in range(0, len(content), SECTOR_BYTES) if rng.random() < 0.5]


def variants(writes, subsets, rng):
    yield "none", []
    if not writes:
        return
    yield "all", writes
    yield "prefix", writes[:rng.randrange(len(writes))]
    for _ in range(subsets):
        yield "subset", [w for w in writes if rng.random() < 0.5]
    torn = rng.randrange(len(writes))
    yield "torn", [part for i, w in enumerate(writes) if i == torn or rng.random() < 0.5
                   for part in (tear(w, rng) if i == torn else [w])]


def cuts(records, subsets, rng):
    """At each flush, with what may have been kept of the writes up to the next one."""
    bounds = [i for i, r in enumerate(records) if r[2] is None]
    for start, end in zip([0] + [b + 1 for b in bounds], bounds + [len(records)]):
        until_ns = records[end][0] if end < len(records) else FLUSH
        for kind, kept in variants(records[start:end], subsets, rng):
            yield Cut(start, until_ns, kind, kept)


def apply(content, records):
    for _, offset, written in records:
        if written is not None:
            content[offset:offset + len(written)] = written
