"""What attngen keeps on disk for later processes: grammar tables, templates, findings, modules, libraries, tuned sizes.

Any number of processes use it at the same time. An entry is named by a hash of all that it was made from, so it never
changes: it is there, or it is made anew. It is put in place in one step. What is cut, altered, or could have been
written by others counts as not there. Nothing depends on an entry that was there a moment ago: each process goes on
with what it has read, and beyond its bound a folder loses what has not been used for longest.

Libraries are kept by generated files, which know nothing of attngen (`emit/support/native.py`), by the same rules.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

IN_USE = 3600
"""Seconds in which what was used is not removed for its age: another process may just import it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One kind of entries, files or folders of files, of which at most `most` are kept."""

    name: str
    most: int | None = None

    @property
    def path(self) -> Path:
        return cache_folder() / self.name

    def read(self, entry: str) -> bytes | None:
        """What was written, if it is there, whole and ours."""
        with suppress(OSError, RuntimeError, ValueError):
            path = self.path / entry
            require_own(self.path)
            require_own(path)
            seal, content = path.read_bytes().split(b"\n", 1)
            if seal == _seal(content):
                os.utime(path)  # used now
                return content
        return None

    def write(self, entry: str, content: bytes) -> None:
        """Keep an entry, if there is room for it: it saves time alone."""
        with suppress(OSError, RuntimeError):
            put(self.made() / entry, _seal(content) + b"\n" + content)
            self.forget()

    def made(self) -> Path:
        """Where entries are, which is there then.

        Raises:
            RuntimeError: others could write there.
        """
        while not self.path.is_dir():
            try:
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            except FileExistsError:  # also where another process removes the folder while `mkdir` looks at it
                if self.path.is_file():
                    raise
        require_own(self.path)
        return self.path

    def entries(self) -> list[Path]:
        """What is kept; nothing where there is no folder."""
        with suppress(OSError):
            return list(self.path.iterdir())
        return []

    def forget(self) -> None:
        """Remove what has not been used for longest, beyond the bound; nothing that may be in use."""
        if self.most is None:
            return
        used: dict[Path, float] = {}
        for path in self.entries():
            with suppress(OSError):  # another process may remove it at the same time
                used[path] = path.stat().st_mtime
        for path in sorted(used, key=lambda path: used[path], reverse=True)[self.most :]:
            if used[path] < time.time() - IN_USE:
                _remove(path)


GRAMMARS = Folder("grammars", most=20)
TEMPLATES = Folder("templates", most=1000)
SPECS = Folder("specs", most=1000)  # some 100 KB each
KERNELS = Folder("kernels", most=1000)  # some 60 KB each
LIBRARIES = Folder("libraries")  # bounded where they are made, by their bytes
TUNED = Folder("tuned", most=20000)  # some 300 bytes each, that took minutes of a GPU
FOLDERS = (GRAMMARS, TEMPLATES, SPECS, KERNELS, LIBRARIES, TUNED)


def cache_folder() -> Path:
    """$ATTNGEN_CACHE, or the user's cache folder for attngen."""
    given = os.environ.get("ATTNGEN_CACHE")
    return Path(given) if given else user_cache_path("attngen")


def require_own(path: Path) -> None:
    """Code that others can write is not run.

    Raises:
        RuntimeError: others can write this.
        FileNotFoundError: it is not there.
    """
    facts = path.stat()
    if hasattr(os, "getuid") and (facts.st_uid not in (os.getuid(), 0) or facts.st_mode & 0o022):
        raise RuntimeError(
            f"{path} could have been written by other users, and is not loaded: remove it, make it yours alone"
            " (chmod go-w), or set ATTNGEN_CACHE to a folder that is"
        )


def put(path: Path, content: bytes) -> None:
    """A file in one step: other processes may be doing the same."""
    handle, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; what is removed meanwhile does not count."""
    total = 0
    for each in [path, *path.rglob("*")]:
        with suppress(OSError):
            total += each.stat().st_size if each.is_file() else 0
    return total


def clear() -> None:
    """Remove all entries but tuned sizes, which take a GPU. Processes that are at work make again what they need."""
    for folder in FOLDERS:
        if folder is not TUNED:
            shutil.rmtree(folder.path, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
