"""judge.py: what a run has left on a disk, read without any code of Pawl's."""
import hashlib
import json
import pathlib
import re
import struct


def make_table():
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        yield i


TABLE = list(make_table())


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def digest(folder):
    """Of all that is in a folder, names included."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def numbered(run):
    """The checkpoints' folders, oldest first."""
    folder = run / "checkpoints"
    return sorted(p for p in folder.iterdir() if re.fullmatch(r"\d+", p.name)) \
        if folder.exists() else []


def resume_state(checkpoint):
    return json.loads((checkpoint / "training_state/pawl.json").read_text())


def find_run(folder):
    """The only run there, or None."""
    runs = list(pathlib.Path(folder).glob("runs/*/*/config.toml"))
    return runs[0].parent if runs else None


def read_file(path):
    """(first number, slots) of the chunks that are whole, and whether there is more."""
    data = path.read_bytes()
    if len(data) < 64 or data[:8] != b"PAWLJRNL":
        return [], bool(data)
    slot_bytes, _, spec_bytes = struct.unpack_from("<QII", data, 24)
    at, chunks = 64 + (spec_bytes + 7 & ~7), []
    if len(data) < at or crc32c(data[64:at], crc32c(data[:60])) != \
            struct.unpack_from("<I", data, 60)[0]:
        return [], True
    while at + 40 <= len(data):
        magic, count, first, byte_count, offset, data_crc, crc = \
            struct.unpack_from("<IIQQQII", data, at)
        frames = data[at + 40:at + 40 + byte_count]
        if magic != 0x4b484350 or crc32c(data[at:at + 36]) != crc or offset != at or \
                len(frames) != byte_count or crc32c(frames) != data_crc:
            return chunks, True
        chunks.append((first, [frames[i:i + slot_bytes] for i in range(0, byte_count, slot_bytes)]))
        at += 40 + byte_count
    return chunks, at != len(data)


def read_journal(run):
    """Number -> frame, of all that count, and how many files have a torn end."""
    frames, torn = {}, 0
    for path in sorted((run / "replay").glob("*.journal")) if (run / "replay").exists() else []:
        chunks, is_torn = read_file(path)
        torn += is_torn
        for first, slots in chunks:
            for number in [n for n in frames if n >= first]:
                del frames[number]  # taken back
            for i, slot in enumerate(slots):
                if struct.unpack_from("<Q", slot)[0] != first + i:
                    raise ValueError(f"{path.name}: frame {first + i} has another number")
                if struct.unpack_from("<I", slot, 36)[0]:  # its flags: there is something
                    frames[first + i] = slot
    return frames, torn


def lines(path):
    """The lines of a file, each of them whole and JSON."""
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        raise ValueError(f"{path.name}: its last line has no end")
    for line in text.splitlines():
        json.loads(line)
    return text.splitlines()
