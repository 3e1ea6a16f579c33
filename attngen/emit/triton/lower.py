"""A plan as the strings that the Triton template shows."""

from __future__ import annotations

from attngen.analysis.lists import List
from attngen.analysis.walk import PartialRun, Periodic
from attngen.emit import live
from attngen.emit.face import face, fault_text, host_lines
from attngen.emit.layout import laid_out
from attngen.emit.render import functions, render
from attngen.emit.triton import arguments as args
from attngen.emit.triton import rows
from attngen.emit.triton.reads import KernelPrinter
from attngen.emit.wide import wide_test
from attngen.ir import nodes
from attngen.ir.expr import Expr, Kind, mentions
from attngen.schedule.configuration import GPU_DEFAULTS, GPU_SPACE, Configuration
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
    """The generated file for a plan."""
    return render("attngen.emit.triton", "streaming.py", _values(forward(plan)))


def _values(plan: Plan) -> dict[str, object]:
    constants = args.constants(plan)
    kernel_constants = [kernel_name(name) for name in constants]
    visit = args.visit_arguments(plan)
    arguments = args.kernel_arguments(plan)
    made = face(plan, debug=True)
    trained = [given.name for given in plan.variant.inputs if given.kind is Kind.FLOAT]
    of_rows, normalization = rows.values(plan), _normalization(plan)
    values: dict[str, object] = {
        "float_inputs": "".join(f", {name}" for name in trained),
        "defaults": [f"({d.width}, {d.bytes}, {_tuple(d.configuration)})" for d in GPU_DEFAULTS],
        "visit_arguments": [f"{name}: tl.constexpr" if name in kernel_constants else name for name in visit],
        "arguments": [name for name, _ in arguments],
        "passed": [value for _, value in arguments],
        "constants": kernel_constants,
        "constants_passed": constants,
        "widened": args.widened(plan),
        "head_lines": laid_out([*args.loaded_lines(plan), *(_line(plan, s) for s in plan.head)], 4),
        "query_lines": laid_out(_lines(plan, plan.tiles, Level.QUERY), 4),
        **of_rows,
        "score_lines": laid_out([*_score_lines(plan), *(_fault_lines(plan) if plan.checked else [])], 4),
        "mask_lines": laid_out(_mask_lines(plan), 8),
        **normalization,
        **_runs(plan),
        **_visits({**of_rows, **normalization}, plan.ordered, visit),
        **live.values(plan, made, "_tile_sizes(D, E, q.element_size())", ("import contextlib", "import math")),
        "host_lines": laid_out(host_lines(plan.host) + args.table_lines(plan), 4),
        "wide": wide_test(plan),
        "device_check": laid_out([_device_check(plan)], 4),
        "fault": fault_text(plan) if plan.checked else "",
    }
    return {**made.values(), **values, "jit_support": _jit_support(plan, values)}


def _device_check(plan: Plan) -> str:
    where = "q is on the CPU; this file runs on a GPU, and under TRITON_INTERPRET=1 on a CPU"
    return f'_require(runs, "{plan.variant.name}: {where}")'


def _text(plan: Plan, expr: Expr, exact: bool, outer: int = 0) -> str:
    return KernelPrinter(plan, exact).tight(expr, outer)


def _line(plan: Plan, statement: Statement) -> str:
    return f"{statement.name} = {_text(plan, statement.value, statement.exact)}"


def _lines(plan: Plan, tiles: tuple[Tile, ...], *levels: Level) -> list[str]:
    return list(dict.fromkeys(_line(plan, s) for tile in tiles for s in tile.at(*levels)))


def _score_lines(plan: Plan) -> list[str]:
    score = _score(plan)
    if not plan.softmax:
        score = f"tl.exp2({score})" if plan.logit else score
    return [*_lines(plan, (plan.score,), Level.KEY, Level.PAIR), f"{'logit' if plan.softmax else 'weights'} = {score}"]


def _fault_lines(plan: Plan) -> list[str]:
    """Every visited pair is looked at, those of full tiles too; what the mask computes for pairs stands here."""
    bad = f"({_text(plan, plan.fault.result, True)}) & (rows[:, None] < N) & (j < M)"
    return [
        *_lines(plan, (plan.mask, plan.fault), Level.KEY, Level.PAIR),
        f"bad = {bad}",
        "tl.store(fault_ptr + tl.zeros_like(tl.cast(bad, tl.int32)), 1, mask=bad)",
    ]


def _mask_lines(plan: Plan) -> list[str]:
    live = f"{_text(plan, plan.mask.result, True, 8)} & (j < M)" if plan.masked else "j < M"
    lines = [] if plan.checked else _lines(plan, (plan.mask,), Level.KEY, Level.PAIR)
    dead = 'logit = tl.where(live, logit, float("-inf"))' if plan.softmax else "weights = tl.where(live, weights, 0.0)"
    return [*lines, f"live = {live}", dead]


def _score(plan: Plan) -> str:
    text = _text(plan, plan.score.result, False, 10)
    tiles = [*(s.value for s in plan.score.at(Level.PAIR)), plan.score.result]
    names = [product.name for product in plan.products]
    # Where no product is in it, the text may be narrower than the tile.
    return (
        text
        if any(mentions(expr, *names) for expr in tiles)
        else f"tl.zeros([acc.shape[0], KEY_TILE], tl.float32) + {text}"
    )


