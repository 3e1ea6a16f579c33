"""A variant as a callable: q, k, v in, y out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attngen.analysis.lists import List
from attngen.emit.backends import BACKENDS, Files
from attngen.errors import CallError, suggest
from attngen.ir import nodes
from attngen.reference import Result, attention
from attngen.runtime.checks import check_call, check_parameters
from attngen.runtime.explain import explain
from attngen.runtime.kept import Findings, findings
from attngen.runtime.module import import_function
from attngen.runtime.prepared import Prepared
from attngen.runtime.tiles import tile_classes_of
from attngen.schedule.configuration import CPU_TILES
from attngen.schedule.plan import Plan

CHOICES = ("auto", *BACKENDS, "reference")


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
    return Kernel(found, values, backend)


class Kernel:
    """A compiled variant. Calls may have any lengths, strides and head counts.

    Attributes:
        variant: the checked spec.
        parameters: the value of each parameter.
        backend: as given to `build`.
    """

    def __init__(self, found: Findings, parameters: Mapping[str, int | float | bool], backend: str) -> None:
        self.variant = found.variant
        self._found = found
        self.parameters = dict(parameters)
        self.backend = backend
        self._input_names = {given.name for given in found.variant.inputs}
        # Here and not at the first call: what can't be compiled is refused, and torch.compile can't look into imports.
        self._functions: dict[str, Callable[..., Any]] = {name: self._imported(name) for name in _needed(backend)}

    def __reduce__(self) -> tuple[Any, ...]:
        """As what it was built from: generated modules are found or made again where it is unpacked."""
        return _rebuilt, (self.variant, self.parameters, self.backend)

    def __repr__(self) -> str:
        values = "".join(f", {name}={value}" for name, value in self.parameters.items())
        return f"<attngen kernel {self.variant.name}{values}, backend={self.backend}>"

    @property
    def has_lse(self) -> bool:
        """Whether rows have a log-sum-exp: those of a softmax."""
        body = self.variant.body
        return isinstance(body, nodes.Pairwise) and isinstance(body.normalization, nodes.Softmax)

    @property
    def plan(self) -> Plan:
        """Every decision of the kernel."""
        return self._found.plan

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float | None = None,
        offset: int | Tensor | None = None,
        return_lse: bool = False,
        prepared: Prepared | None = None,
        debug: bool = False,
        **inputs: Tensor,
    ) -> Any:
        """Attention of queries over keys and values.

        Args:
            q: [B, heads, N, D]; k: [B, heads, M, D]; v: [B, heads, M, E]. Each head count divides the largest, H.
            scale: 1/sqrt(D) unless given.
            offset: the position of query row 0, one number or int [B]; M - N unless given.
            return_lse: also give the natural log-sum-exp of each row's scores, float32 [B, H, N].
            prepared: what `prepare` found for a call like this one; found anew unless given.
            debug: look at data on a GPU too (sorted, in range, finite), which waits for the device; on a CPU, and by
                the reference, they always are.
            inputs: the spec's inputs by name.

        Returns:
            y: [B, H, N, E] in the dtype of q; with return_lse, `(y, lse)`.

        Raises:
            ValueError: an argument does not fit (`CallError`, where a name is unknown or missing).
        """
        if inputs.keys() != self._input_names:
            self._check_names(inputs)
        if return_lse and not self.has_lse:
            raise CallError(f"{self.variant.name}: only a softmax has a log-sum-exp ({self.variant.span})")
        backend = self._backend_for(q)
        if backend == "reference":
            check_call(self.variant, q, k, v, scale=scale, offset=offset, inputs=inputs, parameters=self.parameters)
            result = self.reference(q, k, v, scale=scale, offset=offset, return_lse=return_lse, **inputs)
            y, lse = result if return_lse else (result, None)
            y = y.to(q.dtype)
            return (y, None if lse is None else lse.float()) if return_lse else y
        options: dict[str, Any] = {**inputs, **self.parameters}
        if return_lse:
            options["return_lse"] = True
        if prepared is not None:
            if prepared.plan is not self.plan or prepared.backend != backend:
                raise CallError(f"{self.variant.name}: prepared was made by another kernel, or for another device")
            if prepared.tiles is not None:
                options["prepared"] = prepared.tiles
        function = self._functions.get(backend) or self._function(backend)
        if debug and "debug" in signature(function).parameters:
            options["debug"] = True
        return function(q, k, v, scale=scale, offset=offset, **options)

    def prepare(self, q: Tensor, k: Tensor, *, offset: int | Tensor | None = None, **inputs: Tensor) -> Prepared:
        """Find the live tiles of calls like this one once, for all layers that share lengths, inputs and parameters.

        A walk in closed form needs none: then there is nothing in what is given back, and giving it to calls is free.

        Args:
            q, k: as in the calls; their numbers don't matter.
            offset, inputs: as in the calls.

        Raises:
            ValueError: an argument does not fit.
        """
        self._check_names(inputs)
        backend = self._backend_for(q)
        if backend == "reference" or not isinstance(self.plan.walk, List):
            return Prepared(self.plan, backend, None)
        module = sys.modules[self._function(backend).__module__]
        find = getattr(module, f"prepare_{self.variant.name}")
        return Prepared(self.plan, backend, find(q, k, offset=offset, **inputs, **self.parameters))

    def reference(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float | None = None,
        offset: int | Tensor | None = None,
        return_lse: bool = False,
        **inputs: Tensor,
    ) -> Any:
        """The same by the float64 interpreter, as the spec is written: y, or `(y, lse)`."""
        self._check_names(inputs)
        result: Result = attention(
            self.variant, q, k, v, parameters=self.parameters, inputs=inputs, scale=scale, offset=offset
        )
        return (result.y, result.lse) if return_lse else result.y

    @property
    def files(self) -> Files:
        """The generated files by name, for the backend (`auto`: C++)."""
        return self._found.files("triton" if self.backend == "triton" else "cpp")

    @property
    def source(self) -> str:
        """The generated kernel: the Triton file, or the C++ file."""
        files = self.files
        return files.get(f"{self.variant.name}.cpp", files[f"{self.variant.name}.py"])

    def tiles(
        self,
        N: int,
        M: int,
        head: int = 0,
        *,
        H: int | None = None,
        offset: int | None = None,
        tile: tuple[int, int] = CPU_TILES,
        **inputs: Tensor,
    ) -> Tensor:
        """What the kernel does with each tile: int8 [query tiles, key tiles]; 0 skips, 1 tests pairs, 2 is full.

        Args:
            N, M: queries and keys.
            head: which of the H heads; where the bounds depend on H, it must be given.
            offset: the position of query 0; M - N unless given.
            tile: queries and keys per tile.
            inputs: those that the bounds depend on; of a batch, the first row counts.

        Raises:
            CallError: the bounds depend on H or on an input that is not given, or a number makes no sense.
        """
        return tile_classes_of(
            self.plan, self.parameters, N, M, head=head, H=H, offset=offset, tile=tile, inputs=inputs
        )

    def explain(self) -> str:
        """Bounds, proofs and fallbacks, in words and formulas."""
        return explain(self.plan)

    def _function(self, backend: str) -> Callable[..., Any]:
        if backend not in self._functions:
            self._functions[backend] = self._imported(backend)
        return self._functions[backend]

    def _imported(self, backend: str) -> Callable[..., Any]:
        return import_function(self._found.files(backend), self.variant.name)

    def _backend_for(self, q: Tensor) -> str:
        if self.backend == "auto":
            return "triton" if isinstance(q, Tensor) and q.is_cuda else "cpp"
        return self.backend

    def _check_names(self, inputs: Mapping[str, Tensor]) -> None:
        """Every input by its name, and nothing else."""
        known = {given.name: given for given in self.variant.inputs}
        for name in inputs:
            if name in self.parameters:
                raise CallError(f"{self.variant.name}: `{name}` is a parameter; give it to `attngen.build`")
            if name not in known:
                hint = suggest(name, known) or f"its inputs: {', '.join(known) or 'none'}"
                raise CallError(f"{self.variant.name}: there is no input `{name}`; {hint} ({self.variant.span})")
        for name, given in known.items():
            if name not in inputs:
                axes = ", ".join(given.axes)
                raise CallError(f"{self.variant.name}: the input `{name}` [{axes}] is missing ({given.span})")


def _needed(backend: str) -> tuple[str, ...]:
    """The backends of the devices that are here."""
    if backend == "auto":
        return ("cpp", "triton") if torch.cuda.is_available() else ("cpp",)
    return (backend,) if backend in BACKENDS else ()


def _rebuilt(variant: nodes.Variant, parameters: Mapping[str, int | float | bool], backend: str) -> Kernel:
    return Kernel(findings(variant), parameters, backend)
