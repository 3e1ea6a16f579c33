"""A small language model of bytes whose layers mix tokens by any recurrence of specs/.

The layers know no recurrence by name: q, k and v are projections, and each input that a spec declares is made as its
axes and its range ask for. The models read the source code of Python's standard library. Then they write: a prompt is
read by one call, and each further byte takes the state and gives the next one, whose size stays as it is. That is timed
beside softmax attention, which keeps all keys and values.

    python examples/ssm_lm.py                    # a few minutes; prints a table and writes examples/ssm_lm.svg
    python examples/ssm_lm.py --variants kda rwkv5 causal --steps 100 --out other.svg
"""

from __future__ import annotations

import argparse
import math
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import attngen
from attngen.ir.nodes import Input
from attngen.runtime.recurrent import RecurrentKernel, State

SPECS = Path(__file__).parents[1] / "specs"
VARIANTS = ("retention_recurrent", "gla", "mamba2", "rwkv6", "gated_deltanet")
COLOURS = ("#2b5c8a", "#d1862c", "#3c8c5a", "#a8324a", "#7a5aa6", "#8c8c8c")
HEAD, CONTEXT, BATCH, HELD, TEMPERATURE = 32, 256, 8, 64, 0.7
TIMED = (256, 1024, 4096, 16384)
"""After how many tokens the next one is timed."""

Line = tuple[str, str, list[tuple[float, float]]]
"""Name, colour and points of a line in a chart."""


class Given(nn.Module):
    """What a spec's input gets: made from each token where it has the axis t, else learned; always in its range."""

    def __init__(self, given: Input, width: int) -> None:
        super().__init__()
        own = [axis for axis in given.axes if axis not in ("b", "t")]
        if {"i", "j", "n"} & set(own) or ("b" in given.axes) != ("t" in given.axes):
            raise ValueError(f"`{given.name}` [{', '.join(given.axes)}] is neither made from tokens nor learned")
        ends = (given.range.low, given.range.high)
        self.low, self.high = (None if end is None else float(end.value) for end in ends)  # type: ignore[union-attr]
        shape = [width // HEAD if axis == "h" else HEAD for axis in own]
        self.of_token = nn.Linear(width, math.prod(shape), bias=False) if "t" in given.axes else None
        self.start = nn.Parameter(self._start(math.prod(shape)).reshape(shape))
        names = own if self.of_token is None else ["b", "t", *own]
        self.order = [names.index(axis) for axis in given.axes]

    def forward(self, x: Tensor) -> Tensor:
        raw = self.start if self.of_token is None else self.start + self.of_token(x).unflatten(-1, self.start.shape)
        return self._in_range(raw).permute(self.order)

    def _start(self, count: int) -> Tensor:
        # What has an upper bound is most often what is kept of a state, or its logarithm. At first some heads and
        # channels keep half of it from token to token, and others, near the bound, nearly all.
        if self.high is not None:
            return torch.linspace(0, 6, count)
        return torch.randn(count) if self.low is None and self.of_token is None else torch.zeros(count)

    def _in_range(self, raw: Tensor) -> Tensor:
        if self.low is not None and self.high is not None:
            return self.low + (self.high - self.low) * torch.sigmoid(raw)
        if self.high is not None:
            return self.high - nn.functional.softplus(-raw)
        if self.low is not None:
            return self.low + nn.functional.softplus(raw)
        # Without a range: what is learned may be any number. What each token gives is a factor between 0 and 2, at
        # first near 1: it may multiply states, which must not grow without end, and a delta rule bears just these.
        return raw if self.of_token is None else 1 + torch.tanh(raw)


class Cached:
    """A kernel over pairs that is called as a recurrence is: its state is all keys and values, with room for more."""

    def __init__(self, kernel: attngen.Kernel) -> None:
        self.kernel = kernel

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, *, return_state: bool, **inputs: Tensor) -> Any:
        assert return_state
        kept = {name: nn.functional.pad(rows.detach(), (0, 0, 0, CONTEXT)) for name, rows in (("k", k), ("v", v))}
        return self.kernel(q, k, v, **inputs), State(kept, k.shape[2])

    def step(self, q: Tensor, k: Tensor, v: Tensor, state: State, **inputs: Tensor) -> tuple[Tensor, State]:
        kept, first, end = state.values, int(state.position), int(state.position) + k.shape[2]
        if end > kept["k"].shape[2]:
            kept = {name: nn.functional.pad(rows, (0, 0, 0, end)) for name, rows in kept.items()}
        kept["k"][:, :, first:end], kept["v"][:, :, first:end] = k, v
        return self.kernel(q, kept["k"][:, :, :end], kept["v"][:, :, :end], **inputs), State(kept, end)


