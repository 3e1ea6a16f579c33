"""Names of the author's next to those of the generated code: both work, or the spec is refused with a place."""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
from pathlib import Path

import pytest
import torch

import attngen
from attngen.emit.support.native import FLAGS
from attngen.ir.check.scope import CALL_NAMES, MODULE_NAMES, RESERVED
from attngen.schedule.names import kernel_name

ROOT = Path(__file__).parent.parent.parent
BACKENDS = ("cpp", "triton")
PARAMETERS = [
    "top",
    "acc",
    "double",
    "keys",
    "lambda_",
    "tile",
    "rows",
    "value",
    "x_ptr",
    "x_share",
    "size_m",
    "NOTHING",
    "k0",
    "last",
    "ELEMENT",
]
LETS = ["start", "k_", "call", "row", "stop_0", "weights", "FULL", "Full", "visit", "space", "scores", "i_", "std"]
INPUTS = [
    "doc",
    "results",
    "part_acc",
    "sums",
    "total",
    "class_",
    "x",
    "q0",
    "key_tile",
    "base",
    "visit",
    "Element",
    "b_far",
    "new_top",
    "far",
    "tensor",
    "lists",
    "shape",
    "fits",
    "each",
]
MACROS = ["linux", "unix", "NULL", "NAN", "INFINITY", "M_PI", "M_PIf", "INT64_MAX", "RAND_MAX", "errno"]
ATTENTIONS = ["linux", "NAN", "full", "double", "print", "visit", "attend", "forward", "std", "y", "kernel"]


