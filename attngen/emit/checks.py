"""What a call must fulfil, as lines of Python for launchers; they call functions of `support/checks.py`."""

from __future__ import annotations

from collections.abc import Iterator

from attngen.analysis.lists import List
from attngen.analysis.orders import as_key
from attngen.analysis.segments import Segments
from attngen.analysis.walk import Periodic, Range
from attngen.emit.python import PythonPrinter, size_name
from attngen.emit.tensors import TensorPrinter
from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Kind, Parameter, Read, children, distinct, mentions, variables
from attngen.ir.nodes import AXIS_SIZES
from attngen.ir.show import show_expr
from attngen.schedule.growth import GENTLE, magnitude
from attngen.schedule.guards import demands
from attngen.schedule.rows import Split, products, split

POSITIONS = ("i", "j", "n", "t")


def check_lines(variant: nodes.Variant) -> list[str]:
    """What follows `typed_lines`, in the order of generated functions."""
    lines = [*shape_lines(variant), *axis_lines(variant), *filled_lines(variant)]
    return [*lines, *data_lines(variant), *rule_lines(variant)]


def typed_lines(variant: nodes.Variant) -> list[str]:
    """Arguments have their types, and parameters are in their ranges."""
    tensors = [
        f'_tensor("{variant.name}", "{given.name}", {given.name}, " ({place(variant, given.span.line)})")'
        for given in variant.inputs
    ]
    return [*tensors, *(line for given in variant.parameters for line in parameter_lines(variant, given))]


def shape_lines(variant: nodes.Variant) -> list[str]:
    """Inputs have their shapes; `sizes` gets those of their own axes."""
    lines = _lengths(variant)
    if not variant.inputs:
        return lines
    used = sorted({axis for given in variant.inputs for axis in given.axes if axis in AXIS_SIZES})
    known = ", ".join(f'"{axis}": {AXIS_SIZES[axis]}' for axis in used)
    lines.append(f"sizes = {{{known}}}")
    for given in variant.inputs:
        axes = ", ".join(f'"{axis}"' for axis in given.axes) + ("," if len(given.axes) == 1 else "")
        where = place(variant, given.span.line)
        arguments = f'"{variant.name}", "{given.name}", {given.name}, ({axes}), "{given.kind.value}"'
        lines.append(f'_input({arguments}, sizes, q.device, "{where}")')
    return lines


def _lengths(variant: nodes.Variant) -> list[str]:
    """A recurrence reads with every token that it writes."""
    if not isinstance(variant.body, nodes.Recurrent):
        return []
    return [f'_one_of_each("{variant.name}", N, M, "{place(variant, variant.span.line)}")']


def own_axes(variant: nodes.Variant) -> list[str]:
    """The axes of inputs whose sizes only the inputs know."""
    return sorted({axis for given in variant.inputs for axis in given.axes if axis not in AXIS_SIZES})


def axis_lines(variant: nodes.Variant) -> list[str]:
    """The sizes of own axes by their names."""
    return [f'{size_name(axis)} = sizes["{axis}"]' for axis in own_axes(variant)]


def filled_lines(variant: nodes.Variant) -> list[str]:
    """Inputs without elements get some, where an index is kept inside of an axis."""
    return [
        f"{given.name} = _not_empty({given.name})"
        for given in variant.inputs
        if any(axis == "n" or axis not in AXIS_SIZES for axis in given.axes)
    ]


def data_lines(variant: nodes.Variant, debug: bool = False) -> list[str]:
    """What the numbers in inputs must be: looked at on the CPU, with `debug` also on a GPU if that name is true."""
    option = ", debug" if debug else ""
    return [*(line for given in variant.inputs for line in _data(variant, given, option)), *_offset(variant, option)]


def rule_lines(variant: nodes.Variant, debug: bool = False, order: bool = True) -> list[str]:
    """Assertions, the order (unless it is checked elsewhere), demands of all pairs, and rates of growth."""
    return [
        *_assertions(variant),
        *(order_lines(variant, debug) if order else []),
        *_demands(variant),
        *_rates(variant),
    ]


