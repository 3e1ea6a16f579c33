"""The self-check sees wrong kernels, and processes that end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from attngen.runtime import comparison, selfcheck
from attngen.runtime.pairwise import PairwiseKernel
from attngen.runtime.recurrent import RecurrentKernel
from attngen.runtime.selfcheck import Job


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attentions, one of each kind of kernel, on few tokens."""
    found = comparison.variants()
    monkeypatch.setattr(comparison, "variants", lambda: {name: found[name] for name in ("window", "delta")})
    monkeypatch.setattr(comparison, "ON_CPU", [1, 2, 20, 8])


@pytest.mark.usefixtures("only")
def test_right_kernels_pass() -> None:
    assert comparison.count("cpp") == 2
    assert [check.text for check in comparison.checks("cpp") if not check.passed] == []


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize("kind", [PairwiseKernel, RecurrentKernel])
@pytest.mark.parametrize("harm", ["result", "gradient", "nan", "error"])
def test_wrong_kernels_do_not(kind: type, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = kind.__call__

    def spoilt(self: object, q: torch.Tensor, *others: object, **options: object) -> object:
        if harm == "error":
            raise RuntimeError("the GPU is gone")
        if harm != "result":  # the same number, and another gradient
            q = q + (q - q.detach()) * (torch.nan if harm == "nan" else 0.01)
        found = called(self, q, *others, **options)
        if harm == "result":
            (found[0] if isinstance(found, tuple) else found)[0, 1, 7] += 0.5
        return found

    monkeypatch.setattr(kind, "__call__", spoilt)
    found = {check.attention.split(",")[0]: check for check in comparison.checks("cpp")}
    wrong, right = ("window", "delta") if kind is PairwiseKernel else ("delta", "window")
    assert not found[wrong].passed
    assert found[right].passed
    if harm == "error":
        assert found[wrong].text == "RuntimeError: the GPU is gone"
    elif harm == "gradient":
        assert "gradients are WRONG" in found[wrong].text


def test_a_process_that_dies_is_a_failed_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    killed = tmp_path / "python"
    line = '{"backend": "cpp", "attention": "window", "passed": true, "text": "", "seconds": 1.0}'
    killed.write_text(f"#!/bin/sh\necho '{line}'\necho 'no such instruction' >&2\nkill -ILL $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killed))
    first, last = selfcheck.run([Job("cpp", 2)])
    assert first.passed
    assert not last.passed
    assert last.text == "the process ended with code -4 after 1 of 2: no such instruction"


def test_a_process_that_can_not_start_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    (found,) = selfcheck.run([Job("cpp", 2)])
    assert not found.passed
    assert "FileNotFoundError" in found.text


def test_a_process_that_hangs_is_a_failed_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(selfcheck, "PATIENCE", 0.5)
    waits = tmp_path / "python"
    waits.write_text("#!/bin/sh\nexec sleep 60\n")
    waits.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(waits))
    (found,) = selfcheck.run([Job("cross", 1)])
    assert found.text.startswith("the process ended with code -9 after 0 of 1")


def test_what_is_checked_is_what_can_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: set[str] = set()
    monkeypatch.setattr(selfcheck, "find_spec", lambda name: None if name in missing else object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [(job.kind, job.interpreted) for job in selfcheck.jobs()] == [
        ("cpp", False),
        ("triton", True),
        ("cross", False),
    ]
    missing.add("numpy")
    assert [job.kind for job in selfcheck.jobs()] == ["cpp", "cross"]
    missing.add("triton")
    assert [job.kind for job in selfcheck.jobs()] == ["cpp"]
    missing.clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [(job.kind, job.interpreted) for job in selfcheck.jobs()] == [("cpp", False), ("triton", False)]
    assert selfcheck.jobs()[1].checks == 2 * selfcheck.jobs()[0].checks  # in bfloat16, too
