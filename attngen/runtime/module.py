"""Generated files as importable modules: written once per content into the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from attngen.emit.backends import Files
from attngen.emit.support import native
from attngen.folders import cache_folder

MOST_KERNELS = 1000
"""How many kernels the cache keeps, about 60 KB each."""


def import_function(files: Files, name: str) -> Callable[..., Any]:
    """The public function `name` of generated files."""
    function: Callable[..., Any] = getattr(import_files(files, name), name)
    return function


def import_files(files: Files, name: str) -> ModuleType:
    """Write the files side by side, unless they are there, and import `<name>.py`.

    Raises:
        RuntimeError: others could have written what is there.
    """
    digest = hashlib.sha256("\0".join(f"{key}\0{files[key]}" for key in sorted(files)).encode()).hexdigest()[:20]
    module_name = f"attngen_generated_{digest}_{name}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    folder = cache_folder() / "kernels" / digest
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.utime(folder)  # used now
    if new:
        forget_oldest(folder.parent, MOST_KERNELS)
    native._require_own(folder)
    for file_name, text in files.items():
        write(folder / file_name, text.encode())
        native._require_own(folder / file_name)
    return import_path(folder / f"{name}.py", module_name)


def forget_oldest(folder: Path, most: int) -> None:
    """Remove what has not been used for longest; nothing of the last hour, which another process may just import."""
    used: dict[Path, float] = {}
    for path in folder.iterdir():
        with suppress(OSError):  # another process may remove it at the same time
            used[path] = path.stat().st_mtime
    for path in sorted(used, key=lambda path: used[path], reverse=True)[most:]:
        if used[path] < time.time() - 3600:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


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


def write(path: Path, content: bytes) -> None:
    """Put a file in place in one step: other processes may be doing the same."""
    if path.exists() and path.read_bytes() == content:
        return
    handle, partial = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(partial, path)
