"""From a spec to a running kernel, on a real long text: run it with `make demo`.

Compiles specs/s2attn.attn as it is, prints what was derived from it, runs the CPU kernel over the source code of
Python's own standard library, and compares a part with the float64 interpreter.
"""

from __future__ import annotations

import sysconfig
import time
from pathlib import Path

import torch
from torch import Tensor

import attngen
from attngen.analysis.picture import kinds_of_heads
from attngen.view.tiles import LEGEND, heads_text, picture, summary

TOKENS, HEADS, WIDTH = 16384, 8, 64
COMPARED = 256
SPEC = Path(__file__).parent.parent / "specs" / "s2attn.attn"


def long_text(length: int) -> bytes:
    """The first bytes of the standard library, in the order of its file names."""
    text = b""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text += path.read_bytes()
        if len(text) >= length:
            break
    return text[:length]


def projected(text: bytes) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v [1, heads, tokens, width] of a seeded embedding of bytes."""
    generator = torch.Generator().manual_seed(0)
    model = HEADS * WIDTH
    embedding = torch.randn(256, model, generator=generator)
    hidden = embedding[torch.frombuffer(bytearray(text), dtype=torch.uint8).long()]
    weights = torch.randn(3, model, model, generator=generator) / model**0.5
    q, k, v = (hidden @ weight for weight in weights)
    return tuple(rows.view(1, len(text), HEADS, WIDTH).transpose(1, 2) for rows in (q, k, v))  # type: ignore[return-value]


def show(kernel: attngen.Kernel) -> None:
    """The spec, the derived bounds and the tile map of each kind of heads."""
    print(kernel.explain())
    for heads, tiles in kinds_of_heads(kernel.plan.walk, kernel.parameters, TOKENS, TOKENS, HEADS, (512, 512)):
        print(f"\n{heads_text(heads)} of {HEADS}: {summary(tiles)}")
        print("\n".join(f"  {line}" for line in picture(tiles)))
    print(f"  {LEGEND}\n")


def main() -> None:
    print(f"attngen {attngen.__version__}: {SPEC.name}\n")
    kernel = attngen.build(SPEC)
    show(kernel)
    text = long_text(TOKENS)
    q, k, v = projected(text)
    print(f"Running over {len(text)} bytes of Python's standard library, {HEADS} heads of {WIDTH} channels...")
    kernel(q[:, :, :1], k[:, :, :1], v[:, :, :1])  # compiles, unless this machine has done so before
    started = time.perf_counter()
    y = kernel(q, k, v)
    seconds = time.perf_counter() - started
    expected = kernel.reference(q[:, :, -COMPARED:], k, v)
    error = (y[:, :, -COMPARED:].double() - expected).abs().max().item()
    print(f"  the kernel took {seconds:.2f} s")
    print(f"  the last {COMPARED} queries differ from the float64 interpreter by at most {error:.1e}")
    if error > 1e-5:
        raise SystemExit("that is too much")
    print(
        "\nTry next:\n"
        "  .venv/bin/attngen show specs/streaming_llm.attn --tiles --shape 8,8192,8192\n"
        "  .venv/bin/attngen show specs/gemma2_local.attn --source\n"
        "  .venv/bin/attngen run specs/alibi.attn --shape 1,8,4096,64 --dtype bfloat16\n"
        "  write a spec of your own (docs/language.md) and `attngen check` it"
    )


if __name__ == "__main__":
    main()
