"""Random specs are compiled quickly, unless somebody names a compiler, and by nobody else's headers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch

import attngen
from attngen.fuzz import Call, Way
from attngen.fuzz.campaign import Failure
from attngen.fuzz.quick import QUICK, compile_quickly
from attngen.fuzz.reproducer import reproducer

SOURCE = '#include <cmath>\nextern "C" double root(double x) { return std::sqrt(x); }\n'


def test_a_compiler_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "clang++")
    compile_quickly()
    assert os.environ["CXX"] == "clang++"


def test_reproducers_compile_as_what_they_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.ones(1, 1, 2, 4)
    failure = Failure("y is off", Call(rows, rows, rows), Way("at once"), True)
    variant = attngen.load("attention full { score scale * dot(q, k) }")
    monkeypatch.delenv("CXX")
    assert "QUICK" not in reproducer(variant, failure, 1, "cpp")
    compile_quickly()
    assert os.environ["CXX"] == str(QUICK)
    assert 'os.environ.setdefault("CXX", str(QUICK))' in reproducer(variant, failure, 1, "cpp")
    assert "QUICK" not in reproducer(variant, failure, 1, "triton")


def compiled(folder: Path) -> list[str]:
    """Compiles with `folder` for what is temporary; what is left there."""
    source = folder / "root.cpp"
    source.write_text(SOURCE)
    command = [QUICK, "-std=gnu++17", "-O3", "-fPIC", "-shared", source, "-o", folder / "root.so"]
    subprocess.run(command, check=True, env={**os.environ, "TMPDIR": str(folder)})
    assert (folder / "root.so").exists()
    return sorted(path.name for path in folder.glob("attngen_headers_*/*/std.h*"))


def test_headers_are_compiled_once(tmp_path: Path) -> None:
    assert compiled(tmp_path)[0] == "std.h"
    (folder,) = tmp_path.glob("attngen_headers_*")
    assert folder.stat().st_mode & 0o077 == 0


def test_headers_of_others_are_not_read(tmp_path: Path) -> None:
    """A folder that somebody else has put there, by a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"attngen_headers_{os.getuid()}").symlink_to(elsewhere)
    assert compiled(tmp_path) == []
    assert not any(elsewhere.iterdir())
