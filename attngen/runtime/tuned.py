"""Sizes that were found by tuning on a device, kept in the user's cache: a small file for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch

from attngen.cache import TUNED

Tiles = tuple[int, ...]
"""As in the tables of generated files: a `Configuration`, or a `Chunking`."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What is best for calls of one size on one device: `seconds` with it, `before` with the sizes it started with.

    `spec` is the hash of the spec; `width` and `tokens` are powers of two, of head widths and lengths up to which it
    holds. All candidates that came near were compared with the interpreter.
    """

    device: str
    spec: str
    variant: str
    kernel: str
    dtype: str
    width: int
    tokens: int
    tiles: Tiles
    seconds: float
    before: float

    @property
    def entry(self) -> str:
        """What its file is called."""
        of_call = (self.kernel, self.dtype, str(self.width), str(self.tokens))
        return "-".join([_short(self.device), self.spec, *of_call]) + ".json"


def _short(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", device).strip("_")


def keep(found: Iterable[Tuned]) -> None:
    """Put them into the cache; what was there for the same calls is replaced."""
    for each in found:
        TUNED.write(each.entry, json.dumps(asdict(each)).encode())


def known(device: str, spec: str = "") -> Iterator[Tuned]:
    """What the cache holds for a device, of one spec or of all; what can't be read counts as not there."""
    first = f"{_short(device)}-{spec}"
    for name in sorted(path.name for path in TUNED.entries() if path.name.startswith(first)):
        with suppress(ValueError, TypeError, KeyError):
            yield read(json.loads(TUNED.read(name) or b""))


def read(given: dict[str, Any]) -> Tuned:
    """From JSON.

    Raises:
        KeyError, TypeError: a part is missing, or unknown.
        ValueError: the sizes are no four to six numbers.
    """
    tiles = tuple(map(int, given["tiles"]))
    if not 4 <= len(tiles) <= 6:
        raise ValueError(f"sizes are four to six numbers, not {len(tiles)}")
    return Tuned(**{**given, "tiles": tiles})


def device_name() -> str | None:
    """Of the GPU that kernels run on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def install(device: str, spec: str, namespace: dict[str, Any]) -> None:
    """Let a generated module, by its names, launch with what was tuned on a device for a spec, by its hash."""
    for each in known(device, spec):
        namespace["TUNED"][each.kernel, getattr(torch, each.dtype), each.width, each.tokens] = each.tiles
