"""`docs/diagnostics.md` lists every code, its examples give their codes, and every code has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import test_check_inputs
import test_check_kinds
import test_check_limits
import test_check_names
import test_check_structure
from marked import diagnostics, split

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([EW]\d{4}) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = {code: example for code, _, example in ROW.findall(TABLE)}
CHECKED = re.compile(r"E0[123]\d\d|W02\d\d")


def literals(folder: str) -> set[str]:
    """The codes that stand as strings in the modules of a folder."""
    files = (ROOT / folder).rglob("*.py")
    return {code for file in files for code in re.findall(r'"([EW]\d{4})"', file.read_text(encoding="utf-8"))}


def test_every_code_is_listed_once() -> None:
    assert literals("attngen") <= ROWS.keys()
    assert [code for code, _, _ in ROW.findall(TABLE)] == list(ROWS)


def test_every_listed_code_can_be_given() -> None:
    assert {code for code in ROWS if CHECKED.fullmatch(code)} <= literals("attngen")


def test_codes_stand_under_their_headings() -> None:
    for heading, rows in re.findall(r"^## ([EW]\d\d)xx: [^\n]+\n(.*?)(?=^## |\Z)", TABLE, re.MULTILINE | re.DOTALL):
        assert all(code.startswith(heading) for code, _, _ in ROW.findall(rows))


EXAMPLES = {code: example for code, example in ROWS.items() if CHECKED.fullmatch(code) and example.startswith("`")}


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_gives_its_code(code: str) -> None:
    found = [one.code for one in diagnostics(EXAMPLES[code].strip("`"))]
    assert found == [code] or (code.startswith("E01") and code in found)


def test_every_code_of_the_checker_has_a_test() -> None:
    modules = (test_check_names, test_check_kinds, test_check_inputs, test_check_structure)
    marked = {code for module in modules for text in module.CASES.values() for *_, code, _ in split(text)[1]}
    assert test_check_limits.HUGE and test_check_limits.STATES
    assert literals("attngen/ir/check") == marked | {"E0208", "E0313"}
