"""The layers of a model share what was found out about their spec, and no other spec does."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import attngen
from attngen.errors import SpecError

TEXT = "attention near(w: int = 3 in [1, inf)) {\n  mask 0 <= i - j < w\n}"


def test_the_same_text_is_planned_once() -> None:
    first, second = attngen.build(TEXT), attngen.build(TEXT, w=5)
    assert first.plan is second.plan
    assert (first.parameters, second.parameters) == ({"w": 3}, {"w": 5})
    assert attngen.build(TEXT.replace("near", "other")).plan is not first.plan


def test_a_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "near.attn"
    path.write_text(TEXT)
    before = attngen.build(path)
    assert attngen.build(path).plan is before.plan
    path.write_text(TEXT.replace("i - j < w", "i - j < w + 1"))
    assert attngen.build(path).plan is not before.plan


def test_places_are_those_of_the_own_file(tmp_path: Path) -> None:
    text = "attention a { score dot(q, q) }"
    for name in ("one.attn", "two.attn"):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError) as error:
            attngen.build(tmp_path / name)
        assert error.value.diagnostics[0].span.source.name.endswith(name)


def test_warnings_are_given_every_time() -> None:
    for _ in range(2):
        with pytest.warns(UserWarning, match="W0301"):
            attngen.build("attention a { mask j < i and j > i }")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attngen.build(TEXT)
