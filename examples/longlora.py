"""LongLoRA on two cores: train a small decoder at a short context, extend it four times with shifted sparse attention.

A byte-level decoder reads the source code of Python's standard library. It is trained with full attention at a short
context. Then its context is extended as LongLoRA does (arXiv:2309.12307): positions are interpolated, and what is
trained is low-rank adapters of q, k, v and o with embeddings and norms, with attention in shifted groups (s2attn). The
same is done with full attention, and both are evaluated with full attention at the long context.

    python examples/longlora.py                  # a few minutes; prints a table and writes examples/longlora.svg
"""

from __future__ import annotations

import argparse
import copy
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

import attngen

# Rotary embeddings whose positions are interpolated (arXiv:2306.15595), under two masks.
FULL = """attention full_interpolated(stretch: float = 1 in [1, inf)) {
  let  f = theta(10000.0) / stretch
  score scale * dot(rotate(q, i * f), rotate(k, j * f))
  mask  j <= i
}"""
SHIFTED = """attention s2attn_interpolated(group: int in [2, inf), stretch: float = 1 in [1, inf)) {
  let  f = theta(10000.0) / stretch
  let  shift = if h >= H div 2 then group div 2 else 0
  score scale * dot(rotate(q, i * f), rotate(k, j * f))
  mask  j <= i and (i + shift) div group == (j + shift) div group
}"""
RANK = 8
STRETCH = 4


@dataclass(frozen=True)
class Setting:
    """How large the model is, and for how long it is trained."""

    width: int = 128
    heads: int = 4
    layers: int = 3
    short: int = 512
    tokens: int = 8192  # of a step, at any context
    steps: int = 300
    extension_steps: int = 60
    evaluated: int = 8  # long contexts of held-out text

    @property
    def long(self) -> int:
        """The context after the extension."""
        return STRETCH * self.short


@dataclass
class Curve:
    """The loss of held-out text over the seconds of training, and how long a step takes."""

    name: str
    seconds: list[float] = field(default_factory=lambda: [0.0])
    losses: list[float] = field(default_factory=list)
    per_step: float = 0.0


