"""attngen: a compiler for attention variants.

    variant = attngen.load("specs/s2attn.attn")         # checked
    kernel = attngen.build(variant, group=4096)         # compiled for this machine
    y = kernel(q, k, v)                                 # [B, heads, tokens, channels]

Nothing heavy is imported before it is used: checking a spec needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attngen.errors import CallError, Diagnostic, SpecError
from attngen.version import __version__

if TYPE_CHECKING:
    from attngen import nn, reference
    from attngen.emit.backends import generate as compile
    from attngen.ir.load import load
    from attngen.ir.nodes import Variant
    from attngen.runtime.build import build
    from attngen.runtime.kernel import Kernel

_PLACES = {
    "load": ("attngen.ir.load", "load"),
    "Variant": ("attngen.ir.nodes", "Variant"),
    "compile": ("attngen.emit.backends", "generate"),
    "build": ("attngen.runtime.build", "build"),
    "Kernel": ("attngen.runtime.kernel", "Kernel"),
    "nn": ("attngen.nn", ""),
    "reference": ("attngen.reference", ""),
}

__all__ = [
    "CallError",
    "Diagnostic",
    "Kernel",
    "SpecError",
    "Variant",
    "__version__",
    "build",
    "compile",
    "load",
    "nn",
    "reference",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module `attngen` has no attribute `{name}`")
    from importlib import import_module

    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute) if attribute else import_module(module)
