"""attngen.nn.Attention against what it is made of, and as a module of torch."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import attngen
from attngen.nn import Attention

SPECS = Path(__file__).parents[1] / "specs"
CAUSAL = "attention causal_ { mask j <= i }"
ROPE = "attention turned_ { score scale * dot(rotate(q, i * theta(100.0)), rotate(k, j * theta(100.0))) mask j <= i }"


def tokens(count: int = 9, width: int = 32) -> Tensor:
    return torch.randn(2, count, width, generator=torch.Generator().manual_seed(count))


def test_it_is_multi_head_attention() -> None:
    """torch's own module with the same weights gives the same."""
    ours, theirs = Attention(CAUSAL, 32, 4), nn.MultiheadAttention(32, 4, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.k.weight, ours.v.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
    x = tokens()
    mask = nn.Transformer.generate_square_subsequent_mask(9)
    assert torch.allclose(ours(x), theirs(x, x, x, attn_mask=mask, need_weights=False)[0], atol=1e-5)


def test_heads_may_share_keys() -> None:
    layer = Attention(CAUSAL, 32, 4, kv_heads=2, head_dim=6, bias=True)
    assert layer.q.weight.shape == (24, 32) and layer.k.weight.shape == (12, 32) and layer.out.weight.shape == (32, 24)
    x = tokens()
    q, k, v = (rows.unflatten(-1, (-1, 6)).transpose(1, 2) for rows in (layer.q(x), layer.k(x), layer.v(x)))
    y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    assert torch.allclose(layer(x), layer.out(y.transpose(1, 2).flatten(2)), atol=1e-5)


@pytest.mark.parametrize("offset", [None, 3, torch.tensor([2, 5])])
def test_rotary_embeddings_are_those_of_the_prelude(offset: int | Tensor | None) -> None:
    outside, inside = Attention(CAUSAL, 32, 4, rotary=100.0), Attention(ROPE, 32, 4)
    inside.load_state_dict(outside.state_dict())
    x, context = tokens(5), tokens(11)
    assert torch.allclose(outside(x, context, offset=offset), inside(x, context, offset=offset), atol=1e-5)


def test_inputs_of_the_layer_are_learned() -> None:
    layer = Attention(SPECS / "t5_bias.attn", 32, 4, inputs={"table": torch.zeros(32, 4)})
    layer(tokens()).square().sum().backward()
    assert {name for name, _ in layer.named_parameters()} == {
        "inputs.table", "q.weight", "k.weight", "v.weight", "out.weight",
    }  # fmt: skip
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name


def test_other_inputs_stay_as_they_are() -> None:
    doc = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2]).expand(2, -1)
    layer = Attention(SPECS / "packed_documents.attn", 32, 4, inputs={"doc": doc})
    assert torch.equal(layer(tokens()), copy.deepcopy(layer)(tokens()))
    given = Attention(SPECS / "packed_documents.attn", 32, 4)
    given.load_state_dict(layer.state_dict(), strict=False)
    assert torch.equal(layer(tokens()), given(tokens(), doc=doc))


def test_a_model_learns() -> None:
    """To copy the token before: impossible without attention."""
    torch.manual_seed(0)
    embed, layer, read = nn.Embedding(7, 32), Attention(CAUSAL, 32, 2, rotary=100.0), nn.Linear(32, 7)
    optimizer = torch.optim.Adam([*embed.parameters(), *layer.parameters(), *read.parameters()], lr=1e-2)
    text = torch.randint(0, 7, (8, 20))
    losses = []
    for _ in range(150):
        loss = nn.functional.cross_entropy(read(layer(embed(text)))[:, 1:].flatten(0, 1), text[:, :-1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5 and losses[-1] < 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 5}, "embed_dim = 32 is no multiple of num_heads = 5; give head_dim"),
        ({"kv_heads": 3}, "kv_heads = 3 does not divide num_heads = 4"),
        ({"head_dim": 7, "rotary": 100.0}, "a head has 7"),
        ({"inputs": {"slope": torch.zeros(4)}}, "there is no input `slope`"),
    ],
)
def test_what_does_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(attngen.CallError, match=message):
        Attention(CAUSAL, 32, **{"num_heads": 4, **options})  # type: ignore[arg-type]


def test_it_says_what_it_is() -> None:
    layer = Attention(CAUSAL, 32, 4, kv_heads=2, rotary=1e4)
    assert "<attngen kernel causal_, backend=auto>, 4 heads over 2 of 8 channels, rotary=10000" in repr(layer)