def _normalization(plan: Plan) -> dict[str, object]:
    """What is carried from tile to tile, how it starts, and what it comes to."""
    extra = None if plan.once_per_row is None else _text(plan, plan.once_per_row, False, 10)
    match plan.normalization:
        case nodes.Softmax():
            carried, result = ["acc", "top", "total"], ""
        case nodes.Sum():
            mean = f"acc / (total + {extra})[:, None]"
            carried, result = ["acc", "total", "seen"], f"tl.where((seen > 0)[:, None], {mean}, 0.0)"
        case nodes.Count():
            carried, result = ["acc", "seen"], "acc / tl.maximum(seen, 1)[:, None]"
        case nodes.Unnormalized():
            carried, result = ["acc"], "acc"
    return {
        "softmax": plan.softmax,
        "summed": "total" in carried,
        "counted": "seen" in carried,
        "carried": carried,
        "carried_names": ", ".join(carried),
        "initial_lines": [line for name in carried[1:] for line in _initial(name, extra if plan.softmax else None)],
        "result": result,
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
            "# The sink is a key without a value.",
            *laid_out([f"top = tl.zeros([QUERY_TILE], tl.float32) + {sink}"], 4),
        ]
    return ["total = tl.full([QUERY_TILE], 1.0, tl.float32)"]


def _runs(plan: Plan) -> dict[str, object]:
    """The loops over tiles that need the mask and over full ones: what is before, how often, and the tile of a step."""
    if isinstance(plan.walk, List):
        return {
            "partial_runs": [([], "full_start - start", ["key_tile = tl.load(tiles_ptr + start + step)"])],
            "full_runs": [("step", "full_start", "full_stop", ["key_tile = tl.load(tiles_ptr + step)"])],
            "tile_ends_text": "",
            "periodic": False,
            "tuning_key": '"bucket", "D", "E", "WIDE", "QUERY_TILE", "KEY_TILE"',
            "tuned_sizes": "numbers of warps and stages",
            "space": list(dict.fromkeys(f"({{}}, {each.warps}, {each.stages})" for each in GPU_SPACE)),
        }
    if isinstance(plan.walk, Periodic):
        before, count, steps = _partial(plan.walk.partial)
        lines = [*laid_out([_line(plan, statement) for statement in plan.per_period], 8), *before]
        runs = {"periodic": True, "period_lines": lines, "count": count, "steps": steps}
        runs |= {"partial_runs": [], "full_runs": []}
    else:
        runs = {"periodic": False, "partial_runs": [_partial(run) for run in plan.walk.partial]}
        runs["full_runs"] = [("key_tile", run.start, run.stop, []) for run in plan.walk.full]
    return {
        **runs,
        "tile_ends_text": ": this tile holds the queries q0 to q1",
        "tuning_key": '"bucket", "D", "E", "WIDE"',
        "tuned_sizes": "tile sizes",
        "space": [_choice(each) for each in GPU_SPACE],
    }


def _visits(shown: dict[str, object], ordered: bool, visit: list[str]) -> dict[str, object]:
    """The calls that visit a tile, of a run and of one inside of a period; `shown` is what templates show of rows."""
    keys = [f"{row}{end}" for row in _strings(shown["keys"]) for end in ("_head", "_stride_n", "_stride_d")]
    carried = _strings(shown["carried"])
    given = [*carried, *_strings(shown["queries"]), "key_tile", *(["key_order"] if ordered else []), *keys]
    given += ["v_head", "v_stride_n", "v_stride_e", *visit, "N", "M", "D", "E", "D_PADDED", "E_PADDED"]
    calls = {
        kind: f"{', '.join(carried)} = _visit({', '.join([*given, 'KEY_TILE', 'UPCAST', 'WIDE', full])})"
        for kind, full in (("partial", "False"), ("full", "True"))
    }
    lines = {f"visit_{kind}": laid_out([call], 8) for kind, call in calls.items()}
    return {**lines, **{f"visit_{kind}_of_period": laid_out([call], 12) for kind, call in calls.items()}}


def _strings(values: object) -> list[str]:
    assert isinstance(values, list)
    return list(map(str, values))


def _partial(run: PartialRun) -> tuple[list[str], str, list[str]]:
    """A run that steps over its holes."""
    holes = [(hole, f"{hole.stop} - {hole.start}") for hole in run.holes]
    count = f"{run.stop} - {run.start}" + "".join(f" - ({length})" for _, length in holes)
    steps = [f"key_tile = {run.start} + step"]
    steps += [f"key_tile += tl.where(key_tile >= {hole.start}, {length}, 0)" for hole, length in holes]
    if len(count) < 80:
        return [], count, steps
    return laid_out([f"steps = {count}"], 4), "steps", steps


def _jit_support(plan: Plan, values: dict[str, object]) -> str:
    """The device functions that the kernels call, then the kernels that compute rows of keys."""
    kernels = rows.kernels(plan)
    listed = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
    shown = "\n".join([*listed, *kernels, str(values["result"])])
    used = [name for name in SUPPORT if f"{name}(" in shown]
    return "\n\n\n".join([functions("attngen.emit.triton", "support.py", ["_dot", *used]), *kernels])


def _tuple(configuration: Configuration) -> str:
    return f"({configuration.query_tile}, {configuration.key_tile}, {configuration.warps}, {configuration.stages})"


def _choice(configuration: Configuration) -> str:
    """What the tuner may choose: tile sizes, warps and stages."""
    tiles = f'{{"QUERY_TILE": {configuration.query_tile}, "KEY_TILE": {configuration.key_tile}}}'
    return f"({tiles}, {configuration.warps}, {configuration.stages})"
