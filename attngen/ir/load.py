"""A spec from a path or a text to a checked variant."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from attngen.errors import Source, suggest
from attngen.ir.check import check
from attngen.ir.nodes import Variant


def load(spec: str | Path | Variant, name: str | None = None) -> Variant:
    """The checked attention of a spec.

    Args:
        spec: a path, the text of a spec, or a variant, which is returned as it is.
        name: which attention, where the spec holds several.

    Raises:
        SpecError: the spec is wrong; holds every diagnostic.
        FileNotFoundError: there is no such file.
        LookupError: the spec holds several attentions and no name is given, or none of that name.
    """
    return spec if isinstance(spec, Variant) else load_source(read_source(spec), name)


def load_source(source: Source, name: str | None = None) -> Variant:
    """The same of a text that has been read."""
    variants = _checked(source)
    if name is None and len(variants) == 1:
        return variants[0]
    names = [variant.name for variant in variants]
    if name is None:
        raise LookupError(f"the spec holds {len(names)} attentions; choose one by name: {', '.join(names)}")
    if name not in names:
        hint = suggest(name, names) or f"there is {', '.join(names)}"
        raise LookupError(f"the spec holds no attention `{name}`; {hint}")
    return variants[names.index(name)]


def load_all(spec: str | Path) -> tuple[Variant, ...]:
    """Every attention of a spec, in order.

    Raises:
        SpecError: the spec is wrong; holds every diagnostic.
        FileNotFoundError: there is no such file.
    """
    return _checked(read_source(spec))


@lru_cache(maxsize=64)
def _checked(source: Source) -> tuple[Variant, ...]:
    """What a text means, kept: a model builds the same spec for each of its layers."""
    return check(source)


def read_source(spec: str | Path) -> Source:
    """A text is told from a path by its braces."""
    if isinstance(spec, str) and "{" in spec:
        return Source("<text>", spec)
    path = Path(spec)
    if path.is_dir():
        if str(spec) and (inside := min(path.glob("*.attn"), default=None)):
            raise FileNotFoundError(f"`{spec}` is a folder: give one of its specs, such as {inside}")
        raise FileNotFoundError(f"`{spec}` is neither a file nor the text of a spec")
    return Source(str(spec), path.read_text(encoding="utf-8"))
