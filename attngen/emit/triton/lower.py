"""A plan as the strings that the Triton template shows."""

from __future__ import annotations

from attngen.analysis.lists import List
from attngen.emit import landings, live, operators
from attngen.emit.face import face, fault_text, spec_hash
from attngen.emit.layout import laid_out
from attngen.emit.render import functions, render
from attngen.emit.triton import arguments as args
from attngen.emit.triton import gradients, launcher, rows
from attngen.emit.triton.pair_lines import score_lines
from attngen.emit.triton.reads import KernelPrinter
from attngen.emit.triton.walks import Loops
from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Variable
from attngen.schedule.configuration import TILED
from attngen.schedule.defaults import pairwise
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan, forward
from attngen.schedule.statements import Statement, Tile

SUPPORT = (
    "_inside",
    "_sine",
    "_cosine",
    "_floor_div",
    "_floor_mod",
    "_tanh",
    "_softplus",
    "_elu",
    "_silu",
    "_power",
)


def generate(plan: Plan) -> str:
    """The generated file for a plan that holds slopes."""
    plan = gradients.without_moved_bands(plan)
    short, made = forward(plan), face(plan, debug=True)
    options = ("debug",) if made.debugged else ()
    kernels = "\n\n\n".join([*launcher.row_kernels(plan), *gradients.kernels(plan)])
    of_launcher = {**operators.values(plan, options), **launcher.values(plan, made, options)}
    values = {**_values(short), **of_launcher, "digested": "__file__", "devices": '["CPU", "CUDA"]'}
    values |= {"gradient_kernels": kernels, "jit_support": _jit_support(short, values, kernels)}
    calls = [*landings.calls(plan), *(["_made_before"] if plan.listed is not None else [])]
    imports = launcher.imports(plan, values)
    values |= {**made.values(), **live.values(plan, made, "_tile_sizes(q, E, max(N, M))", imports, calls, True)}
    values["forward_kernel"] = render("attngen.emit.triton", "forward.py", values).rstrip()
    return render("attngen.emit.triton", "launcher.py", {**values, **operators.parts(values)})


def _values(plan: Plan) -> dict[str, object]:
    """What the forward kernel shows, by a plan for it alone."""
    constants = args.constants(plan)
    kernel_constants = [kernel_name(name) for name in constants]
    visit = args.visit_arguments(plan)
    arguments = args.kernel_arguments(plan)
    of_rows, normalization = rows.values(plan), _normalization(plan)
    return {
        "tables": [(kernel, _table(plan, kernel)) for kernel in TILED],
        "tile_ends_text": "" if isinstance(plan.walk, List) else ": this tile holds the queries q0 to q1",
        "visit_arguments": [f"{name}: tl.constexpr" if name in kernel_constants else name for name in visit],
        "arguments": [name for name, _ in arguments],
        "passed": [value for _, value in arguments],
        "constants": kernel_constants,
        "constants_passed": kernel_constants,
        "widened": args.widened(plan),
        "head_lines": laid_out([*args.loaded_lines(plan), *(_line(plan, s) for s in plan.head)], 4),
        "query_lines": laid_out(_lines(plan, plan.tiles, Level.QUERY), 4),
        **of_rows,
        "score_lines": [*laid_out(score_lines(plan, "[acc.shape[0], KEY_TILE]"), 4), *_fault_lines(plan)],
        "mask_lines": laid_out(_mask_lines(plan), 8),
        **normalization,
        "walk_lines": _loops(plan, {**of_rows, **normalization, **_rising(plan)}, visit).lines(),
        "device_check": launcher.device_check(plan.variant.name),
        **_rising(plan),
        "fault": fault_text(plan) if plan.checked else "",
    }


def _rising(plan: Plan) -> dict[str, object]:
    """Where scores are a number of the call times something of pairs: the names of both, and how calls tell its sign.

    If that is positive, the largest score of a tile is the one of the largest such value.
    """
    factors = {value.name for value in plan.host if not args.in_memory(value)}
    match plan.score.result:
        case Apply(function="*", arguments=(Variable(name=factor), risen)) if plan.softmax and factor in factors:
            return {"rising": True, "factor": factor, "risen": _text(plan, risen, False)}
    return {"rising": False, "factor": "", "risen": ""}


def _text(plan: Plan, expr: Expr, exact: bool, outer: int = 0) -> str:
    return KernelPrinter(plan, exact).tight(expr, outer)


def _line(plan: Plan, statement: Statement) -> str:
    return f"{statement.name} = {_text(plan, statement.value, statement.exact)}"


def _lines(plan: Plan, tiles: tuple[Tile, ...], *levels: Level) -> list[str]:
    return list(dict.fromkeys(_line(plan, s) for tile in tiles for s in tile.at(*levels)))


def _fault_lines(plan: Plan) -> list[str]:
    """Where a pair may be at fault, every visited one is looked at, those of full tiles too."""
    if not plan.checked:
        return []
    bad = f"({_text(plan, plan.fault.result, True)}) & (rows[:, None] < N) & (j < M)"
    lines = [
        *_lines(plan, (plan.mask, plan.fault), Level.KEY, Level.PAIR),
        f"bad = {bad}",
        "tl.store(fault_ptr + tl.zeros_like(tl.cast(bad, tl.int32)), 1, mask=bad)",
    ]
    return ["if fault_ptr is not None:", *(f"    {line}" for line in laid_out(lines, 8))]


