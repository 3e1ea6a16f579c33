"""Kernels of recurrent variants: q, k, v and a state in, y and a state out."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.reference import recurrence
from attngen.runtime.checks import check_call
from attngen.runtime.explain_recurrence import explain_recurrence
from attngen.runtime.kernel import Kernel


class State(NamedTuple):
    """What a recurrence carries from token to token.

    `values` holds each state of the spec by its name, [B, H, *channels]; `position` is that of the next token, a number
    or one for each batch row.
    """

    values: dict[str, Tensor]
    position: int | Tensor


class RecurrentKernel(Kernel):
    """A kernel that goes from token to token with a state, so that its time grows with the tokens and no faster."""

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float | None = None,
        state: State | None = None,
        return_state: bool = False,
        debug: bool = False,
        **inputs: Tensor,
    ) -> Any:
        """What each token reads from the states of a recurrence.

        Args:
            q: [B, heads, N, D]; k: [B, heads, N, D]; v: [B, heads, N, E]. Each head count divides the largest, H.
            scale: 1/sqrt(D) unless given.
            state: what is carried into the first token; 0 unless given, and then the first token stands at position 0.
            return_state: also give what is carried out of the last token.
            debug: look at data on a GPU too (sorted, in range, finite), which waits for the device; on a CPU, and by
                the reference, they always are.
            inputs: the spec's inputs by name.

        Returns:
            y: [B, H, N, E] in the dtype of q; with return_state, `(y, state)`.

        Raises:
            ValueError: an argument does not fit (`CallError`, where a name is unknown or missing).
        """
        self._check_names(inputs)
        start = self._start(state)
        backend = self._backend_for(q)
        if backend != "reference":
            carried = {} if state is None else state.values
            self._check_values(carried, q, k, v, inputs)
            given: dict[str, Any] = {**inputs, **self.parameters}
            function = self._function(backend)
            if debug and "debug" in signature(function).parameters:
                given["debug"] = True
            y, values = function(q, k, v, scale=scale, position=start, state=carried, **given)
            return (y, State(values, start + q.shape[2])) if return_state else y
        check_call(self.variant, q, k, v, scale=scale, offset=start, inputs=inputs, parameters=self.parameters)
        y, after = self.reference(q, k, v, scale=scale, state=state, return_state=True, **inputs)
        after = State({name: value.float() for name, value in after.values.items()}, after.position)
        return (y.to(q.dtype), after) if return_state else y.to(q.dtype)

    def reference(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float | None = None,
        state: State | None = None,
        return_state: bool = False,
        **inputs: Tensor,
    ) -> Any:
        """The same by the float64 interpreter, as the spec is written, token by token: y, or `(y, state)`."""
        self._check_names(inputs)
        start = self._start(state)
        values: Mapping[str, Tensor] = {} if state is None else state.values
        self._check_values(values, q, k, v, inputs)
        found = recurrence(
            self.variant, q, k, v, parameters=self.parameters, inputs=inputs, scale=scale, offset=start, states=values
        )
        return (found.y, State(found.states, start + q.shape[2])) if return_state else found.y

    def init_state(self, q: Tensor, k: Tensor, v: Tensor, **inputs: Tensor) -> State:
        """The state before the first token, all 0, for calls with such rows; their number of tokens is any."""
        sizes = self._sizes(q, k, v, inputs)
        shapes = {
            state.name: [sizes[axis] for axis in ("b", "h", *state.channels)] for state in self.variant.recurrent.states
        }
        return State({name: torch.zeros(shape, device=q.device) for name, shape in shapes.items()}, 0)

    def step(self, q: Tensor, k: Tensor, v: Tensor, state: State, **given: Any) -> tuple[Tensor, State]:
        """The next token, or the next few: as a call that is given a state and gives one back."""
        y, after = self(q, k, v, state=state, return_state=True, **given)
        return y, after

    def explain(self) -> str:
        """The canonical form, which kernels compute."""
        return explain_recurrence(self.variant)

    def _start(self, state: State | None) -> int | Tensor:
        """The position of the first token."""
        if state is None:
            return 0
        if not isinstance(state, State):
            raise CallError(f"{self.variant.name}: state is a {type(state).__name__}, not what a call gave back")
        if self.variant.order is not None and not (isinstance(state.position, int) and state.position == 0):
            where = self.variant.order.span
            raise CallError(f"{self.variant.name}: an order runs over all tokens, so no call can go on ({where})")
        return state.position

    def _check_values(
        self, values: Mapping[str, Tensor], q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Tensor]
    ) -> None:
        """Every state with its shape, or none."""
        if not values:
            return
        sizes = self._sizes(q, k, v, inputs)
        for state in self.variant.recurrent.states:
            axes = ("b", "h", *state.channels)
            shape = [sizes[axis] for axis in axes]
            if state.name not in values:
                raise CallError(f"{self.variant.name}: the state holds no `{state.name}` ({state.span})")
            if [*values[state.name].shape] != shape:
                given, wanted = [*values[state.name].shape], f"[{', '.join(axes)}] = {shape}"
                text = f"{self.variant.name}: the state `{state.name}` has the shape {given}; it must be {wanted}"
                raise CallError(f"{text} ({state.span})")

    def _sizes(self, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, int]:
        """The sizes of the axes that states may have."""
        sizes = {"b": q.shape[0], "h": max(rows.shape[1] for rows in (q, k, v)), "c": q.shape[3], "e": v.shape[3]}
        for given in self.variant.inputs:
            for axis, size in zip(given.axes, inputs[given.name].shape, strict=True):
                sizes.setdefault(axis, size)
        return sizes
