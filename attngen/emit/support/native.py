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
def _library(source: Path, text: bytes | None, spec: str, *defines: str) -> ctypes.CDLL:
    """The compiled file, from the cache if this machine has compiled this text before.

    Args:
        source: the C++ file.
        text: what stands in it; read now if it is not given.
        spec: where it comes from, for errors.
        defines: macros, as `NAME=value`.

    Raises:
        RuntimeError: there is no C++ compiler that works, or somebody else could have written the library.
    """
    text = source.read_bytes() if text is None else text
    compiler = _compiler()
    flags = [*FLAGS, *_openmp(), *(f"-D{define}" for define in defines)]
    facts = [text, " ".join([*compiler, *flags]).encode(), _version(compiler).encode(), _cpu().encode()]
    name = f"{source.stem}-{_hashed(bytes(1).join(facts))}"
    folder = _cache_folder() / "libraries"
    made = b""
    for _ in range(8):  # another process may empty the cache at any moment
        with suppress(FileNotFoundError, FileExistsError):  # the second where it goes while `mkdir` looks at it
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if library := _loaded(folder, name):
                return library
            with (folder / f"{name}.lock").open("w") as lock:
                _wait_for(lock.fileno())
                library = _loaded(folder, name)  # another process may have been faster
                if library is None:
                    made = made or _compiled(compiler, flags, source, text, spec)
                    _keep(folder, name, made)
                    library = _loaded(folder, name)
                Path(lock.name).unlink(missing_ok=True)
            if library:
                return library
    raise RuntimeError(f"{folder} does not keep what is written there: set ATTNGEN_CACHE to another folder")


def _loaded(folder: Path, name: str) -> ctypes.CDLL | None:
    """A library of the cache, if it is there as it was written: its name ends with a hash of it."""
    _require_own(folder)
    for path in folder.glob(f"{name}-*.so"):
        with suppress(FileNotFoundError):
            _require_own(path)
            if not path.stem.endswith(_hashed(path.read_bytes())):
                path.unlink()
                continue
            os.utime(path)  # used now
            try:
                return ctypes.CDLL(str(path))
            except OSError:
                if path.exists():
                    raise
    return None


def _keep(folder: Path, name: str, made: bytes) -> None:
    """Put a library into the cache in one step, so that nobody sees half of it."""
    handle, partial = tempfile.mkstemp(suffix=".so", dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(made)
    os.chmod(partial, 0o700)
    os.replace(partial, folder / f"{name}-{_hashed(made)}.so")
    _forget_oldest(folder, 512 * 2**20)


def _compiled(compiler: list[str], flags: list[str], source: Path, text: bytes, spec: str) -> bytes:
    """The library that a compiler makes of a text, in a folder that nobody else knows."""
    with tempfile.TemporaryDirectory() as folder:
        written, target = Path(folder, source.name), Path(folder, "made.so")
        written.write_bytes(text)
        error = _error_of([*compiler, *flags, str(written), "-o", str(target)])
        if error:
            _require_working(compiler, target)
            raise RuntimeError(f"{compiler[0]} does not compile the kernel of {spec} ({source}): {error}")
        return target.read_bytes()


def _hashed(content: bytes) -> str:
    """Twenty hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:20]


def _texts(file: str) -> dict[str, bytes]:
    """The C++ files beside a launcher, by name, read when it is imported: a cache may be emptied before a call needs
    them. One that is not there is needed for gradients alone."""
    paths = [Path(file).with_name(f"{Path(file).stem}{end}") for end in (".cpp", "_backward.cpp")]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


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
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "attngen"


def _require_own(path: Path) -> None:
    """Code that others can write is not run."""
    facts = path.stat()
    if hasattr(os, "getuid") and (facts.st_uid not in (os.getuid(), 0) or facts.st_mode & 0o022):
        raise RuntimeError(
            f"{path} could have been written by other users, and is not loaded: remove it, make it yours alone"
            " (chmod go-w), or set ATTNGEN_CACHE to a folder that is"
        )


def _forget_oldest(folder: Path, most: int) -> None:
    """Remove what has not been used for longest, until the rest has at most so many bytes."""
    found = []
    for path in folder.iterdir():
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
