"""Whether the kernel of a row computes what its spec means, at the size that is timed."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from attngen.bench.gpu.subjects import Subject
from attngen.ir.nodes import Recurrent
from attngen.runtime import recurrent_trial, trial
from attngen.runtime.recurrent_trial import Difference


def verified(given: Subject, y: Tensor) -> tuple[Difference, ...]:
    """Largest differences from the interpreter, as `attngen run` finds them: in the last rows, or the first tokens.

    Args:
        y: what the call that is timed gave.
    """
    if isinstance(given.variant.body, Recurrent):
        return _first_tokens(given, y)
    lse = None
    if given.kernel.has_lse:
        _, lse = given.kernel(*given.rows, return_lse=True, **given.inputs)
    found = trial.compared(given.kernel, *given.rows, given.inputs, y, lse)
    if not found.live:
        return ()  # where no pair is live, nothing is compared
    of_y = Difference("y", found.error, found.tolerance)
    return (of_y, Difference("lse", found.lse_error, found.lse_tolerance)) if lse is not None else (of_y,)


def _first_tokens(given: Subject, y: Tensor) -> tuple[Difference, ...]:
    """In a call with these tokens alone; and whether the long call gives the same there."""
    count = min(y.shape[2], recurrent_trial.COMPARED_TOKENS)
    q, k, v = (x[:, :, :count] for x in given.rows)
    inputs = recurrent_trial.first_tokens(given.variant, given.inputs, count)
    found = recurrent_trial.differences(given.kernel, q, k, v, inputs)
    if not found or given.variant.order is not None:  # in an order, the first tokens may depend on later ones
        return found
    short = given.kernel(q, k, v, **inputs)
    of_y = replace(found[0], name="y of all tokens", error=(y[:, :, :count] - short).abs().max().item())
    return (*found, of_y)