def place(variant: nodes.Variant, line: int) -> str:
    """`name.attn:3`, fit for a string in double quotes."""
    return quotable(f"{variant.span.source.name.rsplit('/', 1)[-1]}:{line}")


def quotable(text: str) -> str:
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def range_text(bounds: nodes.Range) -> str:
    """`[2, inf)`, or nothing for everything."""
    if bounds.low is None and bounds.high is None:
        return ""
    low = "(-inf" if bounds.low is None else ("[" if bounds.closed_low else "(") + show_expr(bounds.low)
    high = "inf)" if bounds.high is None else show_expr(bounds.high) + ("]" if bounds.closed_high else ")")
    return f"{low}, {high}"


def _range_test(bounds: nodes.Range, label: str, conjunction: str) -> str:
    printer = PythonPrinter()
    tests = []
    if bounds.low is not None:
        tests.append(f"{label} {'>=' if bounds.closed_low else '>'} {printer.tight(bounds.low, 6)}")
    if bounds.high is not None:
        tests.append(f"{label} {'<=' if bounds.closed_high else '<'} {printer.tight(bounds.high, 6)}")
    if conjunction == "&" and len(tests) > 1:
        tests = [f"({test})" for test in tests]
    return f" {conjunction} ".join(tests)


def parameter_lines(variant: nodes.Variant, given: nodes.Parameter) -> list[str]:
    """A parameter has its type, then its range."""
    where = place(variant, given.span.line)
    name = given.name
    lines = [f'_number("{variant.name}", "{name}", {name}, {given.kind.value}, "{where}")']
    if test := _range_test(given.range, name, "and"):
        lines.append(f'_within("{variant.name}", "{name}", {name}, {test}, "{range_text(given.range)}", "{where}")')
    return [*lines, f"{name} = float({name})"] if given.kind is Kind.FLOAT else lines


def order_lines(variant: nodes.Variant, debug: bool = False) -> list[str]:
    """An order visits every position once."""
    order = variant.order
    if order is None:
        return []
    device, steps = order_steps(variant, order)
    where = f'"{place(variant, order.span.line)}"{", debug" * debug}'
    return [
        f"h, j = torch.arange(H, device={device})[:, None], torch.arange(M, device={device})[None, :]",
        f'_bijection("{variant.name}", "{order.name}", {steps}, {where})',
    ]


def order_steps(variant: nodes.Variant, order: nodes.Order) -> tuple[str, str]:
    """Where an order can be looked at, and the steps of all positions j for heads h, [H or 1, M]."""
    by_data = any(isinstance(part, Read) for part in distinct(order.step))
    device = "q.device" if by_data else '"cpu"'
    return device, f"{TensorPrinter(variant, called=str, device=device).text(as_key(order))} + 0 * j"


def _demands(variant: nodes.Variant) -> list[str]:
    """No int is divided by 0, and no element is read outside of an input, where the host can tell."""
    lines = []
    for part in demands(variant).values():
        if isinstance(part, Read):
            axes = variant.input(part.input).axes
            own = [(index, axis) for index, axis in zip(part.indices, axes, strict=True) if axis not in AXIS_SIZES]
            test = " and ".join(f"0 <= {PythonPrinter().tight(index, 6)} < {size_name(axis)}" for index, axis in own)
            problem = f"`{show_expr(part)}` is outside of the input"
        else:
            divisor = children(part)[1]
            test = f"{PythonPrinter().tight(divisor, 6)} != 0"
            problem = f"`{show_expr(divisor)}` is 0, and an int is divided by it"
        test = _for_all(test, part)
        line = (part.span if part.span.line else variant.span).line
        lines.append(f'_require({test}, "{variant.name}: {problem} ({place(variant, line)})")')
    return lines


