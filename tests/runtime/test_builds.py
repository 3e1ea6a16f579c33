"""The kernel tests again, in builds that this machine would not choose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rebuilt import rerun, specs_of, values_of

PAIRS = Path(__file__).parent / "builds" / "pairs.h"
BUILDS = {
    "portable": "-mno-avx",  # vectors of four floats
    "sixteen lanes": "-D__AVX512F__ -O1",
    "pairs of bfloat16": f"-include {PAIRS} -O1",
}
FORMS = ["sliding", "averaged"]
"""A softmax and a mean."""


@pytest.mark.parametrize("build", BUILDS)
def test_other_vectors(build: str, tmp_path: Path) -> None:
    few = ["tests/emit/test_gradients.py::test_blocks_of_few_rows"]
    rerun([*values_of(*FORMS), *few], tmp_path, f'c++ "$@" {BUILDS[build]}')


@pytest.mark.skipif(shutil.which("clang++") is None, reason="there is no clang++ here")
def test_another_compiler(tmp_path: Path) -> None:
    rerun([*values_of(*FORMS), *specs_of("rope", "xpos")], tmp_path, 'clang++ "$@"')
