"""Pieces of a head's tokens, which threads take at once where there are fewer heads than threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings
from recurrent_cases import ERASED, OUTS, WRITES, text

from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree, used_by

pytestmark = pytest.mark.usefixtures("threads")
THREADS = 8
NUMBER, CHANNELS = "keep[b, h, t] * S", "exp(gc[b, h, t, c]) * S"
"""Decays of which something is left behind a piece."""
SPECS = [
    text("S", WRITES[1], ERASED[0], OUTS[3]),
    text(NUMBER, WRITES[0], ERASED[0], OUTS[1], "order p(y) = N - 1 - y "),
    text(NUMBER, WRITES[1], ERASED[1], OUTS[2]),
    text(CHANNELS, WRITES[2], ERASED[0], OUTS[4]),
    text(CHANNELS, WRITES[1], ERASED[2], OUTS[1], "order p(y) = if h mod 2 == 0 then (y + 5) mod N else y "),
]
SOME = SPECS if settings.default.max_examples >= 1000 else SPECS[::2]
HANDS_BACK = text("prev(keep[b, h, t]) * S", WRITES[0], ERASED[0], OUTS[0])
FEATURES = """attention a { input omega[m, c]: float  input g[b, h, t]: float <= 0
  let x = exp(dot(omega[m, c], k))  let y = exp(dot(omega[m, c], q))
  state S = exp(g[b, h, t]) * S + outer(x, v)  state z = exp(g[b, h, t]) * z + x  out dot(y, S) / (1 + dot(y, z)) }"""


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def call(heads: int, tokens: int, carried: bool = True) -> Given:
    generator = torch.Generator().manual_seed(tokens)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    q, k, v = (torch.randn(1, each, tokens, width, generator=generator) for each, width in ((heads, 5), (1, 5), (1, 3)))
    inputs = {"g": -some(1, heads, tokens) / 50, "gc": -some(1, heads, tokens, 5) / 50, "w": -some(heads) / 50}
    inputs |= {"wc": -some(heads, 5) / 50, "beta": some(1, heads, tokens) / 50, "keep": 1 - some(1, heads, tokens) / 50}
    inputs["omega"] = some(7, 5) - 0.5
    states = {"S": some(1, heads, 5, 3), "z": some(1, heads, 5), "x": some(1, heads)}
    return Given((q, k, v), inputs, states if carried else {})


def pieces(spec: str, given: Given) -> int:
    """In how many the kernel takes a call."""
    kernel, _, _ = used_by(spec, given, 0, "cpp")
    _, heads, tokens, _ = given.qkv[0].shape
    found: int = sys.modules[kernel._function("cpp").__module__]._pieces(heads, tokens)
    return found


@pytest.mark.parametrize("spec", SOME)
def test_pieces_agree_with_the_interpreter(spec: str) -> None:
    given = call(2, 2 * 256 + 21)
    assert pieces(spec, given) == 3
    agrees(spec, given, 3)
    gradients_agree(spec, given, 3)


def test_pieces_of_feature_maps() -> None:
    """Their matrices are multiplied in each piece, and each sums the gradients by them."""
    given = call(2, 2 * 256 + 21, carried=False)
    assert pieces(FEATURES, given) == 3
    agrees(FEATURES, given, 0)
    gradients_agree(FEATURES, given, 0)


def test_tokens_that_hand_gradients_back_stay_together() -> None:
    """Two threads would add to those of the same token."""
    given = call(1, 256 + 1)
    kernel, _, _ = used_by(HANDS_BACK, given, 0, "cpp")
    assert "one thread takes all tokens of a head" in kernel.explain()
    assert "thread" not in used_by(SPECS[0], given, 0, "cpp")[0].explain()
    assert not hasattr(sys.modules[kernel._function("cpp").__module__], "_pieces")
    agrees(HANDS_BACK, given, 0)
    gradients_agree(HANDS_BACK, given, 0)


@pytest.mark.parametrize(
    ("heads", "tokens", "expected"),
    [
        *[(8, 4096, 1), (9, 4096, 1), (4, 4096, 2), (3, 4096, 2), (1, 4096, 8), (0, 300, 2)],
        *[(1, 0, 1), (1, 256, 1), (1, 257, 2), (1, 9 * 256, 5), (1, 2 * 256 + 1, 3)],
    ],
)
def test_as_many_pieces_as_keep_threads_busy(heads: int, tokens: int, expected: int) -> None:
    given = call(1, 1)
    kernel, _, _ = used_by(SPECS[0], given, 0, "cpp")
    assert sys.modules[kernel._function("cpp").__module__]._pieces(heads, tokens) == expected


def test_the_future_changes_nothing() -> None:
    """Not by rounding either: pieces that know their front are as all others."""
    given = call(1, 4 * 256)
    for spec in (each for each in SPECS if "order" not in each):
        kernel, used, _ = used_by(spec, given, 0, "cpp")
        q, k, v = used.qkv
        before = kernel(q, k, v, **used.inputs)
        v = torch.cat([v[:, :, :700], torch.randn(1, 1, 324, 3)], 2)
        k = torch.cat([k[:, :, :700], torch.randn(1, 1, 324, 5)], 2)
        assert torch.equal(kernel(q, k, v, **used.inputs)[:, :, :700], before[:, :, :700])


@pytest.mark.parametrize(
    ("programs", "chunks", "expected"),
    [
        *[(1, 1056, (132, 8)), (1, 100, (12, 9)), (1, 15, (1, 15)), (40, 1000, (3, 334)), (67, 1000, (1, 1000))],
        *[(0, 1000, (1, 1000)), (1, 0, (1, 1))],
    ],
)
def test_as_many_pieces_as_keep_processors_busy(
    programs: int, chunks: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of at least 8 chunks. A CPU, which interprets, has one processor; where there is no head nothing is launched."""
    kernel, _, _ = used_by(SPECS[0], call(2, 1), 0, "triton")
    pieces = sys.modules[kernel._function("triton").__module__]._pieces
    found = SimpleNamespace(multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    assert pieces(programs, chunks, torch.device("cuda")) == expected
    assert pieces(1, 1000, torch.device("cpu")) == (1, 1000)


@pytest.mark.parametrize("spec", [*SOME, FEATURES])
def test_pieces_in_triton(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one chunk, where there would be as many processors."""
    kernel, _, _ = used_by(spec, call(2, 1, carried=spec != FEATURES), 0, "triton")
    module = sys.modules[kernel._function("triton").__module__]
    given = call(2, 2 * module.DEFAULTS[64][1][0] + 5, carried=spec != FEATURES)
    monkeypatch.setattr(module, "_pieces", lambda _, chunks, __: (chunks, 1))
    agrees(spec, given, 3, "triton")
    gradients_agree(spec, given, 3, "triton")