class Mixer(nn.Module):
    """Heads of a recurrence between projections, with a norm of each head's output."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        kernel = attngen.build(SPECS / f"{name}.attn")
        self.kernel = kernel if isinstance(kernel, RecurrentKernel) else Cached(kernel)
        if kernel.variant.order is not None:
            raise ValueError(f"{name} does not go from the first token to the last")
        self.inputs = nn.ModuleDict({given.name: Given(given, width) for given in kernel.variant.inputs})
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.norm = nn.RMSNorm(HEAD)

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        q, k, v = self.qkv(x).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        inputs = {name: given(x) for name, given in self.inputs.items()}
        if state is None:
            y, state = self.kernel(q, k, v, return_state=True, **inputs)
        else:
            y, state = self.kernel.step(q, k, v, state, **inputs)
        return self.out(self.norm(y).transpose(1, 2).flatten(2)), state


class Block(nn.Module):
    """A mixer and a feed-forward layer, each behind a norm."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        self.first, self.second, self.mixer = nn.RMSNorm(width), nn.RMSNorm(width), Mixer(name, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        mixed, state = self.mixer(self.first(x), state)
        x = x + mixed
        return x + self.narrow(nn.functional.gelu(self.wide(self.second(x)))), state


class LanguageModel(nn.Module):
    """Logits of the next byte, and the state of each layer after the last one."""

    def __init__(self, name: str, width: int, layers: int) -> None:
        super().__init__()
        if width % HEAD:
            raise ValueError(f"the width {width} is no multiple of {HEAD}, the channels of a head")
        self.embedding, self.norm = nn.Embedding(256, width), nn.RMSNorm(width)
        self.blocks = nn.ModuleList(Block(name, width) for _ in range(layers))

    def forward(self, text: Tensor, states: Sequence[State | None] | None = None) -> tuple[Tensor, list[State]]:
        x, after = self.embedding(text), []
        for block, before in zip(self.blocks, states or [None] * len(self.blocks), strict=True):
            x, state = block(x, before)
            after.append(state)
        return self.norm(x) @ self.embedding.weight.T / x.shape[-1] ** 0.5, after


def library() -> tuple[Tensor, Tensor]:
    """The first 2 MB of the standard library's modules, by name, and apart from them their last tenth, held out."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    data = bytearray(b"".join(path.read_bytes() for path in files)[:2_000_000])
    text = torch.frombuffer(data, dtype=torch.uint8)
    return text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]


def batches(text: Tensor, count: int, seed: int) -> Iterator[Tensor]:
    """Random pieces of a text, [count, CONTEXT + 1]."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        starts = torch.randint(len(text) - CONTEXT, (count,), generator=generator)
        yield torch.stack([text[start : start + CONTEXT + 1] for start in starts]).long()


def loss_of(model: LanguageModel, batch: Tensor) -> Tensor:
    """Bits per byte."""
    logits, _ = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()) / math.log(2)


def train(model: LanguageModel, text: Tensor, held: Tensor, steps: int, name: str) -> list[tuple[float, float]]:
    """Train on pieces of a text: steps, and after them the loss of held-out pieces."""
    data, fixed = batches(text, BATCH, 1), next(batches(held, HELD, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1, pct_start=0.1)
    curve = []
    for step in range(1, steps + 1):
        loss = loss_of(model, next(data))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 15) == 0 or step == steps:
            with torch.no_grad():
                curve.append((float(step), loss_of(model, fixed).item()))
            print(f"  {name}: step {step} of {steps}, {curve[-1][1]:.3f} bits per byte", flush=True)
    return curve


@torch.no_grad()
def write(model: LanguageModel, prompt: Tensor, count: int) -> tuple[Tensor, Tensor, list[int]]:
    """The prompt with `count` more bytes, the logits at all of them, and the bytes of all states before each step."""
    generator = torch.Generator().manual_seed(0)
    logits, states = model(prompt[None])
    text, found, sizes = [prompt], [logits[0]], []
    for _ in range(count):
        sizes.append(sum(value.nbytes for state in states for value in state.values.values()))
        text.append(torch.multinomial(torch.softmax(logits[0, -1] / TEMPERATURE, -1), 1, generator=generator))
        logits, states = model(text[-1][None], states)
        found.append(logits[0])
    return torch.cat(text), torch.cat(found), sizes


@torch.no_grad()
def show(model: LanguageModel, prompt: Tensor, count: int, name: str) -> None:
    """Print what a model writes, having seen that steps give the logits of one long call."""
    text, logits, sizes = write(model, prompt, count)
    difference = (model(text[None])[0][0] - logits).abs().max().item()
    assert difference < 1e-3, f"{name}: logits by steps and by one call differ by {difference}"
    print(f"  {name}: steps and one call differ by {difference:.1e}; states take {sizes[0]} bytes after the prompt,")
    print(f"  {sizes[-1]} after {count} bytes more, which are")
    print("    | " + bytes(text[len(prompt) :].tolist()).decode(errors="replace").replace("\n", "\n    | "))


