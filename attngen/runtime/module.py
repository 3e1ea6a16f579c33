"""Generated files as importable modules: written once per content into the cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from types import ModuleType
from typing import Any

from attngen.cache import KERNELS, put, require_own
from attngen.emit.backends import Files

ALONE = RLock()
"""Threads import one after the other: a module that is half imported is in `sys.modules`, too."""
TRIES = 4
"""How often files are written that another process removes before they are imported."""


def import_function(files: Files, name: str) -> Callable[..., Any]:
    """The public function `name` of generated files."""
    function: Callable[..., Any] = getattr(import_files(files, name), name)
    return function


def import_files(files: Files, name: str) -> ModuleType:
    """Write the files side by side, unless they are there, and import `<name>.py`.

    Raises:
        RuntimeError: others could have written what is there.
        OSError: the cache can't be written.
    """
    digest = hashlib.sha256("\0".join(f"{key}\0{files[key]}" for key in sorted(files)).encode()).hexdigest()[:20]
    module_name = f"attngen_generated_{digest}_{name}"
    with ALONE:
        return sys.modules.get(module_name) or _imported(files, digest, name, module_name)


def _imported(files: Files, digest: str, name: str, module_name: str) -> ModuleType:
    """The module, imported from where nothing was removed meanwhile, with the C++ files that it reads."""
    read = {f"{name}.cpp", f"{name}_backward.cpp"} & files.keys()
    for _ in range(TRIES):
        with suppress(FileNotFoundError, EOFError, ValueError):  # Triton says ValueError where it finds no source
            module = import_path(_placed(files, KERNELS.made() / digest) / f"{name}.py", module_name)
            if not read or read <= module._TEXTS.keys():
                return module
        shutil.rmtree(KERNELS.path / digest / "__pycache__", ignore_errors=True)  # it may be cut
    return import_path(_placed(files, Path(_own_folder().name) / digest) / f"{name}.py", module_name)


@cache
def _own_folder() -> TemporaryDirectory[str]:
    """What other processes know nothing of; it is removed when this one ends."""
    return TemporaryDirectory(prefix="attngen_")


def _placed(files: Files, folder: Path) -> Path:
    """The folder, in which the files are then."""
    new = not folder.exists()
    folder.mkdir(exist_ok=True, mode=0o700)
    os.utime(folder)  # used now
    if new:
        KERNELS.forget()
    require_own(folder)
    for file_name, text in files.items():
        path, content = folder / file_name, text.encode()
        if not (path.exists() and path.read_bytes() == content):
            put(path, content)
        require_own(path)
    _own_bytecode(folder / "__pycache__")
    return folder


def _own_bytecode(folder: Path) -> None:
    """Python runs what it finds there instead of the sources; what others could have written, it makes anew."""
    folder.mkdir(exist_ok=True, mode=0o700)
    try:
        for path in (folder, *folder.iterdir()):
            require_own(path)
    except (RuntimeError, FileNotFoundError):
        shutil.rmtree(folder, ignore_errors=True)


def import_path(path: Path, module_name: str) -> ModuleType:
    """A module from a file, under a name of its own."""
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
