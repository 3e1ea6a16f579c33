"""A call that does not fit says what was given, what was wanted, and where the spec says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import attngen

BACKENDS = ["cpp", "triton"]
SPEC = """attention a(group: int = 4 in [2, inf), cap: float = 2.0) {
  input slope[h]: float in [0, 1]
  input doc[b, n]: int sorted
  input table[m, h]: float
  assert group mod 2 == 0
  score scale * dot(q, k) + table[(i - j) div group, h] - slope[h] * cap
  mask  j <= i and doc[b, i] == doc[b, j]
}"""


def rows(heads: int = 2, tokens: int = 6, channels: int = 8, **options: Any) -> Tensor:
    return torch.ones(1, heads, tokens, channels, **options)


def arguments(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "q": rows(),
        "k": rows(),
        "v": rows(),
        "slope": torch.full((2,), 0.5),
        "doc": torch.tensor([[0, 0, 0, 1, 1, 1]]),
        "table": torch.zeros(4, 2),
    }
    return given | changes


def call(backend: str, parameters: dict[str, Any] | None = None, **changes: Any) -> Any:
    return attngen.build(SPEC, backend=backend, **(parameters or {}))(**arguments(**changes))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_fits_is_served(backend: str) -> None:
    assert call(backend).shape == (1, 2, 6, 8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": rows()[0]}, "a: q has the shape [2, 6, 8]; it must be [B, heads, tokens, channels]"),
        ({"q": [1.0]}, "a: q is a list, not a tensor"),
        ({"q": rows(dtype=torch.float64)}, "a: q is torch.float64; it must be float32, bfloat16 or float16"),
        ({"k": rows(dtype=torch.bfloat16)}, "a: q is torch.float32 and k is torch.bfloat16; all must be alike"),
        ({"k": rows().expand(3, 2, 6, 8)}, "a: q has 1 batch rows and k has 3"),
        ({"k": rows(channels=9)}, "a: q has 8 channels and k has 9"),
        ({"v": rows(tokens=7)}, "a: k has 6 tokens and v has 7"),
        ({"q": rows(heads=3)}, "a: k has 2 heads, which does not divide H = 3"),
        ({"scale": "big"}, "a: scale is 'big'; it must be a finite number"),
        ({"scale": float("nan")}, "a: scale is nan; it must be a finite number"),
        ({"offset": 1.5}, "a: offset is 1.5; it must be an int"),
        ({"offset": torch.zeros(4, dtype=torch.int64)}, "a: offset has the shape [4]; it must be [1]"),
        ({"offset": -1}, "a: offset -1 is outside of [0, M - N] = [0, 0], and doc is read at the position of a query"),
        ({"slope": torch.zeros(3)}, "a: slope has 3 heads, which does not divide H = 2 (<text>:2)"),
        ({"slope": torch.zeros(2, 1)}, "a: slope has the shape [2, 1]; it must be [h] (<text>:2)"),
        ({"slope": torch.zeros(2, dtype=torch.int64)}, "a: slope is torch.int64; it must be float (<text>:2)"),
        ({"slope": torch.tensor([0.5, 3.0])}, "a: slope holds a value outside of [0, 1] (<text>:2)"),
        ({"slope": torch.tensor([0.0, torch.nan])}, "a: slope holds a value that is not finite (<text>:2)"),
        ({"doc": torch.zeros(1, 5, dtype=torch.int64)}, "a: doc has 5 elements along `n`, not 6 (<text>:3)"),
        ({"doc": torch.tensor([[0, 0, 1, 1, 0, 0]])}, "a: doc is declared sorted and falls somewhere (<text>:3)"),
    ],
)
def test_what_does_not_fit_is_named(backend: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(backend, **changes)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"group": 1}, "a: group is 1, not in [2, inf) (<text>:1)"),
        ({"group": 2.0}, "a: group is 2.0; it must be an int (<text>:1)"),
        ({"group": True}, "a: group is True; it must be an int (<text>:1)"),
        ({"group": 3}, "a: `group mod 2 == 0` does not hold (<text>:5)"),
        ({"cap": float("nan")}, "a: cap is NaN (<text>:1)"),
        ({"cap": "x"}, "a: cap is 'x'; it must be a float (<text>:1)"),
    ],
)
def test_parameters_are_checked(backend: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(backend, parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slop": torch.zeros(2)}, "a: there is no input `slop`; did you mean `slope`?"),
        ({"group": 4}, "a: `group` is a parameter; give it to `attngen.build`"),
    ],
)
def test_unknown_names_get_a_suggestion(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(attngen.CallError, match=re.escape(message)):
        call("cpp", **changes)


def test_a_missing_input_is_named_with_its_axes() -> None:
    given = arguments()
    del given["slope"]
    with pytest.raises(attngen.CallError, match=re.escape("a: the input `slope` [h] is missing (<text>:2:9)")):
        attngen.build(SPEC, backend="cpp")(**given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grup": 4}, "there is no parameter `grup`; did you mean `group`?"),
        ({"backend": "cuda"}, "there is no backend `cuda`"),
    ],
)
def test_build_names_what_it_does_not_know(options: dict[str, Any], message: str) -> None:
    with pytest.raises(attngen.CallError, match=re.escape(message)):
        attngen.build(SPEC, **options)


def test_a_parameter_without_a_default_must_be_given() -> None:
    text = "attention a(width: int in [1, inf)) { mask i div width == j div width }"
    with pytest.raises(attngen.CallError, match="the parameter `width` needs a value"):
        attngen.build(text)
    assert attngen.build(text, width=3, backend="cpp")(rows(), rows(), rows()).shape == (1, 2, 6, 8)


def test_one_of_several_attentions_is_chosen_by_name() -> None:
    text = "attention a { mask j <= i }\nattention b { mask j >= i }"
    with pytest.raises(LookupError, match="choose one by name: a, b"):
        attngen.build(text)
    assert attngen.build(text, name="b").variant.name == "b"


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    text = "attention never_compiled_before { mask j <= i + 3 }"
    with pytest.raises(RuntimeError, match=r"no C\+\+ compiler was found.*install one"):
        attngen.build(text, backend="cpp")(rows(), rows(), rows())
    assert attngen.build(text, backend="reference")(rows(), rows(), rows()).shape == (1, 2, 6, 8)


def test_the_tiles_of_a_head_need_the_number_of_heads_where_the_mask_does() -> None:
    kernel = attngen.build("attention a { mask j <= i and (h < H div 2 or i - j < 4) }")
    with pytest.raises(attngen.CallError, match="give H"):
        kernel.tiles(16, 16)
    assert kernel.tiles(16, 16, head=0, H=2, tile=(8, 8)).tolist() == [[1, 0], [2, 1]]


def test_what_calls_alone_know_of_tiles_is_asked_for() -> None:
    for mask, name in (("i - j < D", "D"), ("scale < 2.0 and j <= i", "scale")):
        kernel = attngen.build(f"attention a {{ mask {mask} }}")
        with pytest.raises(attngen.CallError, match=f"the tiles depend on {name}, which calls alone know"):
            kernel.tiles(8, 8)


def test_the_tiles_of_a_head_need_the_inputs_that_the_bounds_read() -> None:
    kernel = attngen.build("attention a { input width[h]: int  mask j <= i and i - j < width[h] }")
    with pytest.raises(attngen.CallError, match=r"depend on the input `width`; give it \(<text>:1:21\)"):
        kernel.tiles(8, 8)
    maps = [kernel.tiles(8, 8, head, H=4, tile=(4, 4), width=torch.tensor([2, 9])).tolist() for head in (1, 2)]
    assert maps == [[[1, 0], [1, 1]], [[1, 0], [2, 1]]]  # heads 0 and 1 share the first element


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": 4, "H": 4}, "a: there is no head 4 of 4"),
        ({"N": -1}, "a: -1 queries and 8 keys in tiles of 4 by 4 make no map"),
        ({"tile": (0, 4)}, "a: 8 queries and 8 keys in tiles of 0 by 4 make no map"),
    ],
)
def test_tiles_of_nonsense_are_refused(changes: dict[str, Any], message: str) -> None:
    kernel = attngen.build("attention a { mask j <= i }")
    with pytest.raises(attngen.CallError, match=re.escape(message)):
        kernel.tiles(**{"N": 8, "M": 8, "tile": (4, 4), **changes})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "a: group is 1, not in [2, inf) (<text>:1)"),
        (2.5, "a: group is 2.5; it must be an int (<text>:1)"),
        (2**70, f"a: group is {2**70}; it must have 64 bits (<text>:1)"),
    ],
)
def test_parameters_are_checked_when_the_kernel_is_built(value: Any, message: str) -> None:
    with pytest.raises(attngen.CallError, match=re.escape(message)):
        attngen.build(SPEC, group=value)


def test_a_spec_is_a_file_or_a_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`` is neither a file nor the text of a spec"):
        attngen.build("")
    (tmp_path / "a.attn").write_text("attention a { }")
    with pytest.raises(
        FileNotFoundError, match=f"`{tmp_path}` is a folder: give one of its specs, such as {tmp_path}/a.attn"
    ):
        attngen.load(tmp_path)
