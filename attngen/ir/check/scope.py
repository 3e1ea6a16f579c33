"""What a name means, and where.

Scopes nest: prelude, file, attention, and the arguments of a definition that is being expanded. A definition sees
the names of the place where it was written, so the names of an attention can't leak into the prelude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from attngen.errors import Span
from attngen.ir import nodes
from attngen.ir.check.report import Report
from attngen.ir.expr import Expr
from attngen.ir.functions import CALLABLE
from attngen.language import ast

SIZES = ("B", "H", "N", "M", "D", "E")
POSITIONS = ("b", "h", "i", "j", "t")
CHANNELS = ("c", "e")
ROWS = {"q": ("c",), "k": ("c",), "v": ("e",)}
VALUES = frozenset((*SIZES, *POSITIONS, *CHANNELS, *ROWS, "scale"))
"""The names that have a value without being defined."""
RESERVED = VALUES | {"inf", "n"}
FUNCTION_NAMES = CALLABLE | {"size"}
MODULE_NAMES = frozenset(
    "annotations torch math Tensor contextlib triton tl ctypes cache Path hashlib os platform shlex shutil subprocess "
    "sys tempfile suppress DEFAULTS TUNED FLAGS SPEC ImportError MemoryError bytes "
    "lru_cache cached_property hasattr "
    "abs all any bool dict enumerate filter float int isinstance len list max min next "
    "object range reversed set sorted str sum tuple type zip FileNotFoundError OSError RuntimeError ValueError "
    "LiveTiles TileTest Any Callable Mapping NamedTuple NotImplementedError TENSORS NUMBERS array dataclass field "
    "itertools getattr staticmethod WeakValueDictionary Sequence Iterable deque "
    "STATES BY_STATES SEGMENT SHORTEST FileExistsError".split()
)
"""What generated modules call by names of the module, or of Python: an attention of that name would hide it."""
CALL_NAMES = frozenset(
    "offset return_lse debug prepared list_number seen_before tile_starts query_order key_order sizes y lse "
    "self return_state position positions state states order carried pieces STATES dict "
    "kernel options reach runs meta offsets tensors integers reals fault panel_heads long_positions "
    "torch math Tensor contextlib triton tl ctypes cache Path hashlib os platform shlex shutil subprocess sys tempfile "
    "abs all bool float int isinstance list max min range str tuple zip array ValueError".split()
)
"""What the public function of every generated file calls its own; parameters and inputs stand beside these."""
BUILD_NAMES = frozenset(("spec", "name", "backend"))
"""What `attngen.build` takes beside parameters."""
PYTHON_KEYWORDS = frozenset(
    "False None True and as assert async await break class continue def del elif else except finally for from "
    "global if import in is lambda nonlocal not or pass raise return try while with yield".split()
)

MOST_LISTED = 16
"""Arguments of a definition that are listed."""


@dataclass(frozen=True, slots=True)
class Value:
    """An argument of a definition, already elaborated; `None` if it was wrong or is not known."""

    expr: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A `let` (no parameters), a `def` or an `order`, to be expanded where it is used."""

    name: str
    parameters: tuple[str, ...]
    body: ast.Expr
    scope: Scope
    span: Span

    @property
    def form(self) -> str:
        """How it is called."""
        listed = self.parameters if len(self.parameters) <= MOST_LISTED else (*self.parameters[:MOST_LISTED], "...")
        return f"{self.name}({', '.join(listed)})" if listed else self.name


@dataclass(frozen=True, slots=True)
class StateName:
    """A state of a recurrence and its channels."""

    name: str
    channels: tuple[str, ...]
    span: Span


Binding: TypeAlias = Value | Definition | StateName | nodes.Parameter | nodes.Input


@dataclass(slots=True, eq=False)
class Scope:
    """Names and what they are bound to; unknown names are looked up in `outer`. `axes`: the inputs' own axes."""

    outer: Scope | None = None
    bindings: dict[str, Binding] = field(default_factory=dict)
    axes: frozenset[str] = frozenset()

    def find(self, name: str) -> Binding | None:
        return next((scope.bindings[name] for scope in self._outward() if name in scope.bindings), None)

    def names(self) -> Iterator[str]:
        for scope in self._outward():
            yield from scope.bindings

    def own_axes(self) -> Iterator[str]:
        for scope in self._outward():
            yield from scope.axes

    def has_axis(self, name: str) -> bool:
        """Whether an input has an axis of its own of that name."""
        return any(name in scope.axes for scope in self._outward())

    def _outward(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer


def declare(scope: Scope, word: ast.Word, binding: Binding, report: Report) -> None:
    """Bind a name that an author chose. A name that may not be chosen is reported; where it had no meaning before
    it is bound all the same, so that its uses are not reported as well."""
    name = word.text
    if name in RESERVED:
        message = f"`{name}` always has a meaning and can't be defined"
        report.error("E0202", message, word.span, help="choose another name")
    elif name in FUNCTION_NAMES and not isinstance(binding, (nodes.Parameter, nodes.Input)):
        report.error("E0202", f"`{name}` is a function of the language", word.span, help="choose another name")
    elif name in scope.bindings:
        label = f"first on line {scope.bindings[name].span.line}"
        report.error("E0202", f"`{name}` is defined twice", word.span, label=label, help="rename one")
    else:
        no_keyword(word, report)
        if isinstance(binding, (nodes.Parameter, nodes.Input)) and (name in CALL_NAMES or name.startswith("_")):
            message = f"`{name}` can't be an argument of the generated function, which uses the name itself"
            report.error("E0202", message, word.span, help="choose another name")
        if isinstance(binding, nodes.Parameter) and name in BUILD_NAMES:
            message = f"`{name}` can't be a parameter: `attngen.build` has an argument of that name"
            report.error("E0202", message, word.span, help="choose another name")
        scope.bindings[name] = binding


def no_module_name(word: ast.Word, report: Report) -> None:
    """The name of an attention is that of its function in the generated module."""
    if word.text in MODULE_NAMES or word.text.startswith("_"):
        message = f"`{word.text}` can't be the name of a generated function, whose module uses the name itself"
        report.error("E0202", message, word.span, help="choose another name")


def no_keyword(word: ast.Word, report: Report) -> None:
    """Names that generated code uses are no keywords of its language."""
    if word.text in PYTHON_KEYWORDS:
        help = f"generated code is Python: call it `{word.text}_`"
        report.error("E0202", f"`{word.text}` is a keyword of Python", word.span, help=help)
