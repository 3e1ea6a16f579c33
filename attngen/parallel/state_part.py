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
from attngen.parallel.blocks import AT_LEAST_0
from attngen.parallel.layouts import Layout
from attngen.parallel.part import Part
from attngen.parallel.ranks import Ranks
from attngen.parallel.shared import summed
from attngen.parallel.states import Passing, as_matrix, as_state, bare, given_by_ranks_before
from attngen.runtime.checks import check_call
from attngen.runtime.kept import findings
from attngen.runtime.kernel import Kernel
from attngen.runtime.recurrent import RecurrentKernel

TOKENS = "all_tokens"


class StatePart(Part):
    """A recurrence on one of several ranks, each of which holds tokens that follow each other.

    A rank finds what its tokens leave behind and what they keep of before, is given the state in front of them, and
    goes through them once more with it.
    """

    def __init__(self, kernel: Kernel, variant: nodes.Variant, ranks: Ranks) -> None:
        super().__init__(kernel, ranks, Layout("contiguous"))
        self.variant = _of_share(variant)
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
            CallError: an argument does not fit, or the ranks don't agree; on all of them.
            MissingRankError: a rank did not answer in time.
        """
        self.kernel._check_names(inputs)
        N, M = self._lengths({"q": q, "k": k, "v": v, **inputs}, scale=scale)
        if N != M:
            raise CallError(f"{self.kernel.variant.name}: {N} queries and {M} keys are no tokens of one sequence")
        start = self.layout.runs(N, self.ranks.size, self.ranks.rank)
        position = start[0].start if start else 0
        shared = {name: given if name in self.axes else summed(self.ranks, given) for name, given in inputs.items()}
        numbers = {**self.kernel.parameters, TOKENS: N}
        _, behind = self._run(self.variant, numbers, q, k, v, None, position, scale, shared)
        before = self._before(numbers, q, k, behind, position, scale, shared)
        y, _ = self._run(self.variant, numbers, q, k, v, before, position, scale, shared)
        return y

    def _check(self, tensors: Mapping[str, Tensor], scale: float | None) -> None:
        """As the tokens of this rank."""
        inputs = {given.name: tensors[given.name] for given in self.variant.inputs}
        numbers = {**self.kernel.parameters, TOKENS: 0}
        unasserted = replace(self.variant, assertions=())  # sizes are not known yet
        rows = tensors["q"], tensors["k"], tensors["v"]
        check_call(unasserted, *rows, scale=scale, offset=0, inputs=inputs, parameters=numbers)

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


def _of_share(variant: nodes.Variant) -> nodes.Variant:
    """The variant over a share of the tokens, whose number all of them is a parameter."""

    def moved(expr: Expr) -> Expr:
        return Parameter(Kind.INT, name=TOKENS) if isinstance(expr, Size) and expr.axis in ("N", "M") else expr

    body = variant.recurrent
    states = tuple(replace(state, update=rewrite(state.update, moved)) for state in body.states)
    lets = tuple(nodes.Let(let.name, rewrite(let.value, moved)) for let in variant.lets)
    added = nodes.Parameter(TOKENS, Kind.INT, 0, AT_LEAST_0)
    made = nodes.Recurrent(states, rewrite(body.out, moved))
    if any(EARLIER in distinct(expr) for expr in (made.out, *(state.update for state in states))):
        text = "`prev` of an input reads at a token that another rank may hold, which can't be shared yet"
        raise CallError(f"{variant.name}: {text} ({variant.span})")
    assertions = tuple(replace(each, condition=rewrite(each.condition, moved)) for each in variant.assertions)
    parameters = (*variant.parameters, added)
    return replace(variant, parameters=parameters, body=made, lets=lets, assertions=assertions)


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
