"""The kernels of the backward pass as the strings that Triton templates show.

Three functions know pairs: `_query_tile` and `_key_tile` load what pairs need of their sides, and `_differentiate`
gives weights and gradients of two tiles. Four kinds of kernels walk with them: along keys, along queries, along
diagonals and pair by pair, each where something is summed.
"""

from __future__ import annotations

from dataclasses import replace

from attngen.analysis.lists import List
from attngen.emit.layout import laid_out
from attngen.emit.render import render
from attngen.emit.triton import arguments as args
from attngen.emit.triton.heads import Heads
from attngen.emit.triton.pair_lines import PairLines
from attngen.emit.triton.pairs import Pairs
from attngen.emit.triton.sums import Sums
from attngen.schedule.growth import KEYS_PER_ANCHOR
from attngen.schedule.homes import Home
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import key_rows, query_rows

SIZES = ("D", "E", "D_PADDED", "E_PADDED", "UPCAST", "WIDE", "QUERY_TILE", "KEY_TILE")


def without_moved_bands(plan: Plan) -> Plan:
    """Tokens that are walked in another order are on no diagonals: where they may be, pairs are added one by one."""
    if not plan.ordered:
        return plan
    moved = [replace(each, home=Home.PAIR) if each.home is Home.BAND else each for each in plan.landings]
    return replace(plan, landings=tuple(moved))


def kernels(plan: Plan) -> list[str]:
    """The device functions and the kernels, in order."""
    sums = Sums(Pairs(plan))
    values = _values(sums)
    names = [*(["centred_rows"] if plan.centred else []), "differentiated_pairs"]
    names += [*(["by_queries"] if sums.for_queries else []), "by_keys"]
    names += ["by_diagonals"] if sums.at(Home.BAND) else []
    texts = [_rendered(name, values) for name in names]
    return [*texts, *(_rendered("by_pairs", {**values, **sums.by_pairs(each)}) for each in sums.at(Home.PAIR))]


def _rendered(name: str, values: dict[str, object]) -> str:
    return render("attngen.emit.triton", f"{name}.py", values).rstrip()


def _values(sums: Sums) -> dict[str, object]:
    """What the templates show."""
    plan, lines, heads = sums.plan, PairLines(sums.pairs), Heads(sums.pairs)
    constants = args.constants(plan, args.gradient_exprs(plan))
    return {
        "ordered": plan.ordered,
        "listed": isinstance(plan.walk, List),
        "softmax": plan.softmax,
        "centred": plan.centred,
        "keys_per_anchor": KEYS_PER_ANCHOR,
        "half_of_anchor": KEYS_PER_ANCHOR // 2,
        "gradient_arguments": _arguments(plan),
        "gradient_constants": [*map(kernel_name, constants), *SIZES],
        "gradient_batch_lines": heads.batch_lines(),
        "gradient_head_lines": laid_out([*heads.head_lines(), *lines.query_heads(), *lines.key_heads()], 4),
        **lines.values(),
        **sums.by_queries(),
        **sums.by_keys(),
        **(sums.by_diagonals() if sums.at(Home.BAND) else {}),
    }


def _arguments(plan: Plan) -> list[str]:
    """What all kernels that walk along tiles take."""
    tensors = ["q", "k", "v", "dy"]
    found = [*(f"{name}_ptr" for name in tensors), "stats_ptr", *(["delta_ptr"] if plan.centred else [])]
    found += ["offsets_ptr", *(f"{name}_stride_{axis}" for name in "qk" for axis in "bhnd")]
    found += [f"{name}_stride_{axis}" for name in ("v", "dy") for axis in "bhne"]
    found += [f"{name}_share" for name in "qkv"]
    computed = [row for row in (*query_rows(plan.products), *key_rows(plan.products)) if not row.plain]
    found += [f"{row.name}_{end}" for row in computed for end in ("ptr", "share")]
    found += [name for name, _ in args.gradient_arguments(plan)]
    return [*found, "offset", "B", "H", "N", "M"]
