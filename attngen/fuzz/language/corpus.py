"""Kept specs: a file for each set of decisions and for each diagnostic, whose first line says what it is kept for.

`python -m attngen.fuzz.language.corpus FOLDER` writes first lines anew, where what is decided has other names now.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from attngen.errors import Source, SpecError
from attngen.fuzz.language.front import planned
from attngen.ir.check import check

FAULT = "fault_"
"""Begins the names of specs that were once compiled wrongly: they say what was wrong, and people keep them."""
SHORTER = 0.75
"""How short a spec is that takes another's place: with 1, each campaign would change most files."""


def held(folder: Path) -> dict[str, int]:
    """What there are specs of, and how long the shortest is."""
    found: dict[str, int] = {}
    for _, why, text in _read(folder):
        found[why] = min(found.get(why, len(text)), len(text))
    return found


def is_wanted(known: dict[str, int], why: str, text: str) -> bool:
    """Whether a spec is the first of its kind, or clearly shorter."""
    return why not in known or len(text.strip()) < SHORTER * known[why]


def keep(folder: Path, text: str, why: str) -> None:
    """A spec, in the place of those that were kept for the same."""
    for path, other, _ in _read(folder):
        if other == why:
            path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{sha256(f'{why}: {text}'.encode()).hexdigest()[:12]}.attn", text, why)


def reasons(text: str) -> frozenset[str]:
    """What a spec can be kept for: its decisions, or its diagnostics."""
    try:
        check(Source("corpus.attn", text))
        front = planned(text)
    except SpecError as error:
        return frozenset(each.code for each in error.diagnostics)
    return frozenset(front.codes or [front.decisions])


def renew(folder: Path) -> None:
    """First lines say what specs are of today; of those that are of the same, the shortest stays."""
    kept: set[str] = set()
    for path, why, text in sorted(_read(folder), key=lambda each: len(each[2])):
        found = reasons(text)
        now = next((each for each in sorted(found, key=lambda each: each != why) if each not in kept), None)
        if now is None:
            path.unlink()
            continue
        kept.add(now)
        if now != why:
            _write(path, text, now)


def _read(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Files, what they are kept for, and the specs behind that."""
    for path in sorted(folder.glob("*.attn")):
        if not path.name.startswith(FAULT):
            why, _, text = path.read_text(encoding="utf-8").partition("\n")
            yield path, why.removeprefix("# "), text.strip()


def _write(path: Path, text: str, why: str) -> None:
    path.write_text(f"# {why}\n{text.strip()}\n", encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    before = len(held(folder))
    renew(folder)
    print(f"{before} specs, and now {len(held(folder))}")
