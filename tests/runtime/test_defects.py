"""Known defects are told where a machine has them, and nowhere else."""

from __future__ import annotations

import pytest

from attngen.runtime.defects import DEFECTS, INTERPRETER, Range, known


@pytest.mark.parametrize(
    ("version", "holds"),
    [
        *[("3.4", True), ("3.4.0+git12", True), ("3.10.1", True)],
        *[("3.3.9", False), ("3.12", False), ("4.0", False), ("", False), ("unknown", False)],
    ],
)
def test_versions_are_compared_as_numbers(version: str, holds: bool) -> None:
    assert Range("triton", since="3.4", mended="3.12").holds({"triton": version}) is holds


def whats(triton: str, numpy: str, *places: str) -> str:
    return "; ".join(each.what for each in known({"triton": triton, "numpy": numpy}, places))


def test_the_interpreter_breaks_with_some_versions_together() -> None:
    (broken,) = [each for each in DEFECTS if each.breaks]
    assert broken.what in whats("3.6.0", "2.4.6", INTERPRETER)
    assert broken.what not in whats("3.6.0", "2.3.5", INTERPRETER)
    assert broken.what not in whats("3.7.1", "2.4.6", INTERPRETER)
    assert broken.what not in whats("3.6.0", "2.4.6", "cuda:9")  # its compiler is fine


def test_defects_of_gpus_are_those_of_the_gpu() -> None:
    assert "Hopper" in whats("3.9.0", "", "cuda:9")
    assert "Blackwell" not in whats("3.9.0", "", "cuda:9")
    assert "Blackwell" in whats("3.9.0", "", "cuda:10")
    assert whats("3.9.0", "", "cuda:8") == ""
    assert whats("", "2.4.6", INTERPRETER, "cuda:9") == ""


def test_each_has_a_way_out_and_a_source() -> None:
    for defect in DEFECTS:
        assert defect.way_out
        assert all(link.startswith("https://") for link in defect.source.split(", "))
