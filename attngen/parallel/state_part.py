"""A recurrence, shared by ranks: `kernel.on(group)`. Only states travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from attngen.analysis import algebra as al
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.ir.expr import EARLIER, Expr, Kind, Parameter, Size, distinct, integer, rewrite, size, variable
from attngen.parallel.blocks import AT_LEAST_0, fresh
from attngen.parallel.layouts import Layout
from attngen.parallel.part import Given, Part, in_autocast
from attngen.parallel.ranks import Ranks
from attngen.parallel.shared import summed
from attngen.parallel.states import Passing, as_matrix, as_state, bare, given_by_ranks_before
from attngen.runtime.kept import findings
from attngen.runtime.kernel import Kernel
from attngen.runtime.recurrent import RecurrentKernel

TOKENS = "all_tokens"


class StatePart(Part):
    """A recurrence on one of several ranks, each of which holds tokens that follow each other.

    A rank finds what its tokens leave behind and what they keep of before, is given the state in front of them, and
    goes through them once more with it: three passes, of which the second writes nothing.
    """

    def __init__(self, kernel: Kernel, variant: nodes.Variant, ranks: Ranks) -> None:
        super().__init__(kernel, ranks, Layout("contiguous"))
        self.variant, self.tokens = _of_share(variant)
        self.way = _way(variant)
        self._kernels: dict[str, RecurrentKernel] = {}

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, **inputs: Tensor) -> Tensor:
        """What this rank's tokens read. Every rank calls, and differentiates.

        Args:
            q: [B, heads, n, D]; k: [B, heads, n, D]; v: [B, heads, n, E]: this rank's tokens.
            scale: 1/sqrt(D) unless given.
            inputs: the spec's inputs by name: a share of those with a token axis, the whole of the others, whose
                gradients are the sums over all ranks.

        Returns:
            y: [B, H, n, E] in the dtype of q.

        Raises:
            ValueError: an argument does not fit (`CallError`, where the ranks don't agree); on all of them.
            MissingRankError: a rank did not answer in time.
        """
        q, k, v = in_autocast(q, k, v)
        given = Given(q, k, v, inputs, {"scale": scale})
        N, M = self._agreed(given)
        if N != M:
            raise CallError(f"{self.kernel.variant.name}: {N} queries and {M} keys are no tokens of one sequence")
        self._check_whole(given, N, M, 0)
        start = self.layout.runs(N, self.ranks.size, self.ranks.rank)
        position = start[0].start if start else 0
        shared = {name: given if name in self.axes else summed(self.ranks, given) for name, given in inputs.items()}
        numbers = {**self.kernel.parameters, self.tokens: N}
        before = None
        if self.ranks.size > 1:
            _, behind = self._run(self.variant, numbers, q, k, v, None, position, scale, shared)
            before = self._before(numbers, q, k, behind, position, scale, shared)
        y, _ = self._run(self.variant, numbers, q, k, v, before, position, scale, shared)
        return y

    def _before(
        self,
        numbers: Mapping[str, Number],
        q: Tensor,
        k: Tensor,
        behind: Mapping[str, Tensor],
        position: int,
        scale: float | None,
        inputs: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """The states in front of this rank's tokens."""
        without = bare(self.variant)
        left = {state.name: as_matrix(state, behind[state.name]) for state in without.states}
        width = max((left[state.name].shape[2] for state in without.states if state.erases is not None), default=1)
        heads = max(rows.shape[1] for rows in left.values())
        ones = {}
        for state in without.states:
            rows = left[state.name].shape[2]
            start = (
                torch.eye(rows, width, device=q.device)
                if state.erases is not None
                else torch.ones(rows, width, device=q.device)
            )
            matrix = start.expand(q.shape[0], heads, rows, width)
            ones[state.name] = as_state(replace(state, value_axis="e"), matrix)
        nothing = q.new_zeros((q.shape[0], heads, q.shape[2], width))
        read = {name: inputs[name] for name in without.inputs}
        _, kept = self._run(without.variant, numbers, q, k, nothing, ones, position, scale, read)
        passings = []
        for state in without.states:
            matrix = as_matrix(replace(state, value_axis="e"), kept[state.name])
            erases = state.erases is not None
            passings.append(
                Passing(matrix[..., : matrix.shape[2]] if erases else matrix[..., :1], left[state.name], erases)
            )
        found = given_by_ranks_before(self.ranks, passings, self.way)
        return {state.name: as_state(state, matrix) for state, matrix in zip(without.states, found, strict=True)}

    def _run(
        self,
        variant: nodes.Variant,
        numbers: Mapping[str, Number],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        state: Mapping[str, Tensor] | None,
        position: int,
        scale: float | None,
        inputs: Mapping[str, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        backend = self.kernel._backend_for(q)
        key = f"{backend} {variant is self.variant}"
        if key not in self._kernels:
            self._kernels[key] = RecurrentKernel(findings(variant), numbers, backend)
        function = self._kernels[key]._function(backend)
        y, values = function(q, k, v, scale=scale, position=position, state=state, **inputs, **numbers)
        return y, values


def _of_share(variant: nodes.Variant) -> tuple[nodes.Variant, str]:
    """The variant over a share of the tokens, and the parameter that is the number of all of them."""
    taken = {each.name for each in variant.parameters} | {each.name for each in variant.inputs}
    tokens = fresh(TOKENS, taken)

    def moved(expr: Expr) -> Expr:
        return Parameter(Kind.INT, name=tokens) if isinstance(expr, Size) and expr.axis in ("N", "M") else expr

    body = variant.recurrent
    states = tuple(replace(state, update=rewrite(state.update, moved)) for state in body.states)
    lets = tuple(nodes.Let(let.name, rewrite(let.value, moved)) for let in variant.lets)
    made = nodes.Recurrent(states, rewrite(body.out, moved))
    if any(EARLIER in distinct(expr) for expr in (made.out, *(state.update for state in states))):
        text = "`prev` of an input reads at a token that another rank may hold, which can't be shared yet"
        raise CallError(f"{variant.name}: {text} ({variant.span})")
    parameters = (*variant.parameters, nodes.Parameter(tokens, Kind.INT, 1, AT_LEAST_0))
    return replace(variant, parameters=parameters, body=made, lets=lets, assertions=()), tokens


def _way(variant: nodes.Variant) -> int:
    """1 if time goes from the first token to the last, -1 if it goes back."""
    order = variant.order
    if order is None:
        return 1
    last = al.subtract(size("M"), integer(1))
    if al.add(order.step, variable(order.variable)) in (last, al.subtract(size("N"), integer(1))):
        return -1
    text = "ranks share the tokens of an order only if it is `N - 1 - x`"
    raise CallError(f"{variant.name}: {text} ({order.span})")
