"""Kernel tests in a process of their own, whose kernels are compiled anew, in another way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from attngen.fuzz.quick import QUICK

ROOT = Path(__file__).parent.parent


def rerun(tests: list[str], folder: Path, compiler: str, **environment: str) -> None:
    """Run tests with a compiler, which has its own options in `$@`, and environment variables of their own.

    `quick` is the one that compiles headers once.
    """
    script = folder / "compiler"
    script.write_text(f"#!/bin/sh\nquick={QUICK}\nexec {compiler}\n")
    script.chmod(0o700)
    own = {"ATTNGEN_PROFILE": "rebuilt", "ATTNGEN_CACHE": str(folder), "CXX": str(script)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def values_of(*names: str) -> list[str]:
    """Tests of variants against the interpreter."""
    return [f"tests/runtime/test_kernels.py::test_cpp_values[{name}]" for name in names]


def specs_of(*names: str) -> list[str]:
    """The same of specs."""
    return [f"tests/specs/test_specs.py::test_cpp[{name}]" for name in names]
