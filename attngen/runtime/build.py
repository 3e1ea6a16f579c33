"""From a spec to a kernel: `attngen.build`."""

from __future__ import annotations

import warnings
from pathlib import Path

from attngen.errors import CallError, suggest
from attngen.ir import nodes
from attngen.runtime.checks import check_parameters
from attngen.runtime.kept import findings
from attngen.runtime.kernel import CHOICES, Kernel
from attngen.runtime.pairwise import PairwiseKernel
from attngen.runtime.recurrent import RecurrentKernel

KERNELS: dict[type[nodes.Body], type[Kernel]] = {nodes.Pairwise: PairwiseKernel, nodes.Recurrent: RecurrentKernel}
"""The kernel of each kind of body."""


def build(
    spec: str | Path | nodes.Variant,
    *,
    name: str | None = None,
    backend: str = "auto",
    **parameters: int | float | bool,
) -> Kernel:
    """A kernel for a spec, with values for its parameters.

    Args:
        spec: a path, the text of a spec, or a checked variant.
        name: which attention, where the spec holds several.
        backend: "triton", "cpp", "reference" (float64, slow), or "auto": C++ on the CPU, Triton on a GPU.
        parameters: values by name; the others keep their defaults.

    Raises:
        SpecError: the spec is wrong, or can't be compiled yet.
        CallError: there is no such backend or parameter, or a parameter has no value or one that does not fit.
    """
    found = findings(spec, name)
    variant = found.variant
    if backend not in CHOICES:
        raise CallError(f"there is no backend `{backend}`; choose one of {', '.join(CHOICES)}")
    known = [given.name for given in variant.parameters]
    for given in parameters:
        if given not in known:
            hint = suggest(given, known) or f"there is {', '.join(known) or 'none'}"
            raise CallError(f"{variant.name}: there is no parameter `{given}`; {hint} ({variant.span})")
    values: dict[str, int | float | bool] = {}
    for parameter in variant.parameters:
        value = parameters.get(parameter.name, parameter.default)
        if value is None:
            raise CallError(f"{variant.name}: the parameter `{parameter.name}` needs a value ({parameter.span})")
        values[parameter.name] = value
    check_parameters(variant, values)
    for doubt in found.doubts:
        warnings.warn(str(doubt), stacklevel=2)
    return KERNELS[type(variant.body)](found, values, backend)
