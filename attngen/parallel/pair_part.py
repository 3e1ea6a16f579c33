"""An attention over pairs, shared by ranks: `kernel.on(group)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.evaluate import Number, evaluate
from attngen.parallel.blocks import block_of
from attngen.parallel.kernels import Operators
from attngen.parallel.layouts import Layout
from attngen.parallel.needs import mask_inputs, needs_of
from attngen.parallel.pairs import PairCall
from attngen.parallel.part import Part
from attngen.parallel.ranks import Ranks
from attngen.parallel.ring import Ring
from attngen.runtime.checks import check_call
from attngen.runtime.pairwise import PairwiseKernel

SENDS = ("keys", "queries")


class PairPart(Part):
    """An attention over pairs on one of several ranks, each of which holds a share of the queries and of the keys.

    Attributes:
        send: what travels backward: `keys` (and values), or `queries` with what their gradients need.
    """

    kernel: PairwiseKernel

    def __init__(self, kernel: PairwiseKernel, ranks: Ranks, layout: Layout, send: str) -> None:
        super().__init__(kernel, ranks, layout)
        self.send = send
        self._operators: dict[tuple[str, bool], Operators] = {}
        self._rings: dict[Any, Ring] = {}

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float | None = None,
        offset: int | None = None,
        return_lse: bool = False,
        **inputs: Tensor,
    ) -> Any:
        """This rank's rows of the attention of all queries over all keys. Every rank calls, and differentiates.

        Args:
            q: [B, heads, n, D], this rank's queries; k: [B, heads, m, D]; v: [B, heads, m, E], its keys.
            scale: 1/sqrt(D) unless given.
            offset: the position of the first query of the whole sequence; M - N unless given.
            return_lse: also give the natural log-sum-exp of each row's scores, float32 [B, H, n].
            inputs: the spec's inputs by name: a share of those with a token axis (of the first, if there are two), the
                whole of the others, whose gradients are the sums over all ranks.

        Returns:
            y: [B, H, n, E] in the dtype of q; with return_lse, `(y, lse)`.

        Raises:
            CallError: an argument does not fit, or the ranks don't agree; on all of them.
            MissingRankError: a rank did not answer in time.
        """
        variant = self.kernel.variant
        self.kernel._check_names(inputs)
        if return_lse and not self.kernel.has_lse:
            raise CallError(f"{variant.name}: only a softmax has a log-sum-exp ({variant.span})")
        if isinstance(offset, Tensor):
            raise CallError(f"{variant.name}: where ranks share a sequence, the offset is one number")
        N, M = self._lengths({"q": q, "k": k, "v": v, **inputs}, scale=scale, offset=offset, send=self.send)
        first = M - N if offset is None else offset
        self._require_aligned(N, M, first)
        values = torch.cat([v, v.new_ones((*v.shape[:3], 1))], 3) if self._summed else v
        sizes = {"N": N, "M": M, "offset": first}
        call = self._call(q, k, values, sizes, scale, inputs)
        attended = _Attention.apply(call, tuple(inputs), q, k, values, *inputs.values())  # type: ignore[no-untyped-call]
        y, lse = attended
        if self._summed:
            y = y[..., :-1] / (y[..., -1:] + self._eps(q, k, v, sizes, scale))
        y = y.to(q.dtype)
        return (y, lse) if return_lse else y

    # ---- a call

    def _check(self, tensors: Mapping[str, Tensor], scale: float | None) -> None:
        """As a call of this rank's queries and keys alone."""
        q, k, v = tensors["q"], tensors["k"], tensors["v"]
        if self._read_by_queries and q.shape[2:3] != k.shape[2:3]:
            return  # refused as a whole, with what is wrong
        inputs = {}
        for cut in block_of(self.kernel.variant).inputs:
            inputs[cut.of] = tensors[cut.of]
            for axis, _ in cut.axes[1:]:  # all keys of the sequence
                inputs[cut.of] = inputs[cut.of].narrow(axis, 0, min(k.shape[2], inputs[cut.of].shape[axis]))
        local = replace(self.kernel.variant, assertions=(), order=None)  # those are about whole sequences
        check_call(local, q, k, v, scale=scale, offset=0, inputs=inputs, parameters=self.kernel.parameters)

    @property
    def _read_by_queries(self) -> list[str]:
        """The inputs along positions that queries read at theirs."""
        variant = self.kernel.variant
        return sorted(
            cut.of for cut in block_of(variant).inputs if not cut.travels and "n" in variant.input(cut.of).axes
        )

    @property
    def _summed(self) -> bool:
        """Whether rows are divided by sums of weights, which blocks give as a channel more of y."""
        return isinstance(self.kernel.variant.pairwise.normalization, nodes.Sum)

    def _require_aligned(self, N: int, M: int, first: int) -> None:
        """What queries read along positions must lie where they do."""
        variant = self.kernel.variant
        if self._read_by_queries and (N != M or first != 0):
            given = variant.input(self._read_by_queries[0])
            raise CallError(
                f"{variant.name}: queries read `{given.name}` at their positions: ranks can share as many queries as"
                f" keys, from position 0 on, and here are {N} and {M}, from {first} ({given.span})"
            )

    def _call(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        sizes: Mapping[str, int],
        scale: float | None,
        inputs: Mapping[str, Tensor],
    ) -> PairCall:
        variant, parameters = self.kernel.variant, self.kernel.parameters
        normalization = variant.pairwise.normalization
        numbers: dict[str, Number] = {**parameters, **sizes, "B": q.shape[0], "H": max(x.shape[1] for x in (q, k, v))}
        backend = self.kernel._backend_for(q)
        block, others = block_of(variant), self._operators_of(backend, False)
        has_once = isinstance(normalization, nodes.Softmax) and normalization.sink is not None
        return PairCall(
            ring=self._ring(numbers, inputs),
            ranks=self.ranks,
            block=block,
            opening=self._operators_of(backend, True) if has_once else others,
            others=others,
            numbers={**parameters, "scale": scale, block.keys: sizes["M"], block.queries: sizes["N"]},
            offset=sizes["offset"],
            inputs=inputs,
            normalized=isinstance(normalization, (nodes.Softmax, nodes.Count)),
            sends_queries=self.send == "queries",
        )

    def _operators_of(self, backend: str, opening: bool) -> Operators:
        if (backend, opening) not in self._operators:
            block = block_of(self.kernel.variant, opening)
            self._operators[backend, opening] = Operators.of(block, self.kernel.parameters, backend)
        return self._operators[backend, opening]

    def _ring(self, numbers: Mapping[str, Number], inputs: Mapping[str, Tensor]) -> Ring:
        """Who needs what; masks that data decide are looked at in each call."""
        variant, N, M = self.kernel.variant, int(numbers["N"]), int(numbers["M"])
        known = tuple(sorted(numbers.items()))
        if known in self._rings:
            return self._rings[known]
        whole = {}
        for name in mask_inputs(variant):
            whole[name] = inputs[name]
            if name in self.axes:
                tokens = N if variant.input(name).axes[self.axes[name]] == "i" else M
                whole[name] = self._together(inputs[name], tokens, self.axes[name])
        needs = needs_of(self.kernel.plan, numbers, {name: given.cpu() for name, given in whole.items()})
        ring = Ring(self.layout, self.ranks.size, N, M, needs)
        if not whole:
            self._rings[known] = ring
        return ring

    def _eps(self, q: Tensor, k: Tensor, v: Tensor, sizes: Mapping[str, int], scale: float | None) -> float:
        """What `sum` adds to the sum of each row; it knows the sizes of the whole."""
        normalization = self.kernel.variant.pairwise.normalization
        assert isinstance(normalization, nodes.Sum)
        width, heads = q.shape[3], max(rows.shape[1] for rows in (q, k, v))
        fixed = {
            "B": q.shape[0],
            "H": heads,
            "D": width,
            "E": v.shape[3],
            "scale": width**-0.5 if scale is None else scale,
        }
        return float(evaluate(normalization.eps, {**self.kernel.parameters, **sizes, **fixed}))


