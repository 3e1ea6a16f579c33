"""Campaigns find what is wrong, shrink it, and outlive kernels that don't come back."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from campaigns import Crashing, Failing, Hanging, Overrunning

import attngen
from attngen.errors import SpecError
from attngen.fuzz import attempt
from attngen.fuzz import call as fuzz_call
from attngen.fuzz import campaign as fuzz_campaign
from attngen.fuzz.apart import judge_apart
from attngen.fuzz.campaign import LIMITS, Campaign, Report
from attngen.fuzz.guarded import run_guarded
from attngen.fuzz.making import laid_out
from attngen.fuzz.recipes import DTYPES, STRIDES
from attngen.fuzz.reproducer import reproducer
from attngen.fuzz.tensors import packed, strided, tensor

WINDOW = "attention local(window: int = 4 in [1, inf)) { mask 0 <= i - j < window }"
WIDER = "attention local(window: int = 4 in [1, inf)) { mask 0 <= i - j < window + 1 }"
DECAY = "attention decay { state S = 0.9 * S + outer(k, v)  out dot(q, S) }"


def campaign(text: str, kind: type[Campaign] = Campaign, backend: str = "cpp", seed: int = 1) -> Campaign:
    return kind(attngen.load(text), backend, LIMITS["interpreted"], seed)


def run(text: str, examples: int, backend: str = "cpp") -> Report:
    return campaign(text, backend=backend).run(examples)


@pytest.fixture
def one_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has kernels of its own, and compiling these takes most of the time."""
    monkeypatch.setattr(fuzz_campaign, "DTYPES", DTYPES[:1])


@pytest.mark.usefixtures("one_dtype")
def test_a_right_spec_passes_and_what_was_reached_is_counted() -> None:
    report = run(WINDOW, 60)
    assert (report.failure, report.examples) == (None, 60)
    reached = {
        "at once",
        "in pieces",
        "on ranks",
        "gradients",
        "partial tiles",
        "rows that see nothing",
    }
    assert reached | {"law: unseen", "law: scaled", "law: turned batch", "N != M"} <= report.seen.keys()


@pytest.mark.usefixtures("one_dtype")
def test_recurrences_are_judged_with_their_states() -> None:
    report = run(DECAY, 25)
    assert report.failure is None
    reached = {"at once", "in pieces", "on ranks", "states given", "gradients", "law: unseen", "law: shifted"}
    assert all(report.seen[each] for each in (*reached, "law: scaled", "gradients by some alone"))


def test_time_is_looked_at_between_calls() -> None:
    report = campaign(WINDOW).run(10_000, seconds=1)
    assert report.failure is None
    assert 0 < report.examples < 100


def test_triton_is_judged_in_its_interpreter() -> None:
    report = run(WINDOW, 8, "triton")
    assert (report.failure, report.examples) == (None, 8)
    assert report.seen["in other tiles"]


@pytest.mark.usefixtures("one_dtype")
def test_the_same_seed_makes_the_same_calls() -> None:
    assert run(WINDOW, 8).seen == run(WINDOW, 8).seen


def test_a_wrong_kernel_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meaning is that of a wider window: two keys tell it, the second of which a query sees alone."""
    wider, expected = attngen.load(WIDER), attempt.expected
    monkeypatch.setattr(attempt, "expected", lambda _, call: expected(wider, call))
    failure = run(WINDOW, 100).failure
    assert failure is not None
    assert failure.call.parameters == {"window": 1}
    assert failure.call.k.shape[2] == 2
    assert failure.call.q.shape[:3] == (1, 1, 1)
    assert failure.message.startswith("lse max: ")


def test_a_broken_law_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is right, and what is said to be live is not: a row changes with keys that it sees."""
    expected = attempt.expected

    def blind(variant: attngen.Variant, call: object) -> object:
        found = expected(variant, call)
        found.live[..., :1] = False
        return found

    monkeypatch.setattr(attempt, "expected", blind)
    failure = run("attention full { score scale * dot(q, k) }", 100).failure
    assert failure is not None
    assert failure.message.startswith("law broken: row")


@pytest.mark.usefixtures("one_dtype")
def test_what_a_spec_refuses_is_left_out_and_counted() -> None:
    report = run("attention even { assert M mod 2 == 0  mask j <= i }", 8)
    assert report.examples == 8
    assert any("M mod 2 == 0" in reason for reason in report.refused)


