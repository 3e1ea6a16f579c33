"""Data on a GPU are looked at to debug; a tensor that says that it is elsewhere stands in for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from marked import checked
from torch import Tensor

import attngen
from attngen.emit.support import checks

TEXT = "attention a { input doc[b, n]: int sorted input x[h, j]: float mask doc[b, i] == doc[b, j] and x[h, j] > 0.0 }"


class Elsewhere(Tensor):
    """A tensor of the CPU that says that it is on a GPU."""

    device = torch.device("cuda")
    is_cuda = True


def elsewhere(values: list[Any]) -> Tensor:
    return torch.tensor(values).as_subclass(Elsewhere)


CALLS: list[tuple[Callable[..., None], tuple[Any, ...], str]] = [
    (
        checks._data,
        ("a", "x", elsewhere([1.0, float("nan")]), None, "", None, "a:1"),
        "x holds a value that is not finite",
    ),
    (checks._data, ("a", "doc", elsewhere([1, 0]), None, "", 0, "a:1"), "doc is declared sorted and falls somewhere"),
    (checks._data, ("a", "x", elsewhere([1]), lambda x: x >= 2, "[2, 3]", None, "a:1"), r"outside of \[2, 3\]"),
    (checks._offset_inside, ("a", elsewhere([9]), 3, "because"), "offset 9 is outside of"),
    (checks._no_fault, ("a", elsewhere([1]), "divides an int by 0"), "a pair divides an int by 0"),
]


@pytest.mark.parametrize(("check", "arguments", "problem"), CALLS)
def test_data_on_a_gpu_are_looked_at_to_debug(
    check: Callable[..., None], arguments: tuple[Any, ...], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_to_the_device: list[str] = []
    monkeypatch.setattr(torch, "_assert_async", lambda _, message: left_to_the_device.append(message))
    check(*arguments)
    assert len(left_to_the_device) == (check is checks._no_fault)
    with pytest.raises(ValueError, match=problem):
        check(*arguments, True)


def test_kernels_for_a_gpu_take_it() -> None:
    rows, doc = torch.randn(1, 1, 3, 16), torch.tensor([[0, 2, 1]])
    for backend in ("triton", "cpp", "reference"):
        kernel = attngen.build(checked(TEXT), backend=backend)
        with pytest.raises(ValueError, match="declared sorted and falls"):
            kernel(rows, rows, rows, doc=doc, x=torch.ones(1, 3), debug=True)
    source = attngen.build(checked(TEXT), backend="triton").source
    assert source.count("debug: bool = False,") == 3  # the call, the list of its tiles and what looks at data
    assert source.count(', "a.attn:1", debug)') + source.count('"spec.attn:1", debug)') >= 2


def test_what_takes_no_data_has_nothing_to_debug() -> None:
    kernel = attngen.build(checked("attention a { mask j <= i }"), backend="triton")
    assert "debug" not in kernel.source
    rows = torch.randn(1, 1, 3, 16)
    torch.testing.assert_close(kernel(rows, rows, rows, debug=True), kernel(rows, rows, rows))
