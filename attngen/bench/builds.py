"""How long a build takes, and the first call: with an empty cache, with a full one, and once more in one process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SPECS = ("causal", "sliding_window", "s2attn", "bigbird", "alibi", "mamba2", "gated_deltanet")
BACKENDS = ("cpp", "triton")


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of seconds of a spec and a backend, by step (`building.steps`), in fresh processes."""

    variant: str
    backend: str
    cold: Mapping[str, float]
    warm: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured(spec: Path, backend: str, rounds: int) -> Row:
    """Rounds of a process with an empty cache and one with what that has left.

    Raises:
        RuntimeError: a process fails.
    """
    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_process(spec, backend, Path(folder)))
            warm.append(_process(spec, backend, Path(folder)))
    return Row(spec.stem, backend, _medians(cold), _medians(warm))


def _process(spec: Path, backend: str, folder: Path) -> dict[str, float]:
    """The steps of a fresh process whose caches are in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"ATTNGEN_CACHE": str(folder / "attngen"), "TRITON_CACHE_DIR": str(folder / "triton")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "attngen.bench.building", str(spec), backend]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{spec} can't be measured: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in found) for name in found[0]}
