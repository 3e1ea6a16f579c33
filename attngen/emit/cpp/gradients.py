"""A plan as the strings that the C++ templates of the backward pass show."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit import landings
from attngen.emit.cpp import adjoints
from attngen.emit.cpp.arguments import DTYPES, heads_per_element
from attngen.emit.cpp.landings import Landings, element_type
from attngen.emit.cpp.pairs import Pairs
from attngen.emit.cpp.printer import FACTOR, TERM
from attngen.emit.cpp.rows import key_names, multiplied, multiplied_names, times
from attngen.emit.layout import laid_out
from attngen.emit.render import functions
from attngen.schedule.homes import Home, Landing
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.slopes import Slope

ROWS = "rounded_up(D, PANEL)"


def values(plan: Plan, pairs: Pairs) -> dict[str, object]:
    """What they show beside what forward templates show."""
    return _Gradients(plan, pairs).values()


def launcher_values(plan: Plan) -> dict[str, object]:
    """What the launcher shows of the backward pass."""
    queries, keys = (landings.asked(plan, home) for home in (Home.QUERY_ROWS, Home.KEY_ROWS))
    made = [
        ("dq", "(B, H, N, D)", "float32", " or ".join(["wanted[0]", *queries])),
        ("dk", "(B, groups, M, D)", "float32", " or ".join(["wanted[1]", *keys])),
        ("dv", "(B, groups, M, E)", "float32", "wanted[2]"),
    ]
    for landing in plan.landings:
        asked = _asked(plan, landing)
        kind = DTYPES[element_type(plan, landing)]
        made.append((landing.name, landings.shape(landing), kind, asked))
    of_pairs = [landing for landing in plan.landings if landing.home is Home.PAIR]
    outputs = ["*results", "stats", *(["None if dlse is None else dlse.contiguous()"] if plan.softmax else [])]
    outputs += ["dq", "dk", "dv", *(landing.name for landing in plan.landings)]
    return {
        **landings.values(plan),
        "made": [line for each in made for line in laid_out([_zeros(*each)], 4)],
        "gradient_rows": "dy, y" if plan.centred else "dy",
        "backward_run": laid_out([f'_run(call, "backward", [{", ".join(outputs)}], strides)'], 4),
        "lse_tensor": "lse, " if plan.softmax else "",
        "head_rounds": functions("attngen.emit.support", "operators.py", ["_head_rounds"]) if of_pairs else "",
        "round_lines": laid_out(_rounds(plan, of_pairs), 4),
        "element_lines": [f"strides += {_element_numbers(plan, landing)}" for landing in of_pairs],
        "pair_inputs": ", ".join(landing.read.input for landing in of_pairs),
    }


def _zeros(name: str, shape: str, kind: str, asked: str) -> str:
    return f"{name} = torch.zeros({shape}, dtype=torch.{kind}, device=y.device) if {asked} else None"


def _asked(plan: Plan, landing: Landing) -> str:
    """Python that tells whether the sums of a landing are asked for."""
    wanted = landings.wanted(plan, landing)
    return f"{wanted} and {kernel_name(landing.read.input)}.numel()" if landing.home is Home.PAIR else wanted


def _rounds(plan: Plan, of_pairs: list[Landing]) -> list[str]:
    """Python for how many batch rows and groups of heads may add to the same elements."""
    lines = ["batch_rounds = head_rounds = 1"] if of_pairs else []
    for landing in of_pairs:
        name, axes = kernel_name(landing.read.input), plan.variant.input(landing.read.input).axes
        asked = f"{landing.name} is not None"
        share = heads_per_element(name, axes, without="H")
        lines += [] if "b" in axes else [f"batch_rounds = max(1, B) if {asked} else batch_rounds"]
        lines += [f"head_rounds = max(head_rounds, _head_rounds({share}, call.panel_heads) if {asked} else 1)"]
    return [*lines, "strides += [batch_rounds, head_rounds]" if of_pairs else "strides += [1, 1]"]


def _element_numbers(plan: Plan, landing: Landing) -> str:
    name, axes = kernel_name(landing.read.input), plan.variant.input(landing.read.input).axes
    share = heads_per_element(name, axes, without="1")
    empty = [0] * (len(axes) + 2)
    return f"{empty} if {landing.name} is None else [*{landing.name}.stride(), {share}, {landing.name}.numel()]"


@dataclass
class _Gradients:
    plan: Plan
    pairs: Pairs

    def values(self) -> dict[str, object]:
        plan = self.plan
        keys = key_names(plan)
        weight = "scores[x] * " if plan.logit else ""
        by_score = f"{weight}(dp_row[x] - delta)" if plan.centred else f"{weight}dp_row[x]"
        sink = "" if plan.once_per_row is None else self.pairs.text(plan.once_per_row, exact=False, outer=TERM)
        return {
            **Landings(plan, self.pairs, by_score).values(),
            "sink_lines": [f"const float by_sink = -exp2_of(all({sink} - space.base[r]))[0] * space.delta[r];"],
            "counted": False,
            "centred": plan.centred,
            "packed_rows": [
                *((k, "D", [("pack_keys", k, "D_factors * DEPTH"), ("pack_values", f"{k}_rows", ROWS)]) for k in keys),
                ("v", "E", [("pack_keys", "v", "rounded_up(E, DEPTH)")]),
            ],
            "key_widths": f"{times(len(keys))}(rounded_up(call.D, DEPTH) + rounded_up(call.D, PANEL))",
            "by_score": by_score,
            "differentials": [
                (f"d_{slope.name}", self._differential(slope)) for slope in plan.slopes if slope.of_product
            ],
            "product_sums": [(f"d_{p.name}", multiplied(p), p.key.name) for p in plan.smooth],
            "packed_queries": multiplied_names(plan),
            "bridged_sums": [
                (multiplied(p), p.query.name, p.bridge.name) for p in plan.products if p.bridge is not None
            ],
            "made_keys": (" : " if keys else "") + ", ".join(f"{key}(count)" for key in keys),
            "query_gradients": adjoints.query_lines(plan),
            "key_gradients": adjoints.key_lines(plan),
        }

    def _differential(self, slope: Slope) -> str:
        """The gradient by a product: that by the score times the slope."""
        if slope.level is Level.PAIR and not self.pairs.is_kept(slope.value):
            return f"by_score * d_{slope.name}_row[x]"  # where the loop before has left it
        text = self.pairs.text(slope.value, exact=False, outer=FACTOR)
        return "by_score" if text == "1.0f" else f"by_score * {text}"
