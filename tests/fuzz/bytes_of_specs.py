"""Bytes as specs, guided by the code that they reach: `check` gives variants or a diagnostic, and soon.

Not a test: atheris needs to instrument the code first. `make bytes` runs it for half an hour, in which no text may take
a minute, and memory stays below 2 GB.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["attngen.language", "attngen.ir", "attngen.errors"]):
    from attngen.errors import Source, SpecError
    from attngen.ir.check import check
    from attngen.language.format import format_file
    from attngen.language.parse import parse


def one(data: bytes) -> None:
    """What holds of every text."""
    text = data.decode("utf-8", errors="replace")
    try:
        check(Source("bytes.attn", text))
        file = parse(Source("bytes.attn", text))
    except SpecError as error:
        said = [str(each) for each in error.diagnostics]
        if not (said and all(said)):
            raise AssertionError("a diagnostic says nothing") from error
        return
    printed = format_file(file)
    assert parse(Source("bytes.attn", printed)) == file
    assert format_file(parse(Source("bytes.attn", printed))) == printed


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
