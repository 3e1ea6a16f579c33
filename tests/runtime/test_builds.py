"""The kernel tests again, in builds that this machine would not choose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rebuilt import rerun, specs_of, values_of

HEADERS = Path(__file__).parent / "builds"
BUILDS = {
    "portable": "-mno-avx",  # vectors of four floats
    "sixteen lanes": "-D__AVX512F__",
    "pairs of bfloat16": f"-include {HEADERS / 'pairs.h'} -U__AMX_BF16__",
    "tiles of bfloat16": f"-include {HEADERS / 'tiles.h'}",
    "tiles that are refused": f"-include {HEADERS / 'no_tiles.h'}",
}
FORMS = ["sliding", "averaged"]
"""A softmax and a mean."""


@pytest.mark.parametrize("build", BUILDS)
def test_other_vectors(build: str, tmp_path: Path) -> None:
    gradients = "tests/emit/test_gradients.py"
    few = [f"{gradients}::test_blocks_of_few_rows"]
    few += [f"{gradients}::test_widths_of_tiles"] if "tiles" in build else []
    rerun([*values_of(*FORMS), *few], tmp_path, f'"$quick" "$@" {BUILDS[build]}')


@pytest.mark.skipif(shutil.which("clang++") is None, reason="there is no clang++ here")
def test_another_compiler(tmp_path: Path) -> None:
    rerun([*values_of(*FORMS), *specs_of("rope", "xpos")], tmp_path, 'clang++ "$@"')
