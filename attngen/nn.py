"""Attention as a module: projections around a kernel, so that a variant is tried in a model in one line.

layer = attngen.nn.Attention("specs/s2attn.attn", 512, 8, group=256)     # in place of torch.nn.MultiheadAttention
y = layer(x)                                                             # [B, tokens, 512]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attngen.errors import CallError
from attngen.ir.nodes import Variant
from attngen.runtime.build import build
from attngen.runtime.kernel import Kernel
from attngen.runtime.prepared import Prepared


class Attention(nn.Module):
    """Multi-head attention of a variant: y = out(kernel(q(x), k(context), v(context))).

    Attributes:
        kernel: the variant, built.
        q, k, v, out: the projections, `torch.nn.Linear`.
        inputs: what is learned of the spec's inputs, by name.
    """

    def __init__(
        self,
        spec: str | Path | Variant,
        embed_dim: int,
        num_heads: int,
        *,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        context_dim: int | None = None,
        rotary: float | None = None,
        bias: bool = False,
        inputs: Mapping[str, Tensor] | None = None,
        name: str | None = None,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **parameters: int | float | bool,
    ) -> None:
        """Build the kernel and make the projections.

        Args:
            spec: a path, the text of a spec, or a checked variant, as for `attngen.build`.
            embed_dim: channels of x and y.
            num_heads: heads of queries.
            kv_heads: heads of keys and values, which groups of queries share; `num_heads` unless given.
            head_dim: channels of a head; `embed_dim / num_heads` unless given.
            context_dim: channels of the context, for cross-attention; `embed_dim` unless given.
            rotary: the base of rotary embeddings (RoFormer, arXiv:2104.09864) that q and k get here; leave it out where
                the spec turns them itself.
            bias: whether projections have one.
            inputs: the spec's inputs that belong to the layer and not to a call: those of floats are learned from
                these values on, the others stay as they are.
            name: which attention, where the spec holds several.
            backend, parameters: as for `attngen.build`.

        Raises:
            SpecError: the spec is wrong, or can't be compiled.
            CallError: a parameter, an input or a number does not fit.
        """
        super().__init__()
        self.kernel: Kernel = build(spec, name=name, backend=backend, **parameters)
        self.num_heads, self.kv_heads = num_heads, kv_heads or num_heads
        self.head_dim = head_dim or embed_dim // num_heads
        self.rotary = rotary
        self._check(embed_dim, head_dim)
        context, places = context_dim or embed_dim, {"device": device, "dtype": dtype}
        self.q = nn.Linear(embed_dim, self.num_heads * self.head_dim, bias=bias, **places)
        self.k = nn.Linear(context, self.kv_heads * self.head_dim, bias=bias, **places)
        self.v = nn.Linear(context, self.kv_heads * self.head_dim, bias=bias, **places)
        self.out = nn.Linear(self.num_heads * self.head_dim, embed_dim, bias=bias, **places)
        self.inputs = nn.ParameterDict()
        self._own: list[str] = []
        for label, value in (inputs or {}).items():
            self._keep(label, value.detach().clone().to(device=device))

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        offset: int | Tensor | None = None,
        prepared: Prepared | None = None,
        **inputs: Tensor,
    ) -> Tensor:
        """Attend from x to the context.

        Args:
            x: [B, N, embed_dim].
            context: [B, M, context_dim]; x unless given.
            offset: the position of x's first token, one number or int [B]; M - N unless given.
            prepared: what `kernel.prepare` found for a call like this one.
            inputs: the spec's inputs that the layer does not hold.

        Returns:
            [B, N, embed_dim].
        """
        context = x if context is None else context
        q = self._heads(self.q(x), self.num_heads)
        k, v = (self._heads(rows(context), self.kv_heads) for rows in (self.k, self.v))
        if self.rotary is not None:
            first = k.shape[2] - q.shape[2] if offset is None else offset
            q, k = _turned(q, self.rotary, first), _turned(k, self.rotary, 0)
        given: dict[str, Any] = {label: getattr(self, f"_input_{label}") for label in self._own}
        given |= {**self.inputs, **inputs, "offset": offset, "prepared": prepared}
        y = self.kernel(q, k, v, **given)
        return self.out(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The kernel and its heads, for `print(model)`."""
        turned = "" if self.rotary is None else f", rotary={self.rotary:g}"
        return f"{self.kernel}, {self.num_heads} heads over {self.kv_heads} of {self.head_dim} channels{turned}"

    def _heads(self, rows: Tensor, heads: int) -> Tensor:
        """[B, heads, tokens, head_dim]."""
        return rows.view(*rows.shape[:-1], heads, self.head_dim).transpose(1, 2)

    def _keep(self, label: str, value: Tensor) -> None:
        """An input of the layer's own: a parameter if it is of floats, a buffer if not."""
        known = {given.name for given in self.kernel.variant.inputs}
        if label not in known:
            hint = f"its inputs: {', '.join(sorted(known)) or 'none'}"
            raise CallError(f"{self.kernel.variant.name}: there is no input `{label}`; {hint}")
        if value.is_floating_point():
            self.inputs[label] = nn.Parameter(value)
        else:
            self._own.append(label)
            self.register_buffer(f"_input_{label}", value)

    def _check(self, embed_dim: int, head_dim: int | None) -> None:
        if head_dim is None and embed_dim % self.num_heads:
            raise CallError(f"embed_dim = {embed_dim} is no multiple of num_heads = {self.num_heads}; give head_dim")
        if self.num_heads % self.kv_heads:
            raise CallError(f"kv_heads = {self.kv_heads} does not divide num_heads = {self.num_heads}")
        if self.rotary is not None and self.head_dim % 2:
            raise CallError(f"rotary embeddings turn pairs of channels, and a head has {self.head_dim}")


def _turned(rows: Tensor, base: float, first: int | Tensor) -> Tensor:
    """Rows [B, heads, tokens, D] turned by their positions: channel c with channel c + D/2, as the prelude's `rotate`.

    Angles are float64, because float32 loses them far out.
    """
    half = rows.shape[-1] // 2
    options: dict[str, Any] = {"device": rows.device, "dtype": torch.float64}
    frequency = base ** -(torch.arange(half, **options) / half)
    start = first[..., None, None, None] if isinstance(first, Tensor) else first
    position = torch.arange(rows.shape[2], **options)[:, None] + start
    angle = position * frequency
    cos, sin = angle.cos().to(rows.dtype), angle.sin().to(rows.dtype)
    left, right = rows[..., :half], rows[..., half:]
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)
