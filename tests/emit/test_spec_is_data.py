"""A spec is data: whatever its docs, comments and file are called, code stays what it is, and nothing else is run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_cli import attngen

from attngen.emit.backends import BACKENDS, decide
from attngen.errors import Source, SpecError
from attngen.ir.check import check

TEXT = st.text(st.characters(exclude_characters='"\0\r\n', exclude_categories=["Cs"]), max_size=40)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
SPEC = 'attention {name} {{\n  doc "{doc}"  # {comment}\n  mask j <= i\n}}\n'


def code(text: str, file: str, backend: str) -> dict[str, object]:
    """What files say, without docstrings, comments and the place of the spec."""
    (variant,) = check(Source(file, text))
    found: dict[str, object] = {}
    for name, made in BACKENDS[backend](decide(variant)).items():
        if name.endswith(".py"):
            found[name] = [ast.dump(node) for node in ast.parse(made).body if not _is_words(node)]
        else:
            found[name] = [line for line in made.split("\n") if not line.startswith("//")]
    return found


def _is_words(node: ast.stmt) -> bool:
    """A docstring is cut out of functions; the module's, and the constant that says where a spec comes from, go."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
            part.body = part.body[1:]
    is_place = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SPEC"
    return is_place or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@settings(max_examples=max(10, settings.default.max_examples // 2))
@given(doc=TEXT, comment=TEXT, file=NAMES)
@example("{{ 7 * 7 }} {% for x in y %} {0} %s ${x}", "{{ spec }}", "{{ 7 * 7 }}.attn")
@example("''' \\", "*/ int evil() { return 1; } /*", '"; import os; os.system("touch evil"); "')
@example("\\N{BULLET} \\x41 \\u0041 \\", "\\", "a\nimport os\n.attn")
@example("??/ trigraph ??/", "`touch evil` $(touch evil)", "*/ int evil() { return 1; } /*")
def test_words_change_no_code(backend: str, doc: str, comment: str, file: str) -> None:
    plain = code(SPEC.format(name="a", doc="words", comment="words"), "a.attn", backend)
    assert code(SPEC.format(name="a", doc=doc, comment=comment), file, backend) == plain


@pytest.mark.parametrize(
    "name", ["__import__('os')", "../evil", "a;touch evil", "$(touch evil)", "a b", "import", "é", "a\nb", "-o", "a.b"]
)
def test_names_are_identifiers(name: str) -> None:
    with pytest.raises(SpecError):
        check(Source("a.attn", SPEC.format(name=name, doc="", comment="")))


def test_files_may_have_any_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The compiler's command line holds no text of a spec, and no shell reads it."""
    path = tmp_path / "a $(touch evil) `touch evil`; touch evil '\".attn"
    path.write_text(SPEC.format(name="a", doc="$(touch evil)", comment="`touch evil`"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = attngen("run", path, "--shape", "1,1,8,8", "--backend", "cpp")
    assert done.returncode == 0, done.stderr
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