@torch.no_grad()
def token_times(model: LanguageModel, contexts: Sequence[int]) -> list[tuple[float, float]]:
    """Milliseconds of the next token after each number of tokens; medians of 21."""
    found = []
    for context in contexts:
        _, states = model(torch.randint(256, (1, context)))
        times = []
        for token in torch.randint(256, (24, 1, 1)):
            start = time.perf_counter()
            _, states = model(token, states)
            times.append(time.perf_counter() - start)
        found.append((float(context), 1e3 * sorted(times[3:])[10]))
    return found


def run(
    variants: Sequence[str], steps: int, width: int, layers: int, contexts: Sequence[int] = TIMED
) -> tuple[list[Line], list[Line]]:
    """Train each model and let it write; then time tokens of the first one and of softmax attention."""
    (text, held), losses = library(), []
    for name, colour in zip(variants, COLOURS, strict=False):
        torch.manual_seed(0)
        model = LanguageModel(name, width, layers)
        start = time.perf_counter()
        losses.append((name, colour, train(model, text, held, steps, name)))
        print(f"  {name}: trained in {time.perf_counter() - start:.0f} s")
        show(model, held[:CONTEXT].long(), 128, name)
    timed = ((variants[0], "by its state", COLOURS[0]), ("causal", "softmax attention by its cache", COLOURS[-1]))
    return losses, [
        (f"{name}: {how}", colour, token_times(LanguageModel(name, width, layers), contexts))
        for name, how, colour in timed
    ]


def report(losses: list[Line], times: list[Line]) -> str:
    """Losses and times as a table."""
    lines = ["held-out loss in bits per byte:", *(f"  {points[-1][1]:.3f}  {name}" for name, _, points in losses)]
    lines.append(f"milliseconds per token after {', '.join(f'{context:.0f}' for context, _ in times[0][2])} tokens:")
    lines += ["".join(f"  {found:.2f}" for _, found in points) + f"  {name}" for name, _, points in times]
    return "\n".join(lines)


def panel(left: int, title: str, lines: list[Line], marks: dict[float, str], below: float, legend: int) -> list[str]:
    """The elements of a chart: values from `below` up, marks of the horizontal axis, and names from `legend` on."""
    top, wide, high = 44, 400, 240
    above = max(value for _, _, points in lines for _, value in points)
    start, span = min(marks), max(marks) - min(marks)
    parts = [f'<text x="{left}" y="22" font-weight="bold">{title}</text>']
    for k in range(5):
        y, value = top + high - high * k / 4, below + (above - below) * k / 4
        parts.append(f'<path stroke="#ddd" d="M{left} {y:.0f}h{wide}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{value:.2f}</text>')
    for place, mark in marks.items():
        x = left + wide * (place - start) / span
        parts.append(f'<text x="{x:.0f}" y="{top + high + 18}" text-anchor="middle">{mark}</text>')
    for row, (name, colour, points) in enumerate(lines):
        places = ((left + wide * (x - start) / span, top + high * (above - y) / (above - below)) for x, y in points)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts.append(f'<text x="{left + legend}" y="{top + 16 * row + 14}" fill="{colour}">{name}</text>')
    return parts


def picture(losses: list[Line], times: list[Line]) -> str:
    """Losses over steps and times over tokens, as an SVG."""
    last = losses[0][2][-1][0]
    steps = {last * k / 4: f"{last * k / 4:.0f}" for k in range(5)}
    tokens = {math.log2(context): f"{context:.0f}" for context, _ in times[0][2]}
    times = [(name, colour, [(math.log2(x), y) for x, y in points]) for name, colour, points in times]
    lowest = min(value for _, _, points in losses for _, value in points)
    parts = panel(60, "Held-out loss in bits per byte over steps", losses, steps, math.floor(lowest), 270)
    parts += panel(540, "Milliseconds per token over the tokens before it", times, tokens, 0.0, 20)
    size = 'width="970" height="312" viewBox="0 0 970 312" font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def main() -> None:
    """Run it as the options say."""
    parser = argparse.ArgumentParser(description="A language model of bytes by any recurrence of specs/.")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, metavar="NAME", help="files of specs/, at most six")
    for name, value in (("steps", 300), ("width", 128), ("layers", 3)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} unless given")
    target = Path(__file__).with_suffix(".svg")
    parser.add_argument("--out", type=Path, default=target, help="where the picture goes")
    given = parser.parse_args()
    losses, times = run(given.variants, given.steps, given.width, given.layers)
    print(report(losses, times))
    given.out.write_text(picture(losses, times), encoding="utf-8")
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
