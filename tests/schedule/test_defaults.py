"""The sizes that kernels start with, and those that searches look at."""

from __future__ import annotations

import pytest
import torch

from attngen.emit.support.launches import _gpu, _power_of_two
from attngen.schedule.configuration import GPUS, WIDTHS
from attngen.schedule.defaults import CELLS, pairwise, recurrent
from attngen.schedule.space import LEAST_HELD, MOST_HELD, chunkings, configurations, deeper

KERNELS = ("forward", "by_queries", "by_keys")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("before", ["", "listed_"])
def test_every_cell_has_sizes_for_every_gpu(kernel: str, before: str) -> None:
    found = pairwise(before + kernel)
    assert found.keys() == set(CELLS)
    for columns in found.values():
        assert len(columns) == len(GPUS)
        for each in columns:
            assert all(size & (size - 1) == 0 and size >= 16 for size in each[:2])
            assert each.warps in (1, 2, 4, 8)
            assert 1 <= each.stages <= 5


def test_kernels_of_a_list_have_the_same_tiles() -> None:
    tables = [pairwise(f"listed_{kernel}") for kernel in KERNELS]
    for cell in CELLS:
        for gpu in range(len(GPUS)):
            assert len({table[cell][gpu][:2] for table in tables}) == 1


@pytest.mark.parametrize("skeleton", ["plain", "by_token", "of_matrices"])
def test_recurrences_have_sizes_too(skeleton: str) -> None:
    found = recurrent(skeleton)
    assert tuple(found) == WIDTHS
    assert all(256 % each.tokens == 0 for columns in found.values() for each in columns)  # states are kept for each 256


def test_a_spec_may_have_its_own() -> None:
    assert pairwise("forward", "no such spec") == pairwise("forward")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("width", "size"), CELLS)
def test_searches_leave_out_what_plainly_can_not_fit(kernel: str, width: int, size: int) -> None:
    shared = 227 * 1024
    found = [*configurations(kernel, width, size, shared)]
    assert len(found) == len({*found}) > 5
    for each in found:
        walked, fixed = (each.query_tile, each.key_tile) if kernel == "by_keys" else (each.key_tile, each.query_tile)
        assert (2 * each.stages * walked + fixed) * width * size <= shared
        sums = each.query_tile * width if kernel != "by_keys" else 2 * each.key_tile * width
        tiles = each.query_tile * each.key_tile * (1 if kernel == "forward" else 2)
        assert LEAST_HELD <= (sums + tiles) / (32 * each.warps) <= MOST_HELD
    assert {*configurations(kernel, width, size, shared // 4)} < {*found} | {each._replace(stages=1) for each in found}
    assert deeper(found[0])[:3] == found[0][:3]


def test_chunks_of_a_search() -> None:
    found = [*chunkings(64)]
    assert found[0].tokens == 64
    assert all(each.values_back <= each.values <= 64 and 256 % each.tokens == 0 for each in found)


@pytest.mark.parametrize(
    ("capability", "column"), [((8, 0), 0), ((8, 9), 0), ((9, 0), 1), ((10, 0), 2), ((10, 3), 2), ((12, 0), 0)]
)
def test_gpus_are_told_apart(capability: tuple[int, int], column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not of data centres have the shared memory that defaults of an A100 keep to."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    _gpu.cache_clear()
    assert _gpu(torch.device("cuda")) == column
    _gpu.cache_clear()
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert _gpu(torch.device("cuda")) == 3
    _gpu.cache_clear()
    assert _gpu(torch.device("cpu")) == 1


@pytest.mark.parametrize(("size", "power"), [(0, 16), (1, 16), (16, 16), (17, 32), (64, 64), (65, 128), (4096, 4096)])
def test_powers_of_two(size: int, power: int) -> None:
    assert _power_of_two(size) == power
