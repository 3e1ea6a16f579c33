"""A failure as a file that fails in the same way: a program, and a test to keep."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from attngen.fuzz.campaign import Failure
from attngen.fuzz.quick import QUICK
from attngen.fuzz.tensors import tensor
from attngen.fuzz.ways import Way
from attngen.ir import nodes
from attngen.version import __version__

QUICKLY = """import os

from attngen.fuzz.quick import QUICK

os.environ.setdefault("CXX", str(QUICK))  # as it was found
"""
INTERPRETED = 'import os\n\nos.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported\n'
PAGE = '''"""{name}: {message}

Found by `attngen fuzz`, seed {seed}, backend {backend}: attngen {version}, torch {torch}, {machine}.
Run this file, or give it to pytest: it fails as long as the fault is there.
"""

{before}import torch

import attngen
from attngen.fuzz import Call, Way, assert_right, packed, strided

SPEC = {spec}


def test_{name}():
    kernel = attngen.build(SPEC, name="{name}", backend="{backend}"{parameters})
    call = Call(
{call}
    )
    assert_right(kernel, call, {way}, backward={backward})


if __name__ == "__main__":
    test_{name}()
'''


def reproducer(variant: nodes.Variant, failure: Failure, seed: int, backend: str) -> str:
    """The text of the file."""
    call = failure.call
    given = {
        "q": tensor(call.q),
        "k": tensor(call.k),
        "v": tensor(call.v),
        "parameters": repr(dict(call.parameters)),
        "inputs": _tensors(call.inputs),
        "scale": repr(call.scale),
        "offset": tensor(call.offset) if isinstance(call.offset, Tensor) else repr(call.offset),
        "states": _tensors(call.states),
    }
    message = " ".join(failure.message.replace("\\", "/").replace('"""', "'''").split())
    return PAGE.format(
        name=variant.name,
        message=message,
        seed=seed,
        backend=backend,
        version=__version__,
        torch=torch.__version__,
        machine=platform.machine(),
        spec=_quoted(variant.span.source.text.strip()),
        before=_before(backend),
        parameters="".join(f", {name}={value!r}" for name, value in call.parameters.items()),
        call="\n".join(f"        {name}={text}," for name, text in given.items()),
        way=_way(failure.way),
        backward=failure.backward,
    )


def write(folder: Path, variant: nodes.Variant, failure: Failure, seed: int, backend: str) -> Path:
    """The file, under a name that nothing has yet."""
    number = 0
    while True:
        path = folder / f"repro_{variant.name}{f'_{number}' if number else ''}.py"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(reproducer(variant, failure, seed, backend))
        except FileExistsError:
            number += 1
            continue
        return path


def _before(backend: str) -> str:
    """What has to be so before kernels are compiled."""
    if backend == "triton" and os.environ.get("TRITON_INTERPRET") == "1":
        return INTERPRETED
    return QUICKLY if backend == "cpp" and os.environ.get("CXX") == str(QUICK) else ""


def _tensors(given: Mapping[str, Tensor]) -> str:
    return "{" + ", ".join(f'"{name}": {tensor(x)}' for name, x in given.items()) + "}"


def _quoted(text: str) -> str:
    """As it is, if a raw text can hold it."""
    return repr(text) if '"""' in text or text.endswith("\\") else f'r"""\n{text}\n"""'


def _way(way: Way) -> str:
    return f"Way({', '.join(f'{one.name}={getattr(way, one.name)!r}' for one in fields(way))})"
