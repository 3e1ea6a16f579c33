"""The names that a random spec has, and what stands behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

TRICKY = (
    "acc", "scores", "far", "near", "rows", "keys", "queries", "tile", "std", "call", "size_m", "x",
    "first", "last", "live", "weights", "total", "start", "stop", "offset_", "N_", "stride", "block", "data",
    "auto_", "full", "cap", "heads", "dy", "dq", "lengths", "step", "value", "exp2",
    "q0", "k1", "KEY_TILE", "live_start", "period", "span", "start_0", "full_stop",
    "linux", "unix", "NULL", "NAN", "M_PI", "INT64_MAX",
)  # fmt: skip
"""Names that generated code might have itself."""
PLAIN = ("a", "g", "w", "u", "r", "s", "p", "m", "n_", "z", "left", "right")


Kinds = Mapping[str, tuple[str, str, tuple[str, ...]]]
"""Of inputs: how they are declared, which leaves they are (a field of `Names`), and how they are read."""


@dataclass
class Names:
    """What expressions may speak of, by kind, as text; and the clauses that must stand before.

    Attributes:
        ints, bools, floats: leaves.
        rows_of_keys, rows_of_values: leaves with channels of k, and of v.
        matrices: leaves that make features of rows over channels of k.
        positive: ints that are at least 1.
        powers: floats that fall with a distance.
        parameters, inputs: what declares them.
        taken: names that are used up.
    """

    ints: list[str]
    bools: list[str]
    powers: tuple[str, ...]
    floats: list[str] = field(default_factory=lambda: ["scale"])
    rows_of_keys: list[str] = field(default_factory=list)
    rows_of_values: list[str] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    positive: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def share(self, functions: Iterable[str]) -> None:
        """Functions of one argument that stand before the attention."""
        for name in functions:
            self.taken.add(name)
            self.ints.append(f"{name}({self.ints[0]})")


def of_pairs() -> Names:
    """What an attention over pairs knows before anything is declared."""
    tests = ["causal", "j <= i", "0 <= i - j < 5", "abs(i - j) <= 3", "j < 4"]
    powers = ("(0.9 ^ abs(i - j))", "exp(-0.1 * abs(i - j))", "(2 ^ (-(h + 1)))", "relu(1 - 0.1 * abs(i - j))")
    return Names(["i", "j", "h", "M", "N", "H"], tests, powers)


def of_tokens() -> Names:
    """What a recurrence knows."""
    tests = ["t mod 3 == 0", "t < 4", "t >= N div 2"]
    powers = ("(0.9 ^ h)", "(2 ^ (-(h + 1)))", "(1 / (t + 1))", "cos(0.1 * t)")
    return Names(["t", "h", "M", "N", "H"], tests, powers)


PER_PAIR = re.compile(r"causal|\b[ij]\b")
"""What varies with the pair."""


def of_heads(names: Names) -> Names:
    """What of that has a value before there is a pair: as a sink has."""
    ints, bools, floats = (
        [leaf for leaf in leaves if not PER_PAIR.search(leaf)] for leaves in (names.ints, names.bools, names.floats)
    )
    powers = tuple(power for power in names.powers if not PER_PAIR.search(power))
    return Names([*ints, "b"], [*bools, "h < 1", "M > 3"], powers, floats, positive=names.positive)


def numbers_of(names: Names) -> list[str]:
    """The parameters that are above 0."""
    return [each.partition(":")[0] for each in names.parameters if "in [1" in each or "in (0" in each]


@st.composite
def fresh(draw: st.DrawFn, names: Names) -> str:
    """A name that is free, and now taken."""
    pool = [each for each in (*PLAIN, *TRICKY) if each not in names.taken]
    name = draw(st.sampled_from(pool))
    names.taken.add(name)
    return name


@st.composite
def declared(draw: st.DrawFn, names: Names, kinds: Kinds) -> None:
    """Some parameters, and inputs of these kinds."""
    for _ in range(draw(st.integers(0, 2))):
        _parameter(draw, names)
    for _ in range(draw(st.integers(0, 2))):
        _input(draw, names, kinds)


def _parameter(draw: st.DrawFn, names: Names) -> None:
    name = draw(fresh(names))
    match draw(st.sampled_from(["size", "int", "float", "bool"])):
        case "size":
            names.parameters.append(
                f"{name}: int = {draw(st.integers(1, 9))} in [1, {draw(st.sampled_from(['inf', '64']))})"
            )
            names.positive.append(name)
            names.ints.append(name)
        case "int":
            names.parameters.append(f"{name}: int = {draw(st.integers(-4, 9))}")
            names.ints.append(name)
        case "float":
            names.parameters.append(f"{name}: float = {draw(st.sampled_from(['0.5', '2', '1.25']))} in (0, 4]")
            names.floats.append(name)
        case "bool":
            names.parameters.append(f"{name}: bool = {draw(st.sampled_from(['true', 'false']))}")
            names.bools.append(name)


INPUTS_OF_PAIRS: Kinds = {
    "documents": ("[b, n]: int sorted", "ints", ("[b, i]", "[b, j]")),
    "lengths": ("[b]: int in [0, inf)", "ints", ("[b]",)),
    "marks": ("[n]: bool", "bools", ("[i]", "[j]")),
    "pairs": ("[h, i, j]: bool", "bools", ("[h, i, j]",)),
    "slopes": ("[h]: float in [0, 1]", "floats", ("[h]",)),
    "bias": ("[h, i, j]: float", "floats", ("[h, i, j]",)),
    "of keys": ("[b, j]: float", "floats", ("[b, j]",)),
    "of queries": ("[i]: float", "floats", ("[i]",)),
    "table": ("[far_, h]: float", "floats", ("[abs(i - j), h]", "[min(abs(i - j), 5), h]")),
    "layout": ("[h, qb, kb]: bool", "bools", ("[h, i div 8, j div 8]", "[h, abs(i) div 4, j div 16]")),
    "shuffled": ("[b, n]: int in [0, 7]", "ints", ("[b, i]", "[b, j]")),
}
INPUTS_OF_TOKENS: Kinds = {
    "gates": ("[b, h, t]: float <= 0", "floats", ("[b, h, t]",)),
    "steps": ("[b, h, t]: float", "floats", ("[b, h, t]",)),
    "rates": ("[h]: float in [0, 1]", "floats", ("[h]",)),
    "of batch": ("[b]: float", "floats", ("[b]",)),
    "lengths": ("[b]: int in [0, inf)", "ints", ("[b]",)),
    "documents": ("[b, n]: int sorted", "ints", ("[b, t]",)),
    "marks": ("[n]: bool", "bools", ("[t]",)),
    "gates of channels": ("[b, h, t, c]: float", "rows_of_keys", ("[b, h, t, c]",)),
    "weights of channels": ("[h, c]: float", "rows_of_keys", ("[h, c]",)),
    "gates of values": ("[b, h, t, e]: float", "rows_of_values", ("[b, h, t, e]",)),
    "weights of values": ("[h, e]: float", "rows_of_values", ("[h, e]",)),
    "features": ("[f_, c]: float", "matrices", ("[f_, c]",)),
}
OWN = re.compile(r"far_|qb|kb|f_")
"""Axes that inputs alone have."""


def _input(draw: st.DrawFn, names: Names, kinds: Kinds) -> None:
    name = draw(fresh(names))
    how, kind, reads = kinds[draw(st.sampled_from(sorted(kinds)))]
    names.inputs.append(f"input {name}{how}")
    getattr(names, kind).extend(f"{name}{read}" for read in reads)
    names.ints += [f"size({axis})" for axis in OWN.findall(how)]
