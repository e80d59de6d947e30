"""The dummy environment of actor/env_dummy.h for the peers: the same sizes, the same wait.

An observation is 18 times the same number, an action changes nothing, a step keeps the processor
busy for busy_us, an episode is cut off after 1000 steps.
"""

import time

import numpy

OBS_COUNT = 18
ACTION_COUNT = 4
STEPS_MAX = 1000


class Dummy:
    def __init__(self, busy_us):
        self.busy_ns = int(busy_us * 1000)
        self.steps = 0

    def observe(self):
        return numpy.full(OBS_COUNT, (self.steps & 1023) / 1024.0, dtype=numpy.float32)

    def reset(self):
        self.steps = 0
        return self.observe()

    def step(self, action):
        """Returns observation, reward, whether the episode is cut off."""
        if self.busy_ns:
            end_ns = time.perf_counter_ns() + self.busy_ns
            while time.perf_counter_ns() < end_ns:
                pass
        self.steps += 1
        obs = self.observe()
        return obs, float(obs[0]), self.steps >= STEPS_MAX


class Rate:
    """Steps per second between the end of the warm-up and the end of the measurement, by one clock."""

    def __init__(self, warmup_s, seconds):
        self.warmup_s, self.seconds = warmup_s, seconds
        self.first = self.begin = self.end = None

    def add(self, count):
        """count: steps until now. True: that was enough."""
        now = time.perf_counter()
        if self.first is None:
            self.first = now
        elif self.begin is None:
            if now - self.first >= self.warmup_s:
                self.begin = (now, count)
        elif now - self.begin[0] >= self.seconds:
            self.end = (now, count)
        return self.end is not None

    def per_s(self):
        return (self.end[1] - self.begin[1]) / (self.end[0] - self.begin[0])
