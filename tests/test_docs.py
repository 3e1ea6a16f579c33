"""What the pages say is true: their specs check, their Python runs, their pictures and lists are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import attngen
from attngen.analysis.picture import kinds_of_heads
from attngen.cli import app
from attngen.errors import Source, SpecError
from attngen.ir.check import check, prelude
from attngen.ir.check.scope import Definition
from attngen.ir.functions import CALLABLE
from attngen.ir.load import load
from attngen.language.format import format_file
from attngen.language.parse import parse
from attngen.schedule.plan import plan
from attngen.schedule.support import unsupported
from attngen.view.tiles import picture

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
DIAGNOSTICS = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
NOT_YET = re.compile(r"^\| (E04\d\d) \| .+ \| `(.+)` \|$", re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of all pages in a language, each under the place where it stands."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            if block.group(1) == language:
                line = text.count("\n", 0, block.start()) + 2
                found.append((f"{page.name}:{line}", block.group(2)))
    return found


def named(pairs: list[tuple[str, str]]) -> dict[str, object]:
    return {"argvalues": [text for _, text in pairs], "ids": [place for place, _ in pairs]}


def codes(text: str) -> list[str]:
    """Everything that is wrong with a spec, up to whether it can be compiled."""
    try:
        variants = check(Source("spec.attn", text))
    except SpecError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return [diagnostic.code for variant in variants for diagnostic in (*variant.warnings, *unsupported(variant))]


@pytest.mark.parametrize("text", **named(blocks("attn")))
def test_examples_check(text: str) -> None:
    source = Source("spec.attn", text)
    assert [warning for variant in check(source) for warning in variant.warnings] == []
    assert format_file(parse(source)) == text


@pytest.mark.parametrize("text", **named(blocks("attn-error")))
def test_wrong_examples_fail_with_the_code_of_their_first_line(text: str) -> None:
    assert codes(text) == [text.split("\n")[0].removeprefix("# ")]


@pytest.mark.parametrize(("code", "example"), NOT_YET.findall(DIAGNOSTICS))
def test_what_cannot_be_compiled_yet_says_so(code: str, example: str) -> None:
    assert codes(example) == [code]
    with pytest.raises(SpecError) as caught:
        attngen.compile(check(Source("spec.attn", example))[0], "triton")
    assert [problem.code for problem in caught.value.diagnostics] == [code]


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    script = "\n".join(text for place, text in blocks("python") if place.startswith("README"))
    assert "kernel.reference" in script
    exec(compile(script, "README.md", "exec"), {})


def test_the_spec_of_the_readme_is_the_file() -> None:
    assert blocks("attn")[0][1] == (ROOT / "specs" / "s2attn.attn").read_text(encoding="utf-8")


def test_the_picture_of_the_readme_is_that_of_the_compiler() -> None:
    variant = load(ROOT / "specs" / "s2attn.attn")
    (_, left), (_, right) = kinds_of_heads(plan(variant).walk, {"group": 2048}, 8192, 8192, 8, (512, 512))
    lines = [f"  {a}    {b}\n" for a, b in zip(picture(left), picture(right), strict=True)]
    assert "".join(lines) in README


def test_the_readme_lists_every_command() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.name for group in app.registered_groups if group.name}
    assert set(re.findall(r"^\| `attngen (\w+) ", README, re.MULTILINE)) == names


def test_the_prelude_and_the_functions_are_listed() -> None:
    definitions = [binding for binding in prelude().bindings.values() if isinstance(binding, Definition)]
    listed = set(re.findall(r"^\| `(.+?)` \|", LANGUAGE, re.MULTILINE))
    assert {definition.form for definition in definitions} <= listed
    words = set(re.findall(r"\w+", LANGUAGE.split("\n## Expressions\n")[1].split("\n## ")[0]))
    assert words >= CALLABLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["cpu", "cpu_backward", "recurrent"])
def test_the_benchmarks_of_the_readme_are_the_last_ones(name: str) -> None:
    assert (ROOT / "benchmarks" / f"{name}.md").read_text(encoding="utf-8").strip() in README
