#!/usr/bin/env python3
"""Makes the golden values of tests/unit/test_rng.c with NumPy. Run beside this file:

    python3 -m venv VENV && VENV/bin/pip install numpy && VENV/bin/python make_rng.py

draws.bin     for seed 0..999, little-endian 64-bit words: 6 of .random(), 6 of .integers() over
              RANGES, 6 of .standard_normal(), each six from a new default_rng(seed)
mixed.txt     all kinds of draws from one generator in turn, so that a buffered half stays over
seeds.txt     SeedSequence(entropy, spawn_key).generate_state(8)
ziggurat.txt  the edges of all 256 layers, found through draws alone, see edges()
tails.txt     draws from beyond the last layer: state, increment, the normal, the next 64 bits
"""
from decimal import Decimal, getcontext
from fractions import Fraction
import platform
import struct

import numpy as np

getcontext().prec = 50

MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
MASK = (1 << 128) - 1
INVERSE = pow(MULTIPLIER, -1, 1 << 128)

# The same as in test_rng.c; first and last. No draw; 32 bits; 32 bits, a quarter rejected; all of
# 32 bits; 64 bits, a quarter rejected; all of 64 bits.
RANGES = [(7, 7), (0, 9), (-5, (3 << 30) - 6), (-(1 << 31), (1 << 31) - 1),
          (-(1 << 63), (1 << 62) - 1), (-(1 << 63), (1 << 63) - 1)]

SEEDS = [([0], []), ([7], []), ([7], [0]), ([7], [1]), ([7], [0, 3]), ([1 << 32], []),
         ([(1 << 64) - 1], []), ([1, 2, 3], []), ([1, 2, 3, 4], []), ([1, 2, 3, 4, 5], []),
         ([1, 2, 3, 4, 5], [6]), ([(1 << 64) - 1] * 4, [(1 << 64) - 1, 0]), ([0], [0]),
         ([0, 0], []), ([12345], [1 << 40, 2]), (list(range(40)), list(range(9)))]


def words_of(value):
    return struct.pack("<d", value) if isinstance(value, float) else struct.pack("<q", value)


def hex_of(value):
    return struct.pack(">d", value).hex()


def draws():
    with open("draws.bin", "wb") as out:
        for seed in range(1000):
            rng = np.random.default_rng(seed)
            for _ in range(6):
                out.write(words_of(float(rng.random())))
            rng = np.random.default_rng(seed)
            for first, last in RANGES:
                out.write(words_of(int(rng.integers(first, last, endpoint=True))))
            rng = np.random.default_rng(seed)
            for _ in range(6):
                out.write(words_of(float(rng.standard_normal())))


def mixed():
    with open("mixed.txt", "w") as out:
        for seed in range(20):
            rng = np.random.default_rng([seed, 1 << 40])
            for i in range(30):
                kind = (i * 7 + seed) % 5
                if kind == 0:
                    value = hex_of(float(rng.random()))
                elif kind == 1:
                    value = hex_of(float(rng.standard_normal()))
                elif kind == 2:
                    value = hex_of(float(rng.uniform(-0.3, 1.7)))
                elif kind == 3:
                    value = "%016x" % int(rng.integers(1000))
                else:
                    value = "%016x" % int(rng.integers(0, 100, dtype=np.int32))
                out.write(f"{seed} {kind} {value}\n")


def seeds():
    with open("seeds.txt", "w") as out:
        for entropy, key in SEEDS:
            state = np.random.SeedSequence(entropy, spawn_key=tuple(key)).generate_state(8)
            rng = np.random.Generator(
                np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=tuple(key))))
            fields = [len(entropy), *entropy, len(key), *key]
            out.write(" ".join(map(str, fields)) + " " + " ".join("%08x" % w for w in state) +
                      " " + hex_of(float(rng.random())) + "\n")


class Crafted:
    """A generator whose next two draws of 64 bits are given. The output of PCG64 is high ^ low of
    the state when the top 6 bits are zero, so states with that output can be written down, and
    the increment that leads from one to the other follows."""

    def __init__(self):
        self.bits = np.random.PCG64(0)
        self.rng = np.random.Generator(self.bits)

    def normal(self, draw1, draw2):
        """The normal, and how many draws it took: 1, 2, or 3 for more."""
        state1 = draw1
        for high in (0, 1):
            state2 = high << 64 | (draw2 ^ high)
            increment = (state2 - state1 * MULTIPLIER) & MASK
            if increment & 1:
                break
        state = (state1 - increment) * INVERSE & MASK
        self.bits.state = {"bit_generator": "PCG64", "has_uint32": 0, "uinteger": 0,
                           "state": {"state": state, "inc": increment}}
        value = float(self.rng.standard_normal())
        after = self.bits.state["state"]["state"]
        return value, 1 if after == state1 else 2 if after == state2 else 3


def first_where(low, high, is_true):
    """The first integer in low..high where is_true, which is false before and true after."""
    while low < high:
        middle = (low + high) // 2
        if is_true(middle):
            high = middle
        else:
            low = middle + 1
    return low


def has_safe_exp(x):
    """exp(-x^2/2) is so near to a double that every C library rounds it to that one."""
    exact = Fraction(Decimal(-0.5 * x * x).exp())
    near = float(exact)
    return abs(exact - Fraction(near)) < Fraction(np.spacing(near)) / 20


def edges():
    """One line per layer: layer, k, u, u2, x. A draw of k - 1 is accepted at once, one of k is
    not: k is NumPy's table. A draw of u is accepted as x if the next draw is below u2, which
    shows the bits of w, and of the f of this layer and the one above: a unit in the last place
    of either moves u2 by hundreds."""
    crafted = Crafted()
    with open("ziggurat.txt", "w") as out:
        for layer in range(256):
            def draw(u, u2=0):
                return crafted.normal(layer | u << 9, u2 << 11)

            k = first_where(0, 1 << 52, lambda u: draw(u)[1] > 1)
            if layer == 0:
                u, u2 = k - 1, 0
            else:
                w = draw(1 << 51)[0] / (1 << 51)
                u = (k + (1 << 52)) // 2
                while not has_safe_exp(u * w):
                    u += 1
                u2 = first_where(0, 1 << 53, lambda u2: draw(u, u2)[1] > 2)
                assert 0 < u2 < 1 << 53
            out.write("%d %x %x %x %s\n" % (layer, k, u, u2, hex_of(draw(u)[0])))


def tails():
    source = np.random.default_rng(20)
    bits = np.random.PCG64(0)
    rng = np.random.Generator(bits)
    with open("tails.txt", "w") as out:
        for _ in range(200):
            state1 = int(source.integers(0xEF33D8025EF6B << 9, 1 << 61)) & ~0xFF
            increment = int.from_bytes(source.bytes(16), "little") | 1
            state = (state1 - increment) * INVERSE & MASK
            bits.state = {"bit_generator": "PCG64", "has_uint32": 0, "uinteger": 0,
                          "state": {"state": state, "inc": increment}}
            value = float(rng.standard_normal())
            assert abs(value) > 3.654
            out.write("%032x %032x %s %016x\n" % (state, increment, hex_of(value),
                                                  int(bits.random_raw())))


draws()
mixed()
seeds()
edges()
tails()
print("made with NumPy", np.__version__, "on", platform.platform())
