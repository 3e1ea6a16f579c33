"""Compiling a C++ file once per machine. Copied into generated files: nothing of attngen may be imported here."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")


@cache
def _library(source: Path) -> ctypes.CDLL:
    """The compiled file, from the cache if this machine has compiled this text before.

    Raises:
        RuntimeError: there is no C++ compiler, or it does not accept the file.
    """
    compiler = _compiler()
    openmp = () if sys.platform == "darwin" else ("-fopenmp",)
    flags = (*FLAGS, *openmp)
    text = source.read_bytes()
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    facts = b"\0".join([text, " ".join(flags).encode(), version, _cpu().encode()])
    target = _cache_folder() / f"{source.stem}-{hashlib.sha256(facts).hexdigest()[:20]}.so"
    if not target.exists():
        _compile(compiler, flags, source, target)
    return ctypes.CDLL(str(target))


def _compile(compiler: str, flags: tuple[str, ...], source: Path, target: Path) -> None:
    """Compile into a file of our own and move it there in one step, so that nobody sees half a library."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, partial = tempfile.mkstemp(suffix=".so", dir=target.parent)
    os.close(handle)
    try:
        command = [compiler, *flags, str(source), "-o", partial]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            raise RuntimeError(f"{compiler} does not compile {source}: {errors[0] if errors else 'no message'}")
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def _compiler() -> str:
    """$CXX, or the first compiler of the usual names."""
    for name in filter(None, (os.environ.get("CXX"), "c++", "g++", "clang++")):
        if found := shutil.which(name):
            return found
    raise RuntimeError(
        "no C++ compiler was found (looked for $CXX, c++, g++ and clang++): install one, for example with"
        " `apt-get install g++`, `dnf install gcc-c++` or `xcode-select --install`"
    )


def _cache_folder() -> Path:
    """$ATTNGEN_CACHE, or a folder of the user's cache."""
    if folder := os.environ.get("ATTNGEN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attngen"


def _cpu() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
