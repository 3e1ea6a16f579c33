"""Generated files as text: read by people, the same every time, and complete."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from attngen.emit.backends import BACKENDS, generate
from attngen.emit.cpp.printer import CPP
from attngen.emit.python import PYTHON
from attngen.emit.triton.printer import TRITON
from attngen.ir.functions import SCALAR
from attngen.ir.load import load, load_all
from attngen.ir.show import LANGUAGE

ROOT = Path(__file__).parent.parent.parent
SPECS = sorted((ROOT / "specs").glob("*.attn"))
VARIANTS = {variant.name: (path, variant) for path in SPECS for variant in load_all(path)}
TEMPLATES = sorted((ROOT / "attngen" / "emit").glob("*/templates/*.py"))


@pytest.mark.parametrize("table", [TRITON, CPP, PYTHON, LANGUAGE], ids=["triton", "cpp", "python", "language"])
def test_every_scalar_function_can_be_written(table: object) -> None:
    assert set(table) >= SCALAR  # type: ignore[call-overload]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_templates_are_valid_python(path: Path) -> None:
    assert ast.parse(path.read_text(encoding="utf-8")).body


@pytest.mark.parametrize(("name", "backend"), [(name, each) for name in VARIANTS for each in BACKENDS])
def test_a_file_is_standalone_and_shows_its_equation(name: str, backend: str) -> None:
    path, variant = VARIANTS[name]
    files = generate(variant, backend)
    assert files == generate(load(path, name), backend)
    tree = ast.parse(files[f"{variant.name}.py"])
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(module.startswith("attngen") for module in modules)
    for text in files.values():
        for line in variant.text:
            assert " ".join(line.split()) in " ".join(text.split())
    public = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == variant.name)
    documented = ast.get_docstring(public) or ""
    for argument in [*public.args.args, *public.args.kwonlyargs]:
        assert f"{argument.arg}:" in documented


def test_committed_python_is_formatted() -> None:
    ruff = shutil.which("ruff") or str(ROOT / ".venv" / "bin" / "ruff")
    done = subprocess.run(
        [ruff, "format", "--check", str(ROOT / "generated")], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_no_line_of_generated_code_is_longer_than_ours() -> None:
    lines = [
        line for path in (ROOT / "generated").rglob("*.*") if path.suffix in (".py", ".cpp") for line in path.open()
    ]
    assert max(len(line.rstrip("\n")) for line in lines) <= 120
