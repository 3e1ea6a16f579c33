"""What the tuner lets win: the fastest of those that compute what the spec means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import attngen
from attngen.bench.gpu.clock import Clock
from attngen.bench.timing import Timing, timing_of
from attngen.runtime.tuned import Tiles
from attngen.tuning import tuner
from attngen.tuning.order import of_tile, target_of, unpredicted
from attngen.tuning.tuner import Forced, Tuner

SPECS = Path(__file__).parent.parent.parent / "specs"
SLOW, FAST, FASTER = (32, 32, 4, 1), (16, 32, 4, 1), (16, 16, 4, 1)
SECONDS: Mapping[Tiles | None, float] = {None: 2.0, SLOW: 3.0, FAST: 1.0, FASTER: 0.5}


class Scripted(Clock):
    """Calls take the seconds of the sizes that they run with."""

    def times(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, Timing]:
        for call in calls.values():
            call()
        sizes = Launches.last
        return {name: timing_of([SECONDS.get(sizes, SECONDS[None])]) for name in calls}


class Launches:
    """A kernel that writes down the sizes it is launched with, and is wrong with some."""

    last: Tiles | None = None

    def __init__(self, kernel: Any, wrong: Tiles | None) -> None:
        self.kernel, self.wrong = kernel, wrong

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        def launched(*arguments: Any, **options: Any) -> None:
            names = ("QUERY_TILE", "KEY_TILE", "num_warps", "num_stages")
            queries, keys, warps, stages = (options[name] for name in names)
            Launches.last = (queries, keys, warps, stages)
            self.kernel[grid](*arguments, **options)
            if Launches.last == self.wrong:
                arguments[3][..., 0] += 0.5  # y

        return launched


def made(monkeypatch: pytest.MonkeyPatch, wrong: Tiles | None = None) -> Tuner:
    kernel = attngen.build("attention tuned_ { score dot(q, k)  mask j <= i }", backend="triton")
    monkeypatch.setattr(tuner, "CASES", ("fewer keys than queries",))
    found = Tuner(kernel, [1, 2, 50, 16], "float32", "cpu", "a GPU", Scripted("cpu", 1), long=45)
    names = found.names
    monkeypatch.setitem(names, "_forward_kernel", Launches(names["_forward_kernel"], wrong))
    return found


def test_the_fastest_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(monkeypatch)
    assert found.is_right_at_first()
    candidates = [*found.candidates("forward", [SLOW, FAST, FASTER])]
    assert [each.seconds for each in candidates] == [2.0, 3.0, 1.0, 0.5]
    assert not any(each.fault for each in candidates)
    result = found.result(candidates)
    assert result is not None
    assert (result.tiles, result.seconds, result.before) == (FASTER, 0.5, 2.0)
    assert (result.device, result.kernel, result.dtype, result.width, result.tokens) == (
        *("a GPU", "forward", "float32", 16, 64),
    )
    assert type(found.names["TUNED"]) is dict  # what was forced is gone


def test_what_is_wrong_does_not_win(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(monkeypatch, wrong=FASTER)
    candidates = [*found.candidates("forward", [FASTER, FAST])]
    assert [bool(each.fault) for each in candidates] == [False, True, False]
    assert candidates[1].fault.startswith("y is off by")
    result = found.result(candidates)
    assert result is not None
    assert result.tiles == FAST


def test_what_is_wrong_at_first_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(monkeypatch)
    found.names["_forward_kernel"].wrong = (128, 64, 4, 3)
    assert Launches.last != found.names["_forward_kernel"].wrong
    y = found.expected[0]
    found.names["_forward_kernel"].wrong = Launches.last
    del found.__dict__["expected"]
    assert (found.expected[0] - y).abs().max() > 0.4
    assert not found.is_right_at_first()


def test_a_launch_that_fails_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(monkeypatch)
    _, failed = found.candidates("forward", [(17, 32, 4, 1)])
    assert failed.fault
    assert found.result([next(found.candidates("forward", [])), failed]) is None


def test_a_search_ends_where_nothing_gets_better(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(monkeypatch)
    monkeypatch.setattr(tuner, "PATIENCE", 2)
    assert len([*found.candidates("forward", [SLOW] * 10)]) == 3
    assert found.result([*found.candidates("forward", [SLOW] * 10)]) is None


def test_forced_sizes_are_one_kernels() -> None:
    forced = Forced("forward", FAST)
    assert forced.get(("forward", "any", 1, 1)) == FAST
    assert forced.get(("by_keys", "any", 1, 1)) is None


def test_listed_tiles_are_kept() -> None:
    order = unpredicted("forward", "cuda:90", "bfloat16", 64)
    assert {each[:2] for each in of_tile(order, (64, 64))} == {(64, 64)}
    assert of_tile(order, (16, 16))
    assert target_of("cpu") == "cuda:90"


def tune(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attngen", "tune", *map(str, arguments)]
    kept = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**kept, **environment})


def test_the_command_can_be_tried_without_a_gpu(tmp_path: Path) -> None:
    given = ("--interpret", "--shape", "1,2,40,16", "--dtype", "float32", "--rounds", 1, "--kernel", "forward")
    done = tune(SPECS / "causal.attn", *given, "--json", "-o", tmp_path / "found.json", ATTNGEN_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "found.json").read_text())
    assert found["interpreted"] is True
    assert {each["kernel"] for each in found["tried"]} == {"forward"}
    assert len(found["tried"]) >= 2
    assert not [each["fault"] for each in found["tried"] if each["fault"]]
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("causal",), "there is no GPU here"),
        (("causal", "--interpret", "--shape", "1,2"), "--shape 1,2: give B,H,N,D"),
        (("causal", "--interpret", "--kernel", "sideways", "--shape", "1,1,8,16"), "--kernel sideways: choose one of"),
        (("causal", "--import", "pyproject.toml"), "this is not what `attngen tune -o` writes"),
    ],
)
def test_what_can_not_be_done_is_told(given: tuple[str, ...], message: str) -> None:
    name, *options = given
    done = tune(SPECS / f"{name}.attn", *options)
    assert done.returncode == 2
    assert message in done.stderr