class _Attention(torch.autograd.Function):
    """This rank's rows in float32, their log-sum-exp, and gradients."""

    @staticmethod
    def forward(
        ctx: Any, call: PairCall, names: tuple[str, ...], q: Tensor, k: Tensor, v: Tensor, *given: Tensor
    ) -> tuple[Tensor, Tensor]:
        merged = call.forward(q, k, v)
        ctx.call, ctx.names = call, ("q", "k", "v", *names)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(q, k, v, merged.y, merged.stats, *given)
        return merged.y, merged.lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dlse: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, y, stats, *given = ctx.saved_tensors
        call: PairCall = ctx.call
        dy = torch.zeros_like(y) if dy is None else dy
        centre = (dy * y).sum(-1) - (0.0 if dlse is None else dlse)
        of_rows = {"dy": dy.to(q.dtype).contiguous(), "stats": stats, "centre": centre}
        wanted = {name for name, asked in zip(ctx.names, ctx.needs_input_grad[2:], strict=True) if asked}
        found = call.backward({"q": q, "k": k, "v": v}, of_rows, wanted)
        for name in sorted(call.shared & found.keys()):
            found[name] = call.ranks.total(found[name])
        tensors = zip(ctx.names, (q, k, v, *given), strict=True)
        return None, None, *(found[name].to(tensor.dtype) if name in found else None for name, tensor in tensors)
