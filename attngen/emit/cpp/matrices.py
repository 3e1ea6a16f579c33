"""Products of rows of tokens with matrices of the call in C++: `dot(omega[m, c], x)` for all tokens of a chunk."""

from __future__ import annotations

from attngen.emit.cpp.carrying import ONES, at
from attngen.emit.cpp.token_lines import PIECE, TokenLines, over
from attngen.emit.cpp.token_printer import lanes_of
from attngen.emit.layout import deeper
from attngen.emit.tokens import distinct_matrices, index_of, matrix_axes, size_of
from attngen.ir.expr import Read
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.names import kernel_name
from attngen.schedule.tokens import TokenRow


def _name(matrix: Read) -> str:
    return f"{kernel_name(matrix.input)}_matrix"


def buffers(plan: ChunkPlan, back: bool = False) -> dict[str, str]:
    """A matrix with a row for each channel that is summed over; for gradients, also the other way, and their sums."""
    kept = {}
    for matrix, row in distinct_matrices(plan).items():
        made, summed = matrix_axes(row)
        kept[f"{_name(matrix)}_across"] = f"{size_of(summed)} * {lanes_of(made)} + SLACK"
        if back:
            size = f"{size_of(made)} * {lanes_of(summed)} + SLACK"
            kept |= dict.fromkeys((_name(matrix), f"d_{_name(matrix)}"), size)
    return kept


def load_lines(plan: ChunkPlan, straight: bool) -> list[str]:
    """The matrices of a head, once."""
    lines = []
    for matrix, row in distinct_matrices(plan).items():
        made, summed = matrix_axes(row)
        name, element = _name(matrix), TokenLines(plan, row).text(matrix)
        at_made, at_summed = index_of(made), index_of(summed)
        stored = [f"space.{name}_across[{at_summed} * {lanes_of(made)} + {at_made}] = {element};"]
        if straight:
            stored.append(f"space.{name}[{at_made} * {lanes_of(summed)} + {at_summed}] = {element};")
        lines += over(made, over(summed, stored))
    return lines


def product_line(row: TokenRow) -> str:
    """The rows of a chunk."""
    assert row.matrix is not None and row.projected is not None
    made, summed = matrix_axes(row)
    given = f"rows, {size_of(summed)}, {at(row.projected.name)}, {lanes_of(summed)}"
    return f"product({given}, {at(f'{_name(row.matrix)}_across')}, {lanes_of(made)}, nullptr, {at(row.name)});"


def return_lines(plan: ChunkPlan, row: TokenRow) -> list[str]:
    """What the gradient by such rows hands to the row that was multiplied, and to the matrix."""
    assert row.matrix is not None and row.projected is not None
    (made, summed), name, of = matrix_axes(row), _name(row.matrix), row.projected.name
    gradient = f"{at(f'd_{row.name}')}, {lanes_of(made)}"
    to_row = f"rows, {size_of(made)}, {gradient}, {at(name)}, {lanes_of(summed)}, {ONES}, {at(f'd_{of}')}"
    to_matrix = f"{size_of(made)}, rows, {gradient}, {at(of)}, {lanes_of(summed)}, {ONES}, {at(f'd_{name}')}"
    asked = f"if (call.by_{kernel_name(row.matrix.input)})"
    to_input = [] if row.matrix.input in plan.lacking else [asked, *deeper([f"product<true>({to_matrix});"])]
    return [f"product({to_row});", *to_input]


def flush_lines(plan: ChunkPlan) -> list[str]:
    """What the tokens of a segment give to matrices, to sums in float64."""
    lines = []
    for matrix, row in distinct_matrices(plan).items():
        if matrix.input in plan.lacking:
            continue
        made, summed = matrix_axes(row)
        target = f"by_{kernel_name(matrix.input)}"
        place = f"call.{target} + {PIECE} * {size_of(made)} * {size_of(summed)}"
        given = f"{size_of(made)}, {size_of(summed)}, {lanes_of(summed)}, {at(f'd_{_name(matrix)}')}"
        lines += [f"if (call.{target}) add_to_matrix({given}, {place});"]
    return lines
