"""Examples run, in small."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from attngen.runtime.module import import_path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_longlora() -> None:
    """A few steps of both extensions: what is learned lowers the loss, and what is frozen stays."""
    module = import_path(EXAMPLES / "longlora.py", "longlora_example")
    setting = module.Setting(
        width=32, heads=2, layers=1, short=64, tokens=512, steps=12, extension_steps=3, evaluated=2
    )
    curves, losses = module.run(setting)
    assert [curve.name for curve in curves] == ["full attention", "s2attn"]
    assert all(math.isfinite(loss) for curve in curves for loss in curve.losses)
    assert losses["at 64 bytes, as trained"] < 5.5  # log(256) before
    assert "s2attn takes" in module.report(curves, losses)
    assert len(ElementTree.fromstring(module.picture(curves, "losses")).findall("{*}polyline")) == 2


def test_only_adapters_embeddings_and_norms_are_trained() -> None:
    module = import_path(EXAMPLES / "longlora.py", "longlora_example")
    model = module.adapted(module.Decoder(32, 2, 1))
    trained = {name.split(".")[-2] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"embedding", "first", "second", "norm", "down", "up"}
