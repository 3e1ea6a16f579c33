"""Kernels under the compiler's sanitizers: no address outside of what is theirs, nothing undefined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from rebuilt import rerun, specs_of, values_of

DEEP = settings().max_examples >= 1000
FLAGS = "-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all"
TEMPLATES = ["s2attn", "dilated", "averaged"] + (["sink", "documents", "summed"] if DEEP else [])
"""One variant for each way to walk, to order tokens, and to normalise."""
FEW = ["tests/runtime/test_few_queries.py::test_few_queries[holes]"]
ROWS = ["xpos", *(["rope"] if DEEP else [])]
"""Specs whose rows are computed: from anchors, and ahead."""


def library(name: str) -> str:
    """Where the compiler keeps a library."""
    done = subprocess.run(["c++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are loaded ahead of Python in another way")
def test_sanitizers(tmp_path: Path) -> None:
    every_spec = ["tests/specs/test_specs.py", "-k", "test_cpp"]
    rerun(
        every_spec if DEEP else [*values_of(*TEMPLATES), *FEW, *specs_of(*ROWS)],
        tmp_path,
        f'"$quick" "$@" {FLAGS}',
        LD_PRELOAD=f"{library('libasan.so')} {library('libubsan.so')}",
        ASAN_OPTIONS="detect_leaks=0",  # Python's own
    )
    made = list((tmp_path / "libraries").glob("*.so"))
    assert made and all(b"__asan_report" in each.read_bytes() for each in made)


def test_a_fault_is_found(tmp_path: Path) -> None:
    """Sanitizers that saw nothing would prove nothing."""
    source = tmp_path / "beyond.cpp"
    source.write_text("int main(int count, char**) { int* x = new int[2]; return x[count + 1]; }\n")
    subprocess.run(["c++", *FLAGS.split(), str(source), "-o", str(tmp_path / "beyond")], check=True)
    done = subprocess.run([str(tmp_path / "beyond")], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and ("insufficient space" in done.stderr or "heap-buffer-overflow" in done.stderr)
