"""From a spec to a running kernel, on a real long text: run it with `make demo`.

Compiles specs/s2attn.attn as it is, prints what was derived from it, runs the CPU kernel over the source code of
Python's own standard library, compares a part with the float64 interpreter, and times the kernel beside PyTorch's own
attention, which needs a dense mask for it.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

import attngen
from attngen.analysis.picture import kinds_of_heads
from attngen.bench.timing import alternating
from attngen.view.tiles import LEGEND, heads_text, picture, summary

TOKENS, HEADS, WIDTH = 16384, 8, 64
COMPARED = 256
ROUNDS = 3
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


def dense_masks(group: int) -> list[Tensor]:
    """What PyTorch needs: for the heads without and with the shift, all pairs [tokens, tokens]."""
    tokens = torch.arange(TOKENS)
    masks = []
    for shift in (0, group // 2):
        groups = (tokens + shift) // group
        masks.append((tokens <= tokens[:, None]) & (groups == groups[:, None]))
    return masks


def by_sdpa(rows: tuple[Tensor, Tensor, Tensor], masks: list[Tensor]) -> Tensor:
    """The same by PyTorch, one half of the heads after the other."""
    halves = zip(*(each.chunk(2, dim=1) for each in rows), strict=True)
    found = [F.scaled_dot_product_attention(*half, attn_mask=mask) for half, mask in zip(halves, masks, strict=True)]
    return torch.cat(found, dim=1)


def compare(kernel: attngen.Kernel, rows: tuple[Tensor, Tensor, Tensor]) -> None:
    """The last queries with the interpreter, and all of them with PyTorch.

    Raises:
        SystemExit: they differ by more than rounding explains.
    """
    q, k, v = rows
    y = kernel(q, k, v)
    expected = kernel.reference(q[:, :, -COMPARED:], k, v)
    error = (y[:, :, -COMPARED:].double() - expected).abs().max().item()
    print(f"  the last {COMPARED} queries differ from the float64 interpreter by at most {error:.1e}")
    masks = dense_masks(kernel.parameters["group"])
    other = (y - by_sdpa(rows, masks)).abs().max().item()
    print(f"  all of them differ from PyTorch's attention with dense masks by at most {other:.1e}")
    if not max(error, other) < 1e-5:
        raise SystemExit("that is too much")
    calls = {"kernel": lambda: kernel(q, k, v), "sdpa": lambda: by_sdpa(rows, masks)}
    times = {name: time.median for name, time in alternating(calls, ROUNDS).items()}
    print(f"\nMedians of {ROUNDS} runs by turns, {torch.get_num_threads()} threads:")
    print(f"  attngen                           {times['kernel']:6.2f} s")
    size = sum(mask.nbytes for mask in masks) / 2**20
    print(
        f"  PyTorch with {size:4.0f} MB of dense masks {times['sdpa']:6.2f} s, {times['sdpa'] / times['kernel']:.1f} x"
    )


def main() -> None:
    print(f"attngen {attngen.__version__}: {SPEC.name}\n")
    kernel = attngen.build(SPEC)
    show(kernel)
    text = long_text(TOKENS)
    print(f"Running over {len(text)} bytes of Python's standard library, {HEADS} heads of {WIDTH} channels...")
    compare(kernel, projected(text))
    print(
        "\nTry next:\n"
        "  .venv/bin/attngen show specs/streaming_llm.attn --tiles --shape 8,8192,8192\n"
        "  .venv/bin/attngen show specs/gemma2_local.attn --source\n"
        "  .venv/bin/attngen run specs/alibi.attn --shape 1,8,4096,64 --dtype bfloat16\n"
        "  write a spec of your own (docs/language.md) and `attngen check` it"
    )


if __name__ == "__main__":
    main()