def agrees(text: str, backend: str, **inputs: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, rows, 8, generator=generator) for rows in (9, 11, 11))
    kernel = attngen.build(text, backend=backend)
    assert torch.allclose(kernel(q, k, v, **inputs).double(), kernel.reference(q, k, v, **inputs), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters(backend: str) -> None:
    declared = ", ".join(f"{name}: int = {k + 1}" for k, name in enumerate(PARAMETERS))
    uses = " and ".join(f"(i + {name}) mod 13 != j mod 4" for name in PARAMETERS)
    declared_floats = ", ".join(f"{name}_f: float = 0.5" for name in PARAMETERS)
    sums = " + ".join(f"{name}_f * h" for name in PARAMETERS)
    agrees(f"attention some({declared}, {declared_floats}) {{ score scale * dot(q, k) + {sums} mask {uses} }}", backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lets(backend: str) -> None:
    lets = " ".join(f"let {name} = (j + {k}) div 3 + h" for k, name in enumerate(LETS))
    uses = " or ".join(f"{name} * {name} == i" for name in LETS)
    hosted = " ".join(f"let {name}_h = h / {k + 3}" for k, name in enumerate(LETS))
    sums = " + ".join(f"{name}_h * {name}_h" for name in LETS)
    agrees(f"attention some {{ {lets} {hosted} score scale * dot(q, k) + {sums} mask {uses} or j <= i }}", backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs(backend: str) -> None:
    declared = " ".join(f"input {name}[h, j]: float" for name in INPUTS)
    sums = " + ".join(f"{name}[h, j]" for name in INPUTS)
    given = {name: torch.randn(2, 11, generator=torch.Generator().manual_seed(k)) for k, name in enumerate(INPUTS)}
    agrees(f"attention some {{ {declared} score scale * dot(q, k) + {sums} mask j <= i }}", backend, **given)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attentions(name: str, backend: str) -> None:
    if backend == "cpp" and name not in ATTENTIONS[:6]:
        compile(
            attngen.compile(attngen.load(f"attention {name} {{ mask causal }}"), backend)[f"{name}.py"], name, "exec"
        )
    else:
        agrees(f"attention {name} {{ mask causal }}", backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_macros(backend: str) -> None:
    """No scope hides them: as parameters, inputs, lets, what the host computes, and states."""
    for kind, declared in (("int", "i + {} != j"), ("float", "0.5 * {} < j + 2.0")):
        given = ", ".join(f"{name}: {kind} = 1" for name in MACROS)
        agrees(f"attention a({given}) {{ mask {' and '.join(map(declared.format, MACROS))} }}", backend)
    declared = " ".join(f"input {name}[h, j]: float" for name in MACROS)
    given = {name: torch.randn(2, 11, generator=torch.Generator().manual_seed(k)) for k, name in enumerate(MACROS)}
    sums = " + ".join(f"{name}[h, j]" for name in MACROS)
    agrees(f"attention a {{ {declared} score scale * dot(q, k) + {sums} }}", backend, **given)
    lets = " ".join(f"let {name} = h / {k + 3} + 0.1 * j" for k, name in enumerate(MACROS))
    sums = " + ".join(f"{name} * {name}" for name in MACROS)
    agrees(f"attention a {{ {lets} score scale * dot(q, k) + {sums} mask causal }}", backend)
    states = " ".join(f"state {name} = 0.5 * {name} + outer(k, v)" for name in MACROS)
    kernel = attngen.build(
        f"attention a {{ {states} out {' + '.join(f'dot(q, {m})' for m in MACROS)} }}", backend=backend
    )
    rows = torch.randn(1, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(kernel(rows, rows, rows).double(), kernel.reference(rows, rows, rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", ["causal.cpp", "causal_backward.cpp", "mamba2.cpp", "bigbird.cpp"])
def test_every_macro_of_the_headers_is_known(kernel: str) -> None:
    command = ["g++", *FLAGS, "-dM", "-E", f"generated/cpp/{kernel}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    names = {line.split()[1].split("(")[0] for line in found.splitlines()}
    assert len(names) > 300
    assert {name for name in names if kernel_name(name) == name} == set()


@pytest.mark.parametrize("name", ["int", "max", "torch", "offset", "debug", "return_lse", "_x"])
def test_arguments_that_would_hide_a_name(name: str) -> None:
    for text in (
        f"attention a({name}: int = 1) {{ mask j <= i + {name} }}",
        f"attention a {{ input {name}[h]: float score {name}[h] * dot(q, k) }}",
    ):
        with pytest.raises(attngen.SpecError, match=rf"E0202.*`{name}` can't be an argument") as caught:
            attngen.load(text)
        assert caught.value.diagnostics[0].span.text == name


@pytest.mark.parametrize(
    "given", ["(size_m: int = 1) { input x[m]: float", "{ input x[m]: float input size_m[h]: float"]
)
def test_an_argument_that_is_called_like_the_size_of_an_axis(given: str) -> None:
    with pytest.raises(attngen.SpecError, match=r"E0202.*`size_m` can't be an argument") as caught:
        attngen.load(f"attention a{given} score dot(q, k) + x[j] }}")
    assert caught.value.diagnostics[0].span.text == "size_m"


@pytest.mark.parametrize("name", ["math", "triton", "_forward", "TUNED", "max", "tuple"])
def test_attentions_that_would_hide_a_name(name: str) -> None:
    with pytest.raises(
        attngen.SpecError, match=rf"E0202.*`{name}` can't be the name of a generated function"
    ) as caught:
        attngen.load(f"attention {name} {{ mask causal }}")
    assert (caught.value.diagnostics[0].span.line, caught.value.diagnostics[0].span.column) == (1, 11)


RICH = (
    "attention rich(p: int = 1 in [0, 3], f: float = 2) { input x[h]: float input z[m]: int in [0, 5]"
    " assert p < H and h >= 0"
    " score scale * dot(q, k) + x[h] * sigmoid(scale) + max(0, z[clamp(i, 0, 1)]) * abs(tanh(h / f)) + softplus(f)"
    " mask z[clamp(i div 4, 0, 1)] >= floor(log(h + 1.5)) }"
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lists_of_names_are_complete(backend: str) -> None:
    """Every name that a generated module uses is one that authors can't take, or that is made to differ."""
    tree = ast.parse(attngen.compile(attngen.load(RICH), backend)["rich.py"])
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    module = {name for name in used if hasattr(builtins, name)} | _module_names(tree)
    assert {name for name in module - own if not name.startswith("_")} <= MODULE_NAMES
    assert all(name.startswith("_") for name in own - {"rich", "prepare_rich"})
    public = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "rich")
    inside = {node.id for part in public.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    free = {name for name in inside - CALL_NAMES - RESERVED - own if kernel_name(name) == name}
    assert free <= {"x", "z", "p", "f", "_"} | {
        name for name in inside if re.match("scale_|constant|sigmoid|softplus|float", name)
    }


def _module_names(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_kernels_bind_no_name_that_a_value_could_have() -> None:
    plain = attngen.load("attention plain { score dot(q, k) }")
    tree = ast.parse(attngen.compile(plain, "triton")["plain.py"])
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    device = [node for node in functions if any("jit" in ast.unparse(each) for each in node.decorator_list)]
    kernels = [node for node in device if node.name not in ("_dot", "_floor_div", "_floor_mod", "_inside")]
    nodes = [node for kernel in kernels for node in ast.walk(kernel)]
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name)}
    launchers = [node for node in functions if node.name in ("_forward", "_backward", "_to_inputs")]
    assert len(kernels) > 5 and len(launchers) == 2
    assigned = [node for each in launchers for node in ast.walk(each) if isinstance(node, (ast.Assign, ast.For))]
    targets = [target for node in assigned for target in getattr(node, "targets", [getattr(node, "target", None)])]
    bound |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    assert {name for name in bound if kernel_name(name) == name} == set()


def test_cpp_kernels_bind_no_name_that_a_value_could_have() -> None:
    text = attngen.compile(attngen.load("attention plain { score dot(q, k) }"), "cpp")["plain.cpp"]
    code = re.sub(r"//.*", "", text)
    types = re.findall(r"(?:struct|class|using|constexpr \w+) (\w+)", code)
    functions = re.findall(r"^(?:inline )?\w+ (\w+)\(", code, re.MULTILINE)
    start = code.index("struct QueryTile")
    local = re.findall(
        r"(?:int64_t|Index|float[*&]?|bool\*?|Element\*?|Piece\*|Factor\*|auto\*?|Call&|Workspace&) (\w+)",
        code[start : code.index("bool attend_all")],
    )
    assert {name for name in (*types, *functions, *local) if kernel_name(name) == name} == set()


WITH_AUTHORS = [
    "attention a(logit: int = 2, rescale: float = 1) { input new_top[m]: float input weights[r, s]: bool"
    " input logits[h, i]: float score dot(q, k) * rescale + new_top[i] * logits[h, i]"
    " mask weights[i div logit, j div 4] and (i - j) mod logit == 0 and i - j < 100 }",
    "attention a(rescale: float = 0.5) { input weights[h, t]: float <= 0 input new_top[b, h, t, c]: float <= 0"
    " state S = exp(weights[h, t] * rescale + new_top[b, h, t]) * S + outer(k, v) out dot(q, S) }",
]
MADE = re.compile(r"_|rescale_|size_[mrs]$")  # what the namer makes, and what authors can't take
AUTHORS = {"logit", "rescale", "new_top", "weights", "logits"}  # names that are others in kernels


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", WITH_AUTHORS)
def test_functions_beside_kernels_hide_no_author_s_name(text: str, backend: str) -> None:
    """An input called `far` once was hidden by a launcher's own `far`."""
    tree = ast.parse(attngen.compile(attngen.load(text), backend)["a.py"])
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    named_apart = {"_tile_tests"} | {node.name for node in functions if "jit" in ast.unparse(node).split("def")[0]}
    beside = [node for node in functions if node.name not in named_apart]  # these give each value a name of its own
    checked = set()
    for function in beside:
        for called, allowed in (
            (AUTHORS, lambda name: name in CALL_NAMES | RESERVED),
            ({f"{name}_" for name in AUTHORS}, lambda name: kernel_name(name) != name or name in RESERVED),
        ):
            hiding = {name for name in _bound_before(function, called) - called if not allowed(name)}
            assert {name for name in hiding if not MADE.match(name)} == set(), function.name
            checked |= {function.name} if _uses(function, called) else set()
    assert {"a", "_sized"} < checked


def _uses(node: ast.AST, names: set[str]) -> list[ast.Name]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in names]
    return [each for each in found if isinstance(each.ctx, ast.Load)]


def _bound_before(function: ast.FunctionDef, names: set[str]) -> set[str]:
    """What a function binds before it last reads one of `names`, which it so could hide."""
    last = max((each.lineno for each in _uses(function, names)), default=0)
    inner = [node for node in ast.walk(function) if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp))]
    apart = {id(each) for node in inner if not _uses(node, names) for each in ast.walk(node)}
    ends = {  # an assignment binds its names when it is over
        id(target): node.end_lineno or 0
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    stored = [each for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
    return {each.id for each in stored if ends.get(id(each), each.lineno) < last and id(each) not in apart}