def _mask_lines(plan: Plan) -> list[str]:
    live = f"{_text(plan, plan.mask.result, True, 8)} & (j < M)" if plan.masked else "j < M"
    lines = _lines(plan, (plan.mask,), Level.KEY, Level.PAIR)
    dead = 'logit = tl.where(live, logit, float("-inf"))' if plan.softmax else "weights = tl.where(live, weights, 0.0)"
    return [*lines, f"live = {live}", dead]


def _normalization(plan: Plan) -> dict[str, object]:
    """What is carried from tile to tile, how it starts, and what it comes to."""
    extra = None if plan.once_per_row is None else _text(plan, plan.once_per_row, False, 10)
    match plan.normalization:
        case nodes.Softmax():
            carried, result = ["acc", "top", "total"], ""
            share = "tl.where(total == 0.0, 0.0, 1.0 / tl.where(total == 0.0, 1.0, total))"
        case nodes.Sum():
            mean = f"acc / (total + {extra})[:, None]"
            carried, result = ["acc", "total", "seen"], f"tl.where((seen > 0)[:, None], {mean}, 0.0)"
            share = f"tl.where(seen > 0, 1.0 / (total + {extra}), 0.0)"
        case nodes.Count():
            carried, result = ["acc", "seen"], "acc / tl.maximum(seen, 1)[:, None]"
            share = "1.0 / tl.maximum(seen, 1)"
        case nodes.Unnormalized():
            carried, result, share = ["acc"], "acc", "tl.full([QUERY_TILE], 1.0, tl.float32)"
    base = "tl.where(total == 0.0, 0.0, top)" if plan.softmax else "tl.zeros([QUERY_TILE], tl.float32)"
    stats = [f"tl.store(stats_ptr + 2 * row{end}, {x}, mask=rows < N)" for end, x in (("", base), (" + 1", share))]
    return {
        "softmax": plan.softmax,
        "parts": "parts" if plan.softmax else "1",
        "summed": "total" in carried,
        "counted": "seen" in carried,
        "carried": carried,
        "carried_names": ", ".join(carried),
        "initial_lines": [line for name in carried[1:] for line in _initial(name, extra if plan.softmax else None)],
        "result": result,
        "stats_lines": laid_out(stats, 8),
    }


def _initial(name: str, sink: str | None) -> list[str]:
    if name == "seen":
        return ["seen = tl.zeros([QUERY_TILE], tl.int32)"]
    if sink is None:
        start = (
            'tl.full([QUERY_TILE], float("-inf"), tl.float32)'
            if name == "top"
            else "tl.zeros([QUERY_TILE], tl.float32)"
        )
        return [f"{name} = {start}"]
    if name == "top":
        return [
            "# The sink is a key without a value, counted by the first part.",
            *laid_out([f"top = tl.zeros([QUERY_TILE], tl.float32) + {sink}"], 4),
        ]
    return ["total = tl.zeros([QUERY_TILE], tl.float32) + tl.where(part == 0, 1.0, 0.0)"]


def _loops(plan: Plan, shown: dict[str, object], visit: list[str]) -> Loops:
    """The walk of the forward kernel; `shown` is what templates show of rows."""
    keys = [f"{row}{end}" for row in _strings(shown["keys"]) for end in ("_head", "_stride_n", "_stride_d")]
    carried = _strings(shown["carried"])
    given = [*carried, *_strings(shown["queries"]), "key_tile", *(["key_order"] if plan.ordered else []), *keys]
    given += ["v_head", "v_stride_n", "v_stride_e", *visit, "N", "M", "D", "E", "D_PADDED", "E_PADDED"]
    given += ["KEY_TILE", "UPCAST", "WIDE", *(["RISING"] if shown["rising"] else [])]
    call = f"{', '.join(carried)} = _visit({', '.join(given)}, {{}})"
    per_period = tuple(_line(plan, statement) for statement in plan.per_period)
    return Loops(plan.walk, call.format, per_period, parts=plan.softmax)


def _strings(values: object) -> list[str]:
    assert isinstance(values, list)
    return list(map(str, values))


def _jit_support(plan: Plan, values: dict[str, object], kernels: str) -> str:
    """The device functions that the kernels call, then the kernels that compute rows of keys."""
    of_keys = rows.kernels(plan)
    listed = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
    shown = "\n".join([*listed, *of_keys, kernels, str(values["result"])])
    used = [name for name in SUPPORT if f"{name}(" in shown]
    return "\n\n\n".join([functions("attngen.emit.triton", "support.py", ["_dot", "_loaded", *used]), *of_keys])


def _table(plan: Plan, kernel: str) -> list[str]:
    """The sizes that a kernel starts with, by cell: for each GPU a column."""
    skeleton = f"listed_{kernel}" if isinstance(plan.walk, List) else kernel
    found = pairwise(skeleton, spec_hash(plan.variant))
    return [f"{cell}: ({', '.join(str(each.short) for each in columns)})" for cell, columns in found.items()]
