"""Kernels of pairwise variants: q, k, v in, y out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import Tensor

from attngen.analysis.lists import List
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.reference import Result, attention
from attngen.runtime.checks import check_call
from attngen.runtime.explain import explain
from attngen.runtime.kept import Findings
from attngen.runtime.kernel import Kernel
from attngen.runtime.module import import_function
from attngen.runtime.prepared import Prepared
from attngen.runtime.tiles import tile_classes_of
from attngen.schedule.configuration import CPU_TILES
from attngen.schedule.plan import Plan


class PairwiseKernel(Kernel):
    """A kernel that walks the keys of every query.

    Where weights can be carried along in a state, it does so for calls whose queries are their keys' tokens.
    """

    def __init__(self, found: Findings, parameters: Mapping[str, int | float | bool], backend: str) -> None:
        super().__init__(found, parameters, backend)
        name = f"{self.variant.name}_chunks"
        files = {each: found.files(each) for each in self._functions}
        self._chunks = {each: import_function(made, name) for each, made in files.items() if f"{name}.py" in made}

    @property
    def has_lse(self) -> bool:
        """Whether rows have a log-sum-exp: those of a softmax."""
        body = self.variant.body
        return isinstance(body, nodes.Pairwise) and isinstance(body.normalization, nodes.Softmax)

    @property
    def plan(self) -> Plan:
        """Every decision of the kernel."""
        made: Plan = self._found.plan
        return made

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
        in_chunks = self._chunks.get(backend) if _are_one_sequence(q, k, offset) else None
        function = in_chunks or self._functions.get(backend) or self._function(backend)
        if debug and "debug" in signature(function).parameters:
            options["debug"] = True
        if in_chunks is not None:
            options.pop("prepared", None)
            return in_chunks(q, k, v, scale=scale, **options)[0]
        return function(q, k, v, scale=scale, offset=offset, **options)

    def prepare(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor | None = None,
        *,
        scale: float | None = None,
        offset: int | Tensor | None = None,
        **inputs: Tensor,
    ) -> Prepared:
        """Find the live tiles of calls like this one once, for all layers that share lengths, inputs and parameters.

        A walk in closed form needs none: then there is nothing in what is given back, and giving it to calls is free.

        Args:
            q, k, v: as in the calls; their numbers don't matter. Without v, it is taken to have the shape of k.
            scale, offset, inputs: as in the calls.

        Raises:
            ValueError: an argument does not fit.
        """
        self._check_names(inputs)
        backend = self._backend_for(q)
        if backend == "reference" or not isinstance(self.plan.walk, List):
            return Prepared(self.plan, backend, None)
        module = sys.modules[self._function(backend).__module__]
        find = getattr(module, f"prepare_{self.variant.name}")
        options: dict[str, Any] = {**inputs, **self.parameters}
        if "scale" in signature(find).parameters:  # tiles seldom depend on it
            options["scale"] = scale
        return Prepared(self.plan, backend, find(q, k, v, offset=offset, **options))

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


def _are_one_sequence(q: Tensor, k: Tensor, offset: int | Tensor | None) -> bool:
    """Whether each query is a key's token, from position 0 on."""
    alike = isinstance(q, Tensor) and isinstance(k, Tensor) and q.ndim == k.ndim == 4 and q.shape[2] == k.shape[2]
    return alike and (offset is None or (isinstance(offset, int) and offset == 0))
