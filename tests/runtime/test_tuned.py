"""Tuned sizes in the cache: for a device and a spec, for kernels that are built later."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

import attngen
from attngen.cache import TUNED
from attngen.runtime import tuned
from attngen.runtime.tuned import Tuned, keep, known, read

SPEC = "attention kept_here { score dot(q, k)  mask j <= i }"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path))


def one(spec: str = "0123456789ab", tiles: tuple[int, int, int, int] = (16, 32, 4, 1)) -> Tuned:
    return Tuned("NVIDIA H100 80GB", spec, "kept_here", "forward", "float32", 16, 64, tiles, 1e-3, 2e-3)


def test_what_is_kept_is_known() -> None:
    keep([one(), replace(one(), tokens=128), one("ba9876543210")])
    assert {*known("NVIDIA H100 80GB", "0123456789ab")} == {one(), replace(one(), tokens=128)}
    assert len([*known("NVIDIA H100 80GB")]) == 3
    assert not [*known("NVIDIA A100")]
    keep([one(tiles=(32, 32, 4, 2))])  # in place of the first
    assert {each.tiles for each in known("NVIDIA H100 80GB", "0123456789ab")} == {(32, 32, 4, 2), (16, 32, 4, 1)}


@pytest.mark.parametrize("text", ["", "{", "{}", '{"tiles": [1, 2, 3]}', "[]"])
def test_what_is_damaged_counts_as_none(text: str) -> None:
    keep([one(), replace(one(), tokens=128)])
    (TUNED.path / one().entry).write_text(text)
    assert [*known("NVIDIA H100 80GB")] == [replace(one(), tokens=128)]
    TUNED.write(one().entry, text.encode())
    assert [*known("NVIDIA H100 80GB")] == [replace(one(), tokens=128)]


def test_json_and_back() -> None:
    assert read(json.loads(json.dumps(asdict(one())))) == one()


def test_kernels_that_are_built_later_launch_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = attngen.build(SPEC, backend="triton")
    monkeypatch.setattr(tuned, "device_name", lambda: "NVIDIA H100 80GB")
    keep([one(first.spec)])
    kernel = attngen.build(SPEC, backend="triton")
    names = kernel._function("triton").__globals__
    q = torch.randn(1, 1, 50, 12)
    chosen = {name: names["_chosen"](name, q, 16, 50) for name in ("forward", "by_keys")}
    assert tuple(chosen["forward"].values()) == (16, 32, 4, 1)
    assert tuple(chosen["by_keys"].values()) != (16, 32, 4, 1)
    assert tuple(names["_chosen"]("forward", q, 16, 65).values()) != (16, 32, 4, 1)  # longer
    assert tuple(names["_chosen"]("forward", q.bfloat16(), 16, 50).values()) != (16, 32, 4, 1)
    y = kernel(q, q, q)
    torch.testing.assert_close(y.double(), kernel.reference(q, q, q), atol=1e-5, rtol=1e-5)
    names["TUNED"].clear()
