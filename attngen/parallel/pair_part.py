"""An attention over pairs, shared by ranks: `kernel.on(group)`."""

from __future__ import annotations

from collections.abc import Mapping
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
from attngen.parallel.merging import Added
from attngen.parallel.needs import mask_inputs, needs_of
from attngen.parallel.pairs import CENTRE, DY, STATS, PairCall
from attngen.parallel.part import Given, Part, in_autocast
from attngen.parallel.ranks import Ranks
from attngen.parallel.ring import Ring
from attngen.runtime.pairwise import PairwiseKernel

SENDS = ("keys", "queries")
MOST = 8
"""Lengths whose messages are kept in mind."""
LEAST = 1e-30
"""Blocks whose weights are all 0 divide by it where nothing is added to sums."""


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
            inputs: the spec's inputs by name: a share of those with a token axis (of queries, if there are two), the
                whole of the others, whose gradients are the sums over all ranks.

        Returns:
            y: [B, H, n, E] in the dtype of q; with return_lse, `(y, lse)`.

        Raises:
            ValueError: an argument does not fit (`CallError`, where the ranks don't agree); on all of them, but for a
                pair that reads outside of an input's own axes, which the rank says that has it.
            MissingRankError: a rank did not answer in time.
        """
        q, k, v = in_autocast(q, k, v)
        options = {"scale": scale, "offset": offset, "return_lse": return_lse, "send": self.send}
        given = Given(q, k, v, inputs, options)
        N, M = self._agreed(given)
        first = M - N if offset is None else offset
        self._require_aligned(N, M, first)
        self._check_whole(given, N, M, first)
        call = self._call(given, {"N": N, "M": M, "offset": first})
        attended = _Attention.apply(call, tuple(inputs), q, k, v, *inputs.values())  # type: ignore[no-untyped-call]
        y, lse = attended
        y = y.to(q.dtype)
        return (y, lse) if return_lse else y

    # ---- a call

    def _check(self, given: Given) -> None:
        variant, offset = self.kernel.variant, given.options["offset"]
        if given.options["return_lse"] and not self.kernel.has_lse:
            raise CallError(f"{variant.name}: only a softmax has a log-sum-exp ({variant.span})")
        if not (offset is None or (isinstance(offset, int) and not isinstance(offset, bool))):
            raise CallError(f"{variant.name}: where ranks share a sequence, the offset is one int, not {offset!r}")
        if self._read_by_queries and given.q.shape[2:3] != given.k.shape[2:3]:
            return  # refused as a whole, with what is wrong
        super()._check(given)

    @property
    def _read_by_queries(self) -> list[str]:
        """The inputs along positions that queries read at theirs."""
        variant = self.kernel.variant
        return sorted(
            cut.of for cut in block_of(variant).inputs if not cut.travels and "n" in variant.input(cut.of).axes
        )

    def _require_aligned(self, N: int, M: int, first: int) -> None:
        """What queries read along positions must lie where they do."""
        variant = self.kernel.variant
        if self._read_by_queries and (N != M or first != 0):
            given = variant.input(self._read_by_queries[0])
            raise CallError(
                f"{variant.name}: queries read `{given.name}` at their positions: ranks can share as many queries as"
                f" keys, from position 0 on, and here are {N} and {M}, from {first} ({given.span})"
            )

    def _call(self, given: Given, sizes: Mapping[str, int]) -> PairCall:
        q, v, scale = given.q, given.v, given.options["scale"]
        heads = max(rows.shape[1] for rows in given.rows.values())
        scaled = q.shape[3] ** -0.5 if scale is None else scale
        fixed = {**sizes, "B": q.shape[0], "H": heads, "D": q.shape[3], "E": v.shape[3], "scale": scaled}
        block, backend = block_of(self.kernel.variant), self.kernel._backend_for(q)
        normalization = self.kernel.variant.pairwise.normalization
        others = self._operators_of(backend, False)
        has_once = isinstance(normalization, nodes.Softmax) and normalization.sink is not None
        added = self._added(fixed)
        numbers = block.numbers(sizes["M"], sizes["N"], 0, added.by_blocks)
        return PairCall(
            ring=self._ring({**self.kernel.parameters, **fixed}, given.inputs),
            ranks=self.ranks,
            block=block,
            opening=self._operators_of(backend, True) if has_once else others,
            others=others,
            numbers={**self.kernel.parameters, **numbers, "scale": scale},
            offset=sizes["offset"],
            inputs=given.inputs,
            normalized=not isinstance(normalization, nodes.Unnormalized),
            has_lse=self.kernel.has_lse,
            added=added,
            sends_queries=self.send == "queries",
        )

    def _added(self, numbers: Mapping[str, Number]) -> Added:
        """What `sum` adds to the sum of each row, once; blocks add it too, or so little that it makes no difference."""
        normalization = self.kernel.variant.pairwise.normalization
        if not isinstance(normalization, nodes.Sum):
            return Added()
        once = float(evaluate(normalization.eps, {**self.kernel.parameters, **numbers}))
        return Added(once, once if once > LEAST else LEAST)

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
        for name in mask_inputs(self.kernel.plan):
            whole[name] = inputs[name]
            if name in self.axes:
                tokens = N if variant.input(name).axes[self.axes[name]] == "i" else M
                whole[name] = self._together(inputs[name], tokens, self.axes[name])
        self._require_sorted(whole)
        needs = needs_of(self.kernel.plan, numbers, {name: given.cpu() for name, given in whole.items()})
        ring = Ring(self.layout, self.ranks.size, N, M, needs)
        if not whole:
            if len(self._rings) == MOST:
                self._rings.clear()
            self._rings[known] = ring
        return ring

    def _require_sorted(self, whole: Mapping[str, Tensor]) -> None:
        """A share may be sorted where the whole is not; as ever, data are looked at on a CPU."""
        for name, given in whole.items():
            declared = self.kernel.variant.input(name)
            if declared.sorted and name in self.axes and given.is_cpu and bool((given.diff(dim=-1) < 0).any()):
                raise CallError(
                    f"{self.kernel.variant.name}: {name} is declared sorted and falls somewhere ({declared.span})"
                )


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
        of_rows = {DY: dy.to(q.dtype).contiguous(), STATS: stats, CENTRE: centre}
        wanted = {name for name, asked in zip(ctx.names, ctx.needs_input_grad[2:], strict=True) if asked}
        found = call.backward({"q": q, "k": k, "v": v}, of_rows, wanted)
        for name in sorted(call.shared & found.keys()):
            found[name] = call.ranks.total(found[name])
        tensors = zip(ctx.names, (q, k, v, *given), strict=True)
        return None, None, *(found[name].to(tensor.dtype) if name in found else None for name, tensor in tensors)
