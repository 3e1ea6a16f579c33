"""`attngen run` of recurrences: y and states against the interpreter, in the first tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_cli import attngen as command
from torch import Tensor

import attngen
from attngen.errors import CallError
from attngen.runtime.recurrent import RecurrentKernel, State
from attngen.runtime.recurrent_trial import COMPARED_TOKENS, RecurrentTrial
from attngen.runtime.trial import trial

SPECS = Path(__file__).parent.parent / "specs"
TWO = """attention two {
  input g[b, h, t]: float <= 0
  state S = exp(g[b, h, t]) * S + outer(k, v)
  state z = 0.9 * z + k
  out   dot(q, S) + dot(q, z) * v
}
"""


def run(shape: list[int], dtype: str = "float32") -> RecurrentTrial:
    found = trial(attngen.load(TWO), shape, dtype, "cpp", 0, {})
    assert isinstance(found, RecurrentTrial)
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_y_and_every_state_are_compared(dtype: str) -> None:
    found = run([2, 4, 2, 33, 33, 24, 40], dtype)
    assert found.passed and found.compared_tokens == 33
    assert [each.name for each in found.differences] == ["y", "S", "z"]
    assert all(0 < each.error <= each.tolerance for each in found.differences)
    lines = found.text().splitlines()
    assert lines[0] == f"two 2x4x2x33x33x24x40 {dtype} on cpp: agrees with the interpreter in the first 33 tokens"
    assert [line.split(maxsplit=4)[3] for line in lines[1:4]] == ["y", "S", "z"]


def test_of_long_sequences_the_first_tokens_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    called, lengths = RecurrentKernel.__call__, []

    def counted(kernel: RecurrentKernel, q: Tensor, *rows: Tensor, **given: object) -> object:
        lengths.append((q.shape[2], "return_state" in given))
        return called(kernel, q, *rows, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(RecurrentKernel, "__call__", counted)
    found = run([1, 1, 700, 8])
    assert found.passed and found.compared_tokens == COMPARED_TOKENS == 512
    assert lengths == [(700, False), (512, True), *[(700, False)] * 3]


@pytest.mark.parametrize("wrong", [torch.inf, torch.nan, 0.01])
@pytest.mark.parametrize("name", ["y", "S", "z"])
def test_one_wrong_number_is_seen(name: str, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    called = RecurrentKernel.__call__

    def spoilt(*arguments: object, **given: object) -> object:
        found = called(*arguments, **given)  # type: ignore[arg-type]
        if given.get("return_state"):
            y, state = found
            assert isinstance(state, State)
            {"y": y, **state.values}[name][0, 1, 3] += wrong
        return found

    monkeypatch.setattr(RecurrentKernel, "__call__", spoilt)
    found = run([1, 2, 16, 8])
    assert not found.passed
    assert "DISAGREES with the interpreter" in found.text()
    assert [each.name for each in found.differences if not each.error <= each.tolerance] == [name]


def test_a_small_head_has_a_small_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that would be rounding beside the numbers of another head."""
    called = RecurrentKernel.__call__

    def spoilt(kernel: RecurrentKernel, q: Tensor, *rows: Tensor, **given: object) -> object:
        q[:, 0] *= 1e-4
        y, state = called(kernel, q, *rows, **{**given, "return_state": True})  # type: ignore[arg-type]
        if given.get("return_state"):
            y[0, 0, 5, 2] += 2e-6
        return (y, state) if given.get("return_state") else y

    monkeypatch.setattr(RecurrentKernel, "__call__", spoilt)
    found = run([1, 2, 16, 8])
    assert [each.error <= each.tolerance for each in found.differences] == [False, True, True]


def test_no_tokens_are_no_agreement() -> None:
    found = run([1, 2, 0, 8])
    assert not found.passed
    assert "COMPARES NOTHING WITH the interpreter in the first 0 tokens" in found.text()


def test_what_can_not_be_run_is_refused() -> None:
    with pytest.raises(CallError, match="there is no dtype `int8`"):
        run([1, 2, 16, 8], "int8")
    with pytest.raises(ValueError, match="q has 16 tokens and k has 17"):
        run([1, 2, 2, 16, 17, 8, 8])


@pytest.mark.parametrize("name", ["gla", "kda"])
def test_the_command_gives_the_same_facts(name: str) -> None:
    done = command("run", SPECS / f"{name}.attn", "--shape", "1,2,40,16", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"] and found["compared_tokens"] == 40
    assert [each["name"] for each in found["differences"]] == ["y", "S"]
    done = command("run", SPECS / f"{name}.attn", "--shape", "1,2,0,16")
    assert done.returncode == 1
    done = command("run", SPECS / f"{name}.attn", "--shape", "1,2,2,16,17,8,8")
    assert done.returncode == 2
    assert "a recurrence takes one of each at a time" in done.stderr and "Traceback" not in done.stderr
