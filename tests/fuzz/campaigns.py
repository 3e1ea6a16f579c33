"""Campaigns that go wrong in ways that kernels seldom do: processes import them by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial

import torch

from attngen.fuzz.apart import Verdict
from attngen.fuzz.call import Call
from attngen.fuzz.campaign import Campaign, Failure, Report
from attngen.fuzz.ways import Way


def tried() -> Failure:
    rows = torch.ones(1, 1, 2, 4)
    return Failure("", Call(rows, rows, rows), Way("at once"), True)


class Crashing(Campaign):
    def run(self, *_: object) -> Report:
        self.trying(tried())
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError


class Overrunning(Campaign):
    """As if kernels wrote behind the third key."""

    def judge(self, judge: Callable[[], Verdict]) -> Verdict:
        return super().judge(partial(_overrun, judge))


def _overrun(judge: Callable[[], Verdict]) -> Verdict:
    assert isinstance(judge, partial)
    if judge.args[1].k.shape[2] > 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return judge()


class Hanging(Campaign):
    def run(self, *_: object) -> Report:
        self.trying(tried())
        time.sleep(600)
        raise AssertionError


class Failing(Campaign):
    def run(self, *_: object) -> Report:
        raise ZeroDivisionError("a mistake of the fuzzer's own")
