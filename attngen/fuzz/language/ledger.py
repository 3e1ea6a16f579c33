"""What was run, by seed, in a file that is committed: a campaign goes on where the last one stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Stage:
    """How far one stage is.

    Attributes:
        seed: the next one; those before have been run.
        specs: different ones that went through, the refused ones included.
        refused: those that got a diagnostic.
        mutants: damaged texts that were checked; `accepted` of them mean something else than before, and the others
            got a diagnostic.
        misfits: specs that are wrong at one place by construction, and were refused there.
        calls: calls that were judged.
        seconds: of the processor, about.
    """

    seed: int = 0
    specs: int = 0
    refused: int = 0
    mutants: int = 0
    accepted: int = 0
    misfits: int = 0
    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Ledger:
    """All stages, how often each diagnostic was seen, and which decisions were seen together."""

    stages: dict[str, Stage] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    features: dict[str, int] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        return self.stages.setdefault(name, Stage())

    def count(self, kind: dict[str, int], name: str) -> None:
        """One more of a kind."""
        kind[name] = kind.get(name, 0) + 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read(path: Path) -> Ledger:
    """What a file says; an empty ledger if there is none.

    Raises:
        ValueError: the file holds something else.
    """
    if not path.exists():
        return Ledger()
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        stages = {name: Stage(**stage) for name, stage in given["stages"].items()}
        return Ledger(stages, dict(given["codes"]), dict(given["features"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no ledger: {error}") from None


def write(path: Path, ledger: Ledger) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(ledger.as_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