def test_a_refusal_that_the_spec_does_not_ask_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = fuzz_call.check_call

    def strict(variant: attngen.Variant, q: torch.Tensor, *rest: Any, **given: Any) -> None:
        right(variant, q, *rest, **given)
        if q.shape[2] > 8:
            raise ValueError("local: `M mod 2 == 0` does not hold")

    monkeypatch.setattr(fuzz_call, "check_call", strict)
    failure = run("attention local { assert M < 1000  mask j <= i }", 40).failure
    assert failure is not None
    assert failure.message.startswith("it is refused, and the spec does not ask for that: local: `M mod 2")
    assert failure.call.q.shape[2] == 9


@pytest.mark.usefixtures("one_dtype")
def test_axes_of_inputs_grow_with_what_is_read() -> None:
    report = run("attention table(g: int = 3 in [1, 5]) { input on[qb, kb]: bool  mask on[j div g, j div g] }", 12)
    assert (report.failure, report.examples) == (None, 12)
    assert report.seen["rows that see something"] > 3


def test_a_spec_that_nothing_fits_ends() -> None:
    report = run("attention none { assert M < 0 }", 10)
    assert (report.failure, report.examples) == (None, 0)
    assert report.refused


def test_what_can_not_be_built_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError("File name too long")

    monkeypatch.setattr(attngen, "build", failing)
    failure = run(WINDOW, 5).failure
    assert failure is not None
    assert failure.message == "it can't be built: OSError: File name too long"


def test_a_crash_is_a_finding() -> None:
    report = run_guarded(campaign(WINDOW, Crashing), 5, None, lambda _: None)
    assert report.failure is not None
    assert report.failure.message == "it ends the process: SIGSEGV"
    assert report.failure.call.q.shape == (1, 1, 2, 4)


def test_a_crash_is_shrunk() -> None:
    report = run_guarded(campaign(WINDOW, Overrunning), 30, None, lambda _: None)
    assert report.failure is not None
    assert report.failure.message == "it ends the process: SIGSEGV"
    assert (report.failure.call.k.shape[:3], report.failure.call.q.shape[0]) == ((1, 1, 4), 1)


def test_an_example_apart_may_end_in_any_way() -> None:
    def wrong() -> None:
        raise attempt.Disagreement("y max: 3 times")

    judge_apart(lambda: None, 5)
    with pytest.raises(attempt.Disagreement, match="y max: 3 times"):
        judge_apart(wrong, 5)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        judge_apart(lambda: 1 // 0, 5)
    with pytest.raises(attempt.Disagreement, match="it ends the process: exit code 3"):
        judge_apart(lambda: os._exit(3), 5)
    with pytest.raises(attempt.Disagreement, match="it does not end within 1 seconds"):
        judge_apart(lambda: time.sleep(20), 1)


def test_a_call_that_does_not_end_is_a_finding() -> None:
    report = run_guarded(campaign(WINDOW, Hanging), 5, None, lambda _: None, patience=5)
    assert report.failure is not None
    assert report.failure.message == "it does not end within 5 seconds"


def test_a_mistake_of_the_fuzzer_is_none_of_the_spec() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a mistake"):
        run_guarded(campaign(WINDOW, Failing), 5, None, lambda _: None)


def test_a_reproducer_fails_in_the_same_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is wrong here is the interpreter's window, which the test keeps wrong while the file runs."""
    wider, expected = attngen.load(WIDER), attempt.expected
    monkeypatch.setattr(attempt, "expected", lambda _, call: expected(wider, call))
    report = run(WINDOW, 100)
    assert report.failure is not None
    path = tmp_path / "repro.py"
    path.write_text(reproducer(attngen.load(WINDOW), report.failure, report.seed, "cpp"), encoding="utf-8")
    names: dict[str, object] = {"__name__": "repro"}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    with pytest.raises(attempt.Disagreement) as raised:
        names["test_local"]()  # type: ignore[operator]
    assert str(raised.value) == report.failure.message
    monkeypatch.undo()
    names["test_local"]()  # type: ignore[operator]


def test_specs_that_can_not_be_compiled_are_refused() -> None:
    with pytest.raises(SpecError):
        attngen.load("attention a { mask j <= }")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_come_back_from_text(dtype: torch.dtype) -> None:
    names = {"torch": torch, "packed": packed, "strided": strided}
    for shape in ([2, 3, 4, 5], [1, 1, 2, 2], [0, 1, 2, 2]):
        plain = (torch.randn(shape) * 9).to(dtype)
        for strides in STRIDES if dtype.is_floating_point else STRIDES[:3]:
            given = laid_out(plain, strides)
            found = eval(tensor(given), names)
            assert torch.equal(found, given)
            assert found.dtype == dtype
            assert not given.numel() or found.stride() == given.stride()
