"""Specs of interest, found by fuzzing: those that were once compiled wrongly, and one for each set of decisions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import attngen
from attngen.fuzz.attempt import assert_right
from attngen.fuzz.language.campaign import LIMITS
from attngen.fuzz.language.corpus import FAULT, reasons
from attngen.fuzz.language.front import accepted, assert_front, assert_generated, planned
from attngen.fuzz.recipes import recipes
from attngen.fuzz.ways import WAYS, ways

FOLDER = Path(__file__).parents[1] / "corpus"
CORPUS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.attn"))}
CODE = re.compile(r"[EW]\d{4}")
FAULTS = [name for name in CORPUS if name.startswith(FAULT)]
DEEP = settings.default.max_examples >= 1000
CALLED = 1 if DEEP else 4
"""Of so many specs, one is called: what all are planned as is looked at always."""
CALLS = settings(
    max_examples=100 if DEEP else 3,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
    derandomize=not DEEP,
    deadline=None,
)


@pytest.mark.parametrize("name", CORPUS)
def test_what_is_found_of_a_spec_is_right(name: str) -> None:
    text = CORPUS[name]
    why = text.splitlines()[0].removeprefix("# ")
    if CODE.fullmatch(why):
        assert why in reasons(text)
        return
    front = planned(text)
    assert front.variant is not None, front.codes
    assert name in FAULTS or front.decisions == why, "`make corpus` writes first lines anew"
    if crc32(name.encode()) % CALLED and name not in FAULTS:
        return
    variant = front.variant

    @CALLS
    @given(recipes(variant, LIMITS["front"]))
    def calls(recipe: Any) -> None:
        call = accepted(front, recipe)
        if call is not None:
            assert_front(front, call)

    calls()
    assert_generated(front, text, always=DEEP or name in FAULTS)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("name", CORPUS if DEEP else FAULTS)
def test_what_was_once_wrong_is_right(name: str, backend: str) -> None:
    front = planned(CORPUS[name])
    if front.variant is None:
        return
    variant = front.variant

    @CALLS
    @given(recipes(variant, LIMITS[backend]), ways(WAYS[backend]), st.booleans())
    def calls(recipe: Any, way: Any, backward: bool) -> None:
        call = accepted(front, recipe)
        if call is not None:
            kernel = attngen.build(variant, backend=backend, **dict[str, Any](call.parameters))
            assert_right(kernel, call, way, backward=backward)

    calls()


def test_there_is_a_corpus() -> None:
    assert FAULTS
