"""Known defects of what kernels run on, as data: which versions have them, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

INTERPRETER = "interpreter"
"""Where Triton kernels run in Triton's interpreter. GPUs are named as `cuda:9`, by their major compute capability."""
TRITON = "https://github.com/triton-lang/triton"
FLA = "https://github.com/fla-org/flash-linear-attention"


@dataclass(frozen=True, slots=True)
class Range:
    """Versions of a package from `since` on, and before `mended`, if any is."""

    package: str
    since: str = "0"
    mended: str = ""

    def holds(self, installed: Mapping[str, str]) -> bool:
        """Whether what is installed is one of them."""
        found = _numbers(installed.get(self.package, ""))
        return bool(found) and _numbers(self.since) <= found and (not self.mended or found < _numbers(self.mended))


@dataclass(frozen=True, slots=True)
class Defect:
    """What goes wrong where all of `versions` are installed and one of `places` is there.

    Attributes:
        breaks: whether something does not work at all.
    """

    versions: tuple[Range, ...]
    places: frozenset[str]
    what: str
    way_out: str
    source: str
    breaks: bool = False


DEFECTS = (
    Defect(
        (Range("triton", mended="3.7"), Range("numpy", since="2.4")),
        frozenset({INTERPRETER}),
        "Triton's interpreter fails at loops whose ends are known at the call alone",
        "install triton 3.7 or later, or numpy before 2.4",
        f"{TRITON}/issues/9171",
        breaks=True,
    ),
    Defect(
        (Range("triton"),),
        frozenset({INTERPRETER}),
        "Triton's interpreter cuts bfloat16 off where GPUs round it",
        "compare in float32 there",
        f"{TRITON}/blob/main/python/triton/runtime/interpreter.py",
    ),
    Defect(
        (Range("triton", since="3.4"),),
        frozenset({"cuda:9"}),
        "Triton compiles some products wrongly for some numbers of warps on Hopper, in backward passes of others",
        "what kernels start with is compared below, and `attngen tune` compares what it chooses",
        f"{FLA}/issues/640, {FLA}/issues/984",
    ),
    Defect(
        (Range("triton", since="3.6"),),
        frozenset({"cuda:10"}),
        "products in a loop that carries a state differed from run to run with 4 or 8 warps on Blackwell",
        "what kernels start with is compared below, and `attngen tune` compares what it chooses",
        f"{TRITON}/issues/9871, {TRITON}/issues/10590",
    ),
)


def known(installed: Mapping[str, str], places: Collection[str]) -> list[Defect]:
    """Those of these versions, by package, at these places."""
    return [
        defect
        for defect in DEFECTS
        if not defect.places.isdisjoint(places) and all(each.holds(installed) for each in defect.versions)
    ]


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
