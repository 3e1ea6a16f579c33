"""The language model of examples/ trains with recurrences of several kinds, and goes on from its states."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import torch

import attngen
from attngen.runtime.module import import_path

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return import_path(EXAMPLES / "ssm_lm.py", "ssm_lm_example")


@pytest.mark.parametrize("name", ["retention_recurrent", "mamba2", "kda"])
def test_every_parameter_is_trained(example: ModuleType, name: str) -> None:
    """Inputs of heads, of tokens and of channels, with a range and without one."""
    torch.manual_seed(0)
    model, (text, held) = example.LanguageModel(name, 64, 1), example.library()
    before = {label: parameter.detach().clone() for label, parameter in model.named_parameters()}
    curve = example.train(model, text, held, 2, name)
    assert len(curve) == 2 and all(math.isfinite(loss) for _, loss in curve)
    example.loss_of(model, next(example.batches(text, 1, 3))).backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), label
        assert not parameter.equal(before[label]), label


@pytest.mark.parametrize("name", ["retention_recurrent", "rwkv6", "gated_deltanet", "causal"])
def test_steps_give_what_one_call_gives(example: ModuleType, name: str) -> None:
    """A prompt and then byte by byte: the same logits, and the states of recurrences stay as large as they are."""
    torch.manual_seed(0)
    model = example.LanguageModel(name, 64, 2)
    text, logits, sizes = example.write(model, example.library()[0][:37].long(), 12)
    assert text.shape == (49,) and logits.shape == (49, 256)
    torch.testing.assert_close(logits, model(text[None])[0][0].detach(), atol=1e-4, rtol=0)
    assert len(set(sizes)) == 1 and (name == "causal" or sizes[0] == 2 * 2 * 32 * 32 * 4)


def test_a_cache_grows_when_it_is_full(example: ModuleType) -> None:
    cached = example.Cached(attngen.build("attention a { mask j <= i }"))
    q, k, v = torch.randn(3, 1, 2, 12, 32)
    _, state = cached(q[:, :, :4], k[:, :, :4], v[:, :, :4], return_state=True)
    state = state._replace(values={name: rows[:, :, :4] for name, rows in state.values.items()})
    for token in range(4, 12):
        y, state = cached.step(*(rows[:, :, token : token + 1] for rows in (q, k, v)), state)
    torch.testing.assert_close(y, cached.kernel(q, k, v)[:, :, -1:], atol=1e-5, rtol=0)


def test_inputs_stay_in_their_ranges(example: ModuleType) -> None:
    """What is made of any features lies where the spec says, in the order of its axes."""
    variant = attngen.load("""attention a {
      input g[b, h, t, c]: float <= 0
      input dt[h, t, b]: float >= 0
      input gamma[c, h]: float in (0, 1]
      input skip[h]: float
      state S = gamma[c, h] * exp(g[b, h, t, c] * dt[h, t, b]) * S + outer(k, v)
      out   dot(q, S) + skip[h] * v
    }""")
    sizes = {"b": 3, "t": 5, "h": 2, "c": 32}
    for given in variant.inputs:
        value = example.Given(given, 64)(9 * torch.randn(3, 5, 64))
        assert value.shape == tuple(sizes[axis] for axis in given.axes)
        low, high = {"g": (-math.inf, 0), "dt": (0, math.inf), "gamma": (0, 1)}.get(given.name, (-math.inf, math.inf))
        assert low <= value.min() and value.max() <= high, given.name


def test_a_run_is_reported_and_drawn(example: ModuleType) -> None:
    losses, times = example.run(("gla", "deltanet"), 2, 32, 1, (16, 32))
    assert [name for name, _, _ in losses] == ["gla", "deltanet"]
    assert "milliseconds per token after 16, 32 tokens:" in example.report(losses, times)
    drawn = ElementTree.fromstring(example.picture(losses, times))
    assert len(drawn.findall("{*}polyline")) == 4
