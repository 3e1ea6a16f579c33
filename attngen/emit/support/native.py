"""Compiling a C++ file once per machine. Copied into generated files: nothing of attngen may be imported here."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

FLAGS = "-std=gnu++17 -O3 -march=native -fno-math-errno -fno-trapping-math -shared -fPIC".split()


@cache
def _library(source: Path, spec: str, *defines: str) -> ctypes.CDLL:
    """The compiled file, from the cache if this machine has compiled this text before.

    Args:
        source: the C++ file.
        spec: where it comes from, for errors.
        defines: macros, as `NAME=value`.

    Raises:
        RuntimeError: there is no C++ compiler that works, or somebody else could have written the library.
    """
    compiler = _compiler()
    flags = [*FLAGS, *_openmp(), *(f"-D{define}" for define in defines)]
    facts = [source.read_bytes(), " ".join([*compiler, *flags]).encode(), _version(compiler).encode(), _cpu().encode()]
    name = f"{source.stem}-{hashlib.sha256(bytes(1).join(facts)).hexdigest()[:20]}.so"
    folder = _cache_folder() / "libraries"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / name
    if not target.exists():
        lock = folder / f"{name}.lock"
        with lock.open("w") as file:
            _wait_for(file.fileno())
            if not target.exists():  # another process may have been faster
                _compile(compiler, flags, source, target, spec)
                _forget_oldest(folder, 512 * 2**20)
            lock.unlink(missing_ok=True)
    _require_own(folder)
    _require_own(target)
    os.utime(target)  # used now
    return ctypes.CDLL(str(target))


def _compile(compiler: list[str], flags: list[str], source: Path, target: Path, spec: str) -> None:
    """Compile into a file of our own and move it there in one step, so that nobody sees half a library."""
    handle, partial = tempfile.mkstemp(suffix=".so", dir=target.parent)
    os.close(handle)
    try:
        error = _error_of([*compiler, *flags, str(source), "-o", partial])
        if error:
            _require_working(compiler, Path(partial))
            raise RuntimeError(f"{compiler[0]} does not compile the kernel of {spec} ({source}): {error}")
        os.chmod(partial, 0o700)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def _error_of(command: list[str], text: str | None = None) -> str:
    """The first error of a command, or nothing if it succeeds; `text` is what it reads."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
    return next((line for line in lines if "error" in line), lines[0])


def _require_working(compiler: list[str], target: Path) -> None:
    """Compile a few lines into `target`, to tell a broken compiler from a broken kernel."""
    for extra, missing in (([], "a working compiler"), (_openmp(), "OpenMP")):
        command = [*compiler, "-x", "c++", "-std=gnu++17", *extra, "-shared", "-fPIC", "-", "-o", str(target)]
        if error := _error_of(command, "#include <cmath>\n#include <vector>\nint main() { return 0; }\n"):
            raise RuntimeError(f"{compiler[0]} does not compile C++ here ({error}): {_advice(missing)}")


def _compiler() -> list[str]:
    """$CXX, which may have options behind it, or the first compiler of the usual names."""
    given, *options = shlex.split(os.environ.get("CXX", "")) or [""]
    for name in (given,) if given else ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return [found, *options]
    looked = f"$CXX is {given}, which is not there" if given else "looked for c++, g++ and clang++"
    raise RuntimeError(f'no C++ compiler was found ({looked}): {_advice("one")}, or use backend="reference"')


def _advice(missing: str) -> str:
    """How to get a compiler."""
    if missing == "OpenMP":
        return "install OpenMP for it, for example with `apt-get install libomp-dev` or `dnf install libomp-devel`"
    commands = "`apt-get install g++`, `dnf install gcc-c++`, `conda install gxx` or `xcode-select --install`"
    return f"install {missing}, for example with {commands}"


def _openmp() -> list[str]:
    """Apple's compiler has no threads by OpenMP."""
    return ["-fopenmp-simd"] if sys.platform == "darwin" else ["-fopenmp"]


def _version(compiler: list[str]) -> str:
    """What a compiler says of itself."""
    try:
        return subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise RuntimeError(f"{compiler[0]} can't be run ({error}): {_advice('a working compiler')}") from None


def _cache_folder() -> Path:
    """$ATTNGEN_CACHE, or a folder of the user's cache."""
    if folder := os.environ.get("ATTNGEN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attngen"


def _require_own(path: Path) -> None:
    """Code that others can write is not run."""
    facts = path.stat()
    if hasattr(os, "getuid") and (facts.st_uid not in (os.getuid(), 0) or facts.st_mode & 0o022):
        raise RuntimeError(
            f"{path} could have been written by other users, and is not loaded: remove it, make it yours alone"
            " (chmod go-w), or set ATTNGEN_CACHE to a folder that is"
        )


def _forget_oldest(folder: Path, most: int) -> None:
    """Remove the libraries that have not been used for longest, until the others have at most so many bytes."""
    found = []
    for path in folder.glob("*.so"):
        with suppress(OSError):  # another process may remove it at the same time
            facts = path.stat()
            found.append((facts.st_mtime, facts.st_size, path))
    found.sort(reverse=True)
    total = 0
    for _, size, path in found:
        total += size
        if total > most:
            path.unlink(missing_ok=True)


def _wait_for(lock: int) -> None:
    """Until no other process holds the lock, where the system has locks; closing the file gives it back."""
    with suppress(ImportError):
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)


def _cpu() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