def period_lines(variant: nodes.Variant, walk: Range | Periodic | List, hull: Segments) -> list[str]:
    """The ends of the teeth that a periodic walk goes along fit into 64 bits."""
    if not isinstance(walk, Periodic):
        return []
    (teeth,) = hull[0].teeth
    where = place(variant, variant.pairwise.mask.span.line or variant.span.line)
    problem = f"{variant.name}: the mask repeats after 2^60 positions or more ({where})"
    return [
        f'_require({_for_all(f"{PythonPrinter().tight(period, 6)} < 2**60", period)}, "{problem}")'
        for period in dict.fromkeys(_chosen(teeth.period))
        if any(isinstance(part, Parameter) for part in distinct(period))
    ]


def _chosen(expr: Expr) -> Iterator[Expr]:
    """What an expression chooses from, by the tile."""
    if isinstance(expr, Apply) and expr.function == "if":
        yield from (part for branch in expr.arguments[1:] for part in _chosen(branch))
    else:
        yield expr


def _rates(variant: nodes.Variant) -> list[str]:
    """Rows grow so slowly that those of a tile are near that of its anchor."""
    lines: dict[str, None] = {}
    for product in products(variant.body.score) if isinstance(variant.body, nodes.Pairwise) else ():
        sides = split(product)
        where = place(variant, (product.span if product.span.line else variant.span).line)
        grown = sides.grown or () if isinstance(sides, Split) else ()
        for rate in dict.fromkeys(magnitude(each.rate) for each in grown):
            for base in (
                part.arguments[0] for part in distinct(rate) if isinstance(part, Apply) and part.function == "log"
            ):
                test = _for_all(f"{PythonPrinter().tight(base, 6)} > 0", base)
                lines[f'_require({test}, "{variant.name}: a row is a power of what is not above 0 ({where})")'] = None
            test = _for_all(f"abs({PythonPrinter().text(rate)}) <= {GENTLE}", rate)
            problem = f"a row grows or shrinks by more than e^{GENTLE} per token"
            lines[f'_require({test}, "{variant.name}: {problem} ({where})")'] = None
    return list(lines)


def _for_all(test: str, expr: Expr) -> str:
    """The test for every head and channel that it speaks of."""
    loops = [f"for {name} in range({AXIS_SIZES[name]})" for name in ("h", "c") if mentions(expr, name)]
    return f"all({' '.join([test, *loops])})" if loops else test


def _data(variant: nodes.Variant, given: nodes.Input, debug: str) -> list[str]:
    """Checks of values."""
    test = _range_test(given.range, given.name, "&")
    along = next((k for k, axis in enumerate(given.axes) if axis in POSITIONS), None) if given.sorted else None
    if not test and along is None and given.kind is not Kind.FLOAT:
        return []
    where = place(variant, given.span.line)
    inside = f"lambda {given.name}: {test}" if test else None
    arguments = f'"{variant.name}", "{given.name}", {given.name}, {inside}, "{range_text(given.range)}", {along}'
    return [f'_data({arguments}, "{where}"{debug})']


def _offset(variant: nodes.Variant, debug: str) -> list[str]:
    """No offset outside [0, M - N] where an input over positions is read at the position of a query."""
    lines = {}
    for read in _reads(variant):
        for axis, index in zip(variant.input(read.input).axes, read.indices, strict=True):
            if axis == "n" and "i" in variables(index):
                where = place(variant, variant.input(read.input).span.line)
                reason = f"{read.input} is read at the position of a query ({where})"
                lines[read.input] = f'_offset_inside("{variant.name}", offset, M - N, "{reason}"{debug})'
    return [lines[given.name] for given in variant.inputs if given.name in lines]


def _reads(variant: nodes.Variant) -> Iterator[Read]:
    if isinstance(variant.body, nodes.Pairwise):
        for expr in (variant.body.mask, variant.body.score):
            yield from (part for part in distinct(expr) if isinstance(part, Read) and mentions(part, "i"))


def _assertions(variant: nodes.Variant) -> list[str]:
    """Conditions over parameters, sizes and h."""
    lines = []
    for assertion in variant.assertions:
        test = _for_all(PythonPrinter().text(assertion.condition), assertion.condition)
        where = place(variant, assertion.span.line)
        lines.append(f'_require({test}, "{variant.name}: `{quotable(assertion.text)}` does not hold ({where})")')
    return lines
