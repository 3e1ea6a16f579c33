"""What the files of all C++ kernels have in common."""

from __future__ import annotations

import re
from importlib.resources import files

MODULES = "ctypes math os platform shlex shutil subprocess sys tempfile".split()
"""What launchers import to compile and load a library."""


def flags() -> str:
    """The compiler's options, as the line that a launcher holds."""
    text = files("attngen.emit.support").joinpath("native.py").read_text(encoding="utf-8")
    return next(line for line in text.split("\n") if line.startswith("FLAGS ="))


def support(name: str) -> str:
    """A part that is the same in all files."""
    return files("attngen.emit.cpp").joinpath("support", f"{name}.cpp").read_text(encoding="utf-8").strip()


def helper_functions(text: str) -> str:
    """The helper functions that a text calls, and those that these call."""
    blocks = support("functions").split("\n\n")
    names = {block: re.findall(r"inline \S+(?: \S+>)? (\w+)\(", block)[0] for block in blocks}
    kept: set[str] = set()
    while True:
        new = {block for block, name in names.items() if re.search(rf"\b{name}\(", text)} - kept
        if not new:
            return "\n".join(f"{block}\n" for block in blocks if block in kept)
        kept |= new
        text = "\n".join(new)
