"""`attngen run` agrees only where something was compared."""

from __future__ import annotations

import pytest
import torch

import attngen
from attngen.runtime import trial as trials
from attngen.runtime.pairwise import PairwiseKernel


def run(mask: str) -> trials.Trial:
    variant = attngen.load(f"attention a {{ mask {mask} }}")
    return trials.trial(variant, [1, 2, 16, 8], "float32", "cpp", 0, {})


def test_a_right_kernel_agrees() -> None:
    found = run("j <= i")
    assert found.passed
    assert found.live == (16 * 17 / 2) / 16**2
    assert "agrees with the interpreter in the last 16 queries, 53.1% of whose pairs are live" in found.text()


def test_nothing_compared_is_no_agreement() -> None:
    found = run("j > 16")
    assert not found.passed
    assert "SEES NO KEY, nor does the interpreter" in found.text()


@pytest.mark.parametrize("wrong", [-torch.inf, torch.nan, 0.5])
def test_a_wrong_log_sum_exp_is_seen(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    called = PairwiseKernel.__call__

    def spoilt(*arguments: object, **options: object) -> object:
        result = called(*arguments, **options)  # type: ignore[arg-type]
        if options.get("return_lse"):
            result[1][0, 1, 7] = wrong
        return result

    monkeypatch.setattr(PairwiseKernel, "__call__", spoilt)
    found = run("j <= i")
    assert not found.passed
    assert "DISAGREES with the interpreter" in found.text()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_recurrences_agree_in_triton_as_its_products_are_rounded(dtype: str) -> None:
    variant = attngen.load("attention a { state S = 0.9 * S + outer(k, v)  out dot(q, S) }")
    found = trials.trial(variant, [1, 2, 40, 8], dtype, "triton", 0, {})
    assert found.passed, found.text()
