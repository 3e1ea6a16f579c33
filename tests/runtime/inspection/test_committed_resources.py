"""The committed table of resources: a row for every kernel of every spec, of the kernels of today."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from attngen.bench.resources import is_stale, known
from attngen.ir.load import load_all

ROOT = Path(__file__).parent.parent.parent.parent
TABLE = ROOT / "benchmarks" / "resources.json"
VARIANTS = {v.name: v for path in sorted((ROOT / "specs").glob("*.attn")) for v in load_all(path)}
ROWS: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))["kernels"]
TARGETS = tuple(sorted({row["target"] for row in ROWS}))
SAMPLE = (("causal", "cuda:90"), ("bigbird", "hip:gfx942"), ("retention_recurrent", "cuda:80"))
FIRST = ("bfloat16", 64)
PAIRS_OF_THEIR_OWN = ("adaptive_span", "alibi", "lightning", "lm_infinite", "retention", "t5_bias", "xpos")
BY_WARPS = {("cuda:90", "t5_bias", "by_keys"), *(("cuda:100", name, "by_keys") for name in PAIRS_OF_THEIR_OWN)}
"""Where each pair needs more than its product, the tiles that larger products want spill."""
TABLES = {"t5_bias"}
EXACT = {("adaptive_span", "by_queries")}
EXACTLY_DIVIDED = {"adaptive_span"}
"""Whether a ramp has a slope is decided in float64, as the mask is."""
WALKED = ("forward", "by_queries", "by_keys")


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_are_those_of_todays_kernels(name: str) -> None:
    """Else `attngen bench resources -o benchmarks/resources` compiles what has changed."""
    places = known(TABLE)
    for gpu in TARGETS:
        rows = places.get((name, gpu, *FIRST), [])
        assert not is_stale(VARIANTS[name], (name, gpu, *FIRST), rows)


def test_every_gpu_has_rows() -> None:
    assert set(TARGETS) == {"cuda:80", "cuda:90", "cuda:100", "hip:gfx942"}


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_fit_and_spill_nothing(target: str) -> None:
    rows = [row for row in ROWS if row["target"] == target]
    assert len(rows) > 300
    assert all(row["resident"] for row in rows)
    assert {(row["variant"], row["kernel"]): row["spills"] for row in rows if row["spills"]} == {}


def compiled(name: str, target: str) -> list[dict[str, Any]]:
    """The rows of a spec, made anew."""
    command = [sys.executable, "-m", "attngen", "bench", "resources", "--target", target, "--only", name, "--json"]
    kept = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout)["kernels"] if row["variant"] == name]


def committed(name: str, target: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if (row["variant"], row["target"]) == (name, target)]


@pytest.mark.parametrize(("name", "target"), SAMPLE)
def test_rows_are_what_compiling_gives(name: str, target: str) -> None:
    assert compiled(name, target) == committed(name, target)


@pytest.mark.deep
@pytest.mark.skipif(os.environ.get("ATTNGEN_PROFILE") != "deep", reason="compiles for an hour")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", VARIANTS)
def test_all_rows_are_what_compiling_gives(name: str, target: str) -> None:
    assert compiled(name, target) == committed(name, target)


def inner(target: str, *kernels: str) -> list[dict[str, Any]]:
    """The rows of kernels that have a loop, of some kernels or of all."""
    rows = [row for row in ROWS if row["target"] == target and row["inner"] is not None]
    return [row for row in rows if not kernels or row["kernel"] in kernels]


@pytest.mark.parametrize("target", TARGETS)
def test_no_inner_loop_spills(target: str) -> None:
    """Of any kernel of any spec."""
    assert not [row for row in inner(target) if row["inner"]["traits"].get("spilled")]


PRODUCTS = {"cuda:80": "HMMA", "cuda:90": "HGMMA", "cuda:100": "UTCHMMA", "hip:gfx942": "v_mfma"}
"""Of a warp, of a group of four warps, of a program, of a wave."""


@pytest.mark.parametrize("kernel", WALKED)
@pytest.mark.parametrize("target", TARGETS)
def test_walks(target: str, kernel: str) -> None:
    """Full tiles of every spec: products of the largest kind, copies of 16 bytes, no division by what is not known."""
    for row in inner(target, kernel):
        traits, name = row["inner"]["traits"], (row["variant"], kernel)
        by_warps = (target, *name) in BY_WARPS
        assert row["inner"]["matrix"].startswith("HMMA" if by_warps else PRODUCTS[target]), (target, name)
        assert traits["wide_copies"] >= 2, (target, name)
        # Tiles of lists are read one by one, and where queries are walked, three numbers of each row.
        assert traits.get("narrow_copies", 0) <= (14 if kernel == "by_keys" else 11) or name[0] in TABLES, (
            target,
            name,
        )
        assert not traits.get("doubles") or name in EXACT, (target, name)
        divides = traits.get("quotients", 0) and traits.get("other_functions", 0)  # a conversion alone is none
        assert not divides or name[0] in EXACTLY_DIVIDED, (target, name)
