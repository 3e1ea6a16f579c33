"""A variant as a callable: what all kinds of kernels have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from attngen.emit.backends import BACKENDS, Files
from attngen.emit.face import spec_hash
from attngen.errors import CallError, suggest
from attngen.ir import nodes
from attngen.runtime import tuned
from attngen.runtime.kept import Findings, findings
from attngen.runtime.module import import_function

CHOICES = ("auto", *BACKENDS, "reference")
ELSEWHERE = {
    **dict.fromkeys(("prepare", "tiles", "plan"), "an attention over pairs"),
    **dict.fromkeys(("init_state", "step"), "a recurrence"),
}
"""What kernels of one kind alone have."""


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
        return _rebuilt, (type(self), self.variant, self.parameters, self.backend)

    def __repr__(self) -> str:
        values = "".join(f", {name}={value}" for name, value in self.parameters.items())
        return f"<attngen kernel {self.variant.name}{values}, backend={self.backend}>"

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, **given: Any) -> Any:
        """Attention of queries over keys and values."""
        raise NotImplementedError

    def reference(self, q: Tensor, k: Tensor, v: Tensor, **given: Any) -> Any:
        """The same by the float64 interpreter, as the spec is written."""
        raise NotImplementedError

    def explain(self) -> str:
        """What was found out and decided, in words and formulas."""
        raise NotImplementedError

    def on(self, group: Any = None, **options: Any) -> Any:
        """This kernel on one of several ranks that share a sequence: see `attngen.parallel.partition`."""
        # A layer above this one: it is named here, and never imported.
        return import_module("attngen.parallel").partition(self, group, **options)

    def __getattr__(self, name: str) -> Any:
        """What there is not; some of it other kernels have."""
        if name in ELSEWHERE:
            raise AttributeError(f"{self.variant.name}: only {ELSEWHERE[name]} has `{name}` ({self.variant.span})")
        raise AttributeError(f"`{type(self).__name__}` has no attribute `{name}`")

    @property
    def has_lse(self) -> bool:
        """Whether rows have a log-sum-exp: those of a softmax."""
        return False

    @property
    def spec(self) -> str:
        """The hash of what the spec says, by which tuned sizes are kept."""
        return spec_hash(self._found.plan.variant)

    @property
    def files(self) -> Files:
        """The generated files by name, for the backend (`auto`: C++)."""
        return self._found.files("triton" if self.backend == "triton" else "cpp")

    @property
    def source(self) -> str:
        """The generated kernel: the Triton file, or the C++ file."""
        files = self.files
        return files.get(f"{self.variant.name}.cpp", files[f"{self.variant.name}.py"])

    def _function(self, backend: str) -> Callable[..., Any]:
        if backend not in self._functions:
            self._functions[backend] = self._imported(backend)
        return self._functions[backend]

    def _imported(self, backend: str) -> Callable[..., Any]:
        function = import_function(self._found.files(backend), self.variant.name)
        device = tuned.device_name() if backend == "triton" else None
        if device is not None:
            tuned.install(device, self.spec, function.__globals__)
        return function

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


def _rebuilt(
    kind: type[Kernel], variant: nodes.Variant, parameters: Mapping[str, int | float | bool], backend: str
) -> Kernel:
    return kind(findings(variant), parameters, backend)
