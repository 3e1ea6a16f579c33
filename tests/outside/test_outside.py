"""Specs by people who had not seen the compiler's code: each compiles and agrees, or is refused with a fair reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attngen.errors import SpecError
from attngen.ir.load import load
from attngen.ir.nodes import Parameter
from attngen.runtime.trial import trial

SPECS = sorted((Path(__file__).parent / "specs").glob("*.attn"))
REFUSED = {"qk_norm_rot": "E0402"}
LARGEST = 8
"""Sizes of windows and blocks, so that a small call holds several."""


def value(given: Parameter) -> Any:
    if given.kind.value == "int":
        return LARGEST if given.default is None else min(given.default, LARGEST)
    return 0.5 if given.default is None else given.default


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_agrees(path: Path, backend: str) -> None:
    variant = load(path)
    parameters = {given.name: value(given) for given in variant.parameters}
    if path.stem in REFUSED:
        with pytest.raises(SpecError, match=REFUSED[path.stem]):
            trial(variant, [1, 2, 8, 8], "float32", backend, 0, parameters)
        return
    found = trial(variant, [2, 4, 2, 33, 41, 16, 8], "float32", backend, 1, parameters)
    assert found.passed, found.text()
