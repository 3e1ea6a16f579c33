"""A compiler that thinks little, for kernels that are called twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

QUICK = Path(__file__).with_name("quick_compiler")
"""`c++` at -O1, with headers that are compiled once."""


def compile_quickly() -> None:
    """Kernels of C++, from now on; unless $CXX names a compiler, or there is no `c++`."""
    if os.access(QUICK, os.X_OK) and shutil.which("c++"):
        os.environ.setdefault("CXX", str(QUICK))