class Block(nn.Module):
    """Attention and a feed-forward layer, each behind a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.attention = attngen.nn.Attention(FULL, width, heads)
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        return x + self.narrow(nn.functional.gelu(self.wide(self.second(x))))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Logits of the next byte."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, text: Tensor) -> Tensor:
        x = self.embedding(text)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embedding.weight.T / x.shape[-1] ** 0.5  # type: ignore[no-any-return]

    def attend_by(self, kernel: attngen.Kernel) -> None:
        """The attention of all layers from now on."""
        for block in self.blocks:
            block.attention.kernel = kernel


class Adapted(nn.Module):
    """A frozen linear layer plus a product of two low-rank matrices (LoRA, arXiv:2106.09685)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.in_features, RANK, bias=False)
        self.up = nn.Linear(RANK, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + 2 * self.up(self.down(x))  # type: ignore[no-any-return]


def adapted(model: Decoder) -> Decoder:
    """A copy of which adapters, embeddings and norms are trained, and nothing else."""
    model = copy.deepcopy(model).requires_grad_(False)
    model.embedding.requires_grad_(True)
    for part in model.modules():
        if isinstance(part, nn.RMSNorm):
            part.requires_grad_(True)
    for block in model.blocks:
        for name in ("q", "k", "v", "out"):
            setattr(block.attention, name, Adapted(getattr(block.attention, name)))
    return model


def library() -> Tensor:
    """The bytes of the standard library's modules, in the order of their names."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    return torch.frombuffer(bytearray(b"".join(path.read_bytes() for path in files)), dtype=torch.uint8)


def batches(text: Tensor, length: int, count: int, seed: int) -> Iterator[Tensor]:
    """Random pieces of a text, [count, length + 1]."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        starts = torch.randint(len(text) - length, (count,), generator=generator)
        yield torch.stack([text[start : start + length + 1] for start in starts]).long()


def loss_of(model: Decoder, batch: Tensor) -> Tensor:
    """Nats per byte."""
    logits = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def evaluated(model: Decoder, batch: Tensor, kernel: attngen.Kernel) -> float:
    """The loss with another attention than that of training."""
    before = model.blocks[0].attention.kernel
    model.attend_by(kernel)
    found = sum(loss_of(model, row[None]).item() for row in batch) / len(batch)
    model.attend_by(before)
    return found


def train(
    model: Decoder, data: Iterator[Tensor], steps: int, rate: float, held: Tensor, kernel: attngen.Kernel, name: str
) -> Curve:
    """Train what is not frozen; the loss of held-out text is found with `kernel`, and the clock stops for it."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, pct_start=0.1)
    curve = Curve(name, losses=[evaluated(model, held, kernel)])
    spent, times = 0.0, []
    for step in range(1, steps + 1):
        start = time.perf_counter()
        loss = loss_of(model, next(data))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        times.append(time.perf_counter() - start)
        spent += times[-1]
        if step % max(1, steps // 10) == 0:
            curve.seconds.append(spent)
            curve.losses.append(evaluated(model, held, kernel))
            print(f"  {name}: step {step} of {steps}, {spent:.0f} s, loss {curve.losses[-1]:.3f}", flush=True)
    curve.per_step = sorted(times)[len(times) // 2]
    return curve


def run(setting: Setting) -> tuple[list[Curve], dict[str, float]]:
    """Both extensions, and the losses of held-out text at the long context by what the model is."""
    torch.manual_seed(0)
    text = library()
    cut = len(text) * 9 // 10
    trained, held = text[:cut], text[cut:]
    near, far = attngen.build(FULL), attngen.build(FULL, stretch=STRETCH)
    shifted = attngen.build(SHIFTED, group=setting.long // 4, stretch=STRETCH)
    count = setting.tokens // setting.short
    base = Decoder(setting.width, setting.heads, setting.layers)
    short = next(batches(held, setting.short, STRETCH * setting.evaluated, 1))
    long = next(batches(held, setting.long, setting.evaluated, 2))
    train(base, batches(trained, setting.short, count, 3), setting.steps, 3e-3, short, near, "short context, full")
    losses = {
        f"at {setting.short} bytes, as trained": evaluated(base, short, near),
        f"at {setting.long} bytes, as it is": evaluated(base, long, near),
        f"at {setting.long} bytes, positions interpolated": evaluated(base, long, far),
    }
    curves = []
    for name, kernel in (("full attention", far), ("s2attn", shifted)):
        model = adapted(base)
        model.attend_by(kernel)
        data = batches(trained, setting.long, setting.tokens // setting.long, 4)
        curves.append(train(model, data, setting.extension_steps, 2e-3, long, far, name))
        losses[f"at {setting.long} bytes, extended with {name}"] = curves[-1].losses[-1]
    return curves, losses


def report(curves: list[Curve], losses: dict[str, float]) -> str:
    """Losses and times as a table."""
    lines = ["held-out loss in nats per byte, evaluated with full attention:"]
    lines += [f"  {loss:.3f}  {name}" for name, loss in losses.items()]
    slow, fast = (curve.per_step for curve in curves)
    lines += ["time per step of the extension:", *(f"  {1e3 * c.per_step:.0f} ms  {c.name}" for c in curves)]
    return "\n".join([*lines, f"s2attn takes {fast / slow:.2f} of the time of full attention"])


def picture(curves: list[Curve], title: str) -> str:
    """The losses over the seconds of training, as an SVG."""
    left, top, wide, high = 60, 40, 520, 220
    colours = ("#8c8c8c", "#2b5c8a")
    last = max(curve.seconds[-1] for curve in curves)
    values = [loss for curve in curves for loss in curve.losses[1:]]
    low, above = min(values) - 0.01, max(values) + 0.01
    parts = [f'<text x="{left}" y="20">{title}</text>']
    for k in range(5):
        loss, y = low + (above - low) * k / 4, top + high - high * k / 4
        parts.append(f'<path stroke="#ddd" d="M{left} {y:.0f}h{wide}"/><text x="10" y="{y + 4:.0f}">{loss:.3f}</text>')
        second = last * k / 4
        parts.append(f'<text x="{left + wide * k / 4 - 8:.0f}" y="{top + high + 18}">{second:.0f} s</text>')
    for curve, colour in zip(curves, colours, strict=True):
        points = [
            (left + wide * second / last, top + high * (above - loss) / (above - low))
            for second, loss in zip(curve.seconds[1:], curve.losses[1:], strict=True)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = points[-1]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        parts.append(f'<text x="{min(x, left + wide - 150):.0f}" y="{y - 8:.0f}" fill="{colour}">{curve.name}</text>')
    style = 'font-family="sans-serif" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="620" height="300" {style}>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main() -> None:
    """Run it as the options say."""
    default = Setting()
    parser = argparse.ArgumentParser(description="LongLoRA on a small decoder of bytes.")
    for name in ("short", "steps", "extension_steps", "layers"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(
            flag, type=int, default=getattr(default, name), help=f"{getattr(default, name)} unless given"
        )
    target = Path(__file__).with_suffix(".svg")
    parser.add_argument("--output", type=Path, default=target, help="where the picture goes")
    given = vars(parser.parse_args())
    output = given.pop("output")
    setting = Setting(**given)
    curves, losses = run(setting)
    print(report(curves, losses))
    title = f"Held-out loss at {setting.long} bytes (full attention) over seconds of fine-tuning"
    output.write_text(picture(curves, title), encoding="utf-8")
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
