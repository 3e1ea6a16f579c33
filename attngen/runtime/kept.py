"""What was found out about a spec, kept: for all layers of a model that build it, and on disk for later processes."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from attngen.analysis.doubts import doubts
from attngen.cache import SPECS
from attngen.emit.backends import BACKENDS, Files, decide
from attngen.errors import Diagnostic, Source
from attngen.ir.load import load_source, read_source
from attngen.ir.nodes import Variant
from attngen.runtime.module import ALONE
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.plan import Plan

MOST = 64
"""Specs that a process remembers."""


@dataclass(eq=False)
class Findings:
    """What is known of one spec: found when it is first asked for."""

    variant: Variant
    doubts: tuple[Diagnostic, ...]
    entry: str = ""
    _plan: Plan | ChunkPlan | None = None
    _files: dict[str, Files] = field(default_factory=dict)

    @property
    def plan(self) -> Any:
        """Every decision of its kernel.

        Raises:
            SpecError: it can't be compiled yet.
        """
        if self._plan is None:  # asked first without the lock, which torch.compile can't look into
            with ALONE:
                if self._plan is None:
                    self._plan = decide(self.variant)
        return self._plan

    def files(self, backend: str) -> Files:
        """The generated files of a backend, by name."""
        if backend not in self._files:
            with ALONE:  # Python can't parse in several threads: "AST constructor recursion depth mismatch"
                if backend not in self._files:
                    self._files[backend] = BACKENDS[backend](self.plan)
                    self._keep()
        return self._files[backend]

    def _keep(self) -> None:
        if self.entry:
            with suppress(RecursionError):
                SPECS.write(self.entry, pickle.dumps((self.variant, self.doubts, self._plan, self._files)))


def findings(spec: str | Path | Variant, name: str | None = None) -> Findings:
    """What is known of a spec; as `load`, it takes a path, a text or a variant.

    Raises:
        SpecError: the spec is wrong.
        FileNotFoundError: there is no such file.
        LookupError: the spec holds several attentions and no name is given, or none of that name.
    """
    return _of_variant(_This(spec)) if isinstance(spec, Variant) else _of_source(read_source(spec), name)


@lru_cache(maxsize=MOST)
def _of_source(source: Source, name: str | None) -> Findings:
    entry = f"{_digest(source, name)}.pickle"
    known = _recalled(entry)
    if known is not None:
        return known
    variant = load_source(source, name)
    return Findings(variant, doubts(variant), entry)


def _recalled(entry: str) -> Findings | None:
    """What an earlier process has found. What can't be read is found anew."""
    kept = SPECS.read(entry)
    with suppress(Exception):
        if kept is not None:
            variant, found, known, files = pickle.loads(kept)
            return Findings(variant, found, entry, known, files)
    return None


def _digest(source: Source, name: str | None) -> str:
    parts = [source.name, source.text, str(name), sys.version, *_own_files()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@cache
def _own_files() -> tuple[str, ...]:
    """The files of attngen and when they were written: what they make holds until they change."""
    return tuple(sorted(_facts(str(Path(__file__).parent.parent))))


def _facts(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _facts(entry.path)
            else:
                facts = entry.stat()
                yield f"{entry.path} {facts.st_mtime_ns} {facts.st_size}"


class _This:
    """A variant by its identity: equal ones may come from different texts, whose places messages name."""

    __slots__ = ("variant",)

    def __init__(self, variant: Variant) -> None:
        self.variant = variant

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.variant is other.variant

    def __hash__(self) -> int:
        return id(self.variant)


@lru_cache(maxsize=MOST)
def _of_variant(this: _This) -> Findings:
    return Findings(this.variant, doubts(this.variant))
