"""Sizes that were found by tuning on a device, kept in the user's cache: a small file for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from attngen.folders import cache_folder
from attngen.runtime.module import write

Tiles = tuple[int, int, int, int]
"""As in the tables of generated files: queries and keys, or tokens and channels; warps, stages."""


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
    def path(self) -> Path:
        """Where it is kept."""
        name = f"{self.spec}-{self.kernel}-{self.dtype}-{self.width}-{self.tokens}.json"
        return folder_of(self.device) / name


def folder_of(device: str) -> Path:
    """Where what was tuned on a device lies."""
    return cache_folder() / "tuned" / re.sub(r"[^A-Za-z0-9]+", "_", device).strip("_")


def keep(found: Iterable[Tuned]) -> None:
    """Put them into the cache; what was there for the same calls is replaced."""
    for each in found:
        each.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(each.path, json.dumps(asdict(each), indent=1).encode())


def known(device: str, spec: str = "") -> Iterator[Tuned]:
    """What the cache holds for a device, of one spec or of all; files that can't be read count as none."""
    for path in sorted(folder_of(device).glob(f"{spec}*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            yield read(json.loads(path.read_text(encoding="utf-8")))


def read(given: dict[str, Any]) -> Tuned:
    """From JSON.

    Raises:
        KeyError, TypeError: a part is missing, or unknown.
        ValueError: the sizes are no four numbers.
    """
    first, second, warps, stages = map(int, given["tiles"])
    return Tuned(**{**given, "tiles": (first, second, warps, stages)})


def device_name() -> str | None:
    """Of the GPU that kernels run on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def install(spec: str, namespace: dict[str, Any]) -> None:
    """Let a generated module, by its names, launch with what was tuned on this device for a spec, by its hash."""
    device = device_name()
    if device is None or "TUNED" not in namespace:
        return
    for each in known(device, spec):
        namespace["TUNED"][each.kernel, getattr(torch, each.dtype), each.width, each.tokens] = each.tiles
