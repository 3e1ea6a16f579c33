"""Launchers of GPU kernels wait for nothing, so that calls can be recorded as CUDA graphs.

They run here with tensors that have no numbers: whatever would look at one raises.
"""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from by_hand.draws import DRAWS
from test_recurrent_specs import SPECS as RECURRENCES
from test_specs import SPECS, tensors
from torch import Tensor

import attngen
from attngen.ir.expr import Kind
from attngen.runtime.module import import_files

SIZES = {"B": 2, "H": 4, "N": 48, "M": 48, "D": 16}


class Launches:
    """In place of kernels: they are launched, and nothing happens."""

    def __init__(self) -> None:
        self.count = 0

    def __getitem__(self, grid: object) -> Any:
        return self.launched

    def launched(self, *_: object, **options: object) -> None:
        """Kernels choose fusion themselves, for Triton's own choice changes with 3.10."""
        self.count += 1
        assert options["enable_fp_fusion"] is True


def without_kernels(name: str) -> tuple[ModuleType, Launches]:
    """The module of a variant, whose kernels do nothing; its operators are no others', for these are named by text."""
    files = {file: f"{text}# without kernels\n" for file, text in attngen.compile(SPECS[name], "triton").items()}
    module, launches = import_files(files, name), Launches()
    for label, value in vars(module).items():
        if hasattr(value, "arg_names"):
            setattr(module, label, launches)
    module._on = lambda _: contextlib.nullcontext()  # type: ignore[attr-defined]
    module._no_fault = lambda *_: None  # type: ignore[attr-defined]  # an assertion on the device
    if hasattr(module, "LiveTiles"):
        module._list_tiles = lambda *_: live_tiles(module)  # type: ignore[attr-defined]
    return module, launches


def live_tiles(module: ModuleType) -> Any:
    """A list, whose making does wait: calls that are recorded are given one."""
    orders = {"query_order": None, "key_order": None, "costs": (0.0,)}
    return module.LiveTiles(
        tiles=torch.zeros(4, dtype=torch.int32, device="meta"),
        starts=torch.zeros(1, 1, 2, 3, dtype=torch.int64, device="meta"),
        sizes=(32, 32),
        made_for=(2, 4, 48, 48),
        versions=(0, 0, 0, 0),
        **{label: value for label, value in orders.items() if label in module.LiveTiles.__dataclass_fields__},
    )


def arguments(module: ModuleType, rows: tuple[Tensor, ...], known: dict[str, Any]) -> list[Any]:
    """What the operators of a module take."""
    schema = getattr(torch.ops.attngen, module._NAME).default._schema
    names = [argument.name for argument in schema.arguments]
    given = {**dict(zip("qkv", rows, strict=True)), **known, "debug": False}
    return [given.get(each, given.get(each.rstrip("_"))) for each in names]


@pytest.mark.parametrize("name", SPECS)
def test_nothing_waits(name: str) -> None:
    parameters, inputs = DRAWS[name](np.random.default_rng(0), SIZES)
    module, launches = without_kernels(name)
    q, k, v = (torch.empty(2, 4, 48, 16, device="meta") for _ in "qkv")
    known = {label: each.to("meta") for label, each in tensors(inputs, torch.float32).items()}
    given = arguments(module, (q, k, v), known | parameters)
    y, _, stats = module._forward(*given, True)
    trained = sum(isinstance(each, Tensor) and each.is_floating_point() for each in given)
    found = module._backward(torch.empty_like(y), None, y, stats, *given, [True] * trained)
    assert launches.count >= 3
    assert [each.shape for each in found[:3]] == [q.shape, k.shape, v.shape]


@pytest.mark.parametrize("look", [Tensor.item, Tensor.tolist, Tensor.nonzero, bool])
def test_looking_would_be_seen(look: Any) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        look(torch.empty(1, device="meta"))


@pytest.mark.parametrize("name", RECURRENCES)
def test_recurrences_wait_for_nothing(name: str) -> None:
    variant = RECURRENCES[name]
    files = {file: f"{text}# without kernels\n" for file, text in attngen.compile(variant, "triton").items()}
    module, launches = import_files(files, name), Launches()
    for label in ("_carry", "_give", "_carry_back", "_return"):
        setattr(module, label, launches)
    module._on = lambda _: contextlib.nullcontext()  # type: ignore[attr-defined]
    sizes = {"b": 2, "h": 4, "t": 48, "c": 16, "e": 16, "m": 7}
    known = {one.name: torch.empty([sizes[axis] for axis in one.axes], device="meta") for one in variant.inputs}
    q, k, v = (torch.empty(2, 4, 48, 16, device="meta") for _ in "qkv")
    given = arguments(module, (q, k, v), known)
    y, *states = module._forward(*given, True)
    carried, kept = states[: len(states) // 2], states[len(states) // 2 :]
    trained = 3 + sum(one.kind is Kind.FLOAT for one in variant.inputs) + len(carried)
    found = module._backward(torch.empty_like(y), *carried, *kept, *given, [True] * 3 + [False] * (trained - 3))
    assert y.shape == (2, 4, 48, 16) and found[0].shape == q.shape
    assert launches.count == 5
    module._pieces = lambda _, chunks, __: (chunks, 1)  # type: ignore[attr-defined]
    for label in ("_leave", "_follow", "_follow_back"):
        setattr(module, label, launches)
    module._forward(*given, True)
    module._backward(torch.empty_like(y), *carried, *kept, *given, [True] * 3 + [False] * (trained - 3))
    assert launches.count == 5 + (11 if "_left_shapes" in vars(module) else 9)
