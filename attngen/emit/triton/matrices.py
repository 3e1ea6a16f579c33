"""Matrices of the call that rows of tokens are multiplied by in Triton: `dot(omega[m, c], x)`."""

from __future__ import annotations

from attngen.emit.tokens import index_of, matrix_axes, size_of
from attngen.ir.expr import Read
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.names import kernel_name
from attngen.schedule.tokens import TokenRow


def matrix_name(matrix: Read) -> str:
    """What a kernel calls it: a row for each channel of the product."""
    return f"{kernel_name(matrix.input)}_matrix"


def load_matrix(plan: ChunkPlan, row: TokenRow) -> str:
    """The matrix of a head, as floats."""
    assert row.matrix is not None
    made, summed = matrix_axes(row)
    name, axes = kernel_name(row.matrix.input), plan.variant.input(row.matrix.input).axes
    down, across = f"tl.trans({index_of(made)})", index_of(summed)
    indices = {"b": "b", "h": f"h // {name}_share", made: down, summed: across}
    terms = [f"tl.cast({indices[axis]}, tl.int64) * {name}_stride_{k}" for k, axis in enumerate(axes)]
    inside = f"({down} < {size_of(made)}) & ({across} < {size_of(summed)})"
    load = f"tl.load({' + '.join([f'{name}_ptr', *terms])}, mask={inside}, other=0.0)"
    return f"{matrix_name(row.matrix)} = tl.cast({load}, tl.float32)"
