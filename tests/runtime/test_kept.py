"""The layers of a model share what was found out about their spec, and no other spec does."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from torch import Tensor

import attngen
from attngen.emit.backends import BACKENDS, decide
from attngen.errors import SpecError
from attngen.ir.load import load_all, read_source
from attngen.ir.nodes import Variant
from attngen.runtime import kept

SPECS = Path(__file__).parents[2] / "specs"
TEXT = "attention near(w: int = 3 in [1, inf)) {\n  mask 0 <= i - j < w\n}"


def test_the_same_text_is_planned_once() -> None:
    first, second = attngen.build(TEXT), attngen.build(TEXT, w=5)
    assert first.plan is second.plan
    assert (first.parameters, second.parameters) == ({"w": 3}, {"w": 5})
    assert attngen.build(TEXT.replace("near", "other")).plan is not first.plan


def test_a_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "near.attn"
    path.write_text(TEXT)
    before = attngen.build(path)
    assert attngen.build(path).plan is before.plan
    path.write_text(TEXT.replace("i - j < w", "i - j < w + 1"))
    assert attngen.build(path).plan is not before.plan


def test_places_are_those_of_the_own_file(tmp_path: Path) -> None:
    text = "attention a { score dot(q, q) }"
    for name in ("one.attn", "two.attn"):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError) as error:
            attngen.build(tmp_path / name)
        assert error.value.diagnostics[0].span.source.name.endswith(name)


def test_warnings_are_given_every_time() -> None:
    for _ in range(2):
        with pytest.warns(UserWarning, match="W0301"):
            attngen.build("attention a { mask j < i and j > i }")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attngen.build(TEXT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an empty cache keeps specs."""
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path))
    kept._of_source.cache_clear()
    return tmp_path / "specs"


def build_and_forget() -> Tensor:
    """What a kernel computes; the process does not remember its spec then."""
    q = torch.randn(1, 2, 20, 16, generator=torch.Generator().manual_seed(0))
    y: Tensor = attngen.build(TEXT, backend="cpp")(q, q, q)
    kept._of_source.cache_clear()
    return y


def refuse(*_: object) -> NoReturn:
    raise AssertionError("found out again")


def test_a_later_process_finds_nothing_out_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_and_forget()
    assert len(list(folder.iterdir())) == 1
    for name in ("load_source", "doubts", "decide"):
        monkeypatch.setattr(kept, name, refuse)
    monkeypatch.setattr(kept, "BACKENDS", {"cpp": refuse})
    assert torch.equal(build_and_forget(), first)


@pytest.mark.parametrize("harm", ["cut", "written", "writable", "old"])
def test_what_can_not_be_trusted_is_found_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    first = build_and_forget()
    (path,) = folder.iterdir()
    match harm:
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "written":
            path.write_bytes(b"cnothing\nhere\n.")
        case "writable":
            path.chmod(0o666)
        case "old":
            monkeypatch.setattr(kept, "_own_files", lambda: ("attngen/new.py 1 1",))
    planned: list[Variant] = []
    monkeypatch.setattr(kept, "decide", lambda variant: planned.append(variant) or decide(variant))
    assert torch.equal(build_and_forget(), first)
    assert len(planned) == 1


def test_what_another_process_kept_is_the_same(folder: Path) -> None:
    """Hashes of names differ from process to process, so trees that come from another are made anew."""
    specs = [spec for spec in sorted(SPECS.glob("*.attn")) if len(load_all(spec)) == 1]
    command = (
        "import sys\nfrom attngen.runtime.kept import findings\nfor spec in sys.argv[1:]: findings(spec).files('cpp')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", command, *map(str, specs)], env=environment, check=True)
    for spec in specs:
        known = kept._recalled(folder / f"{kept._digest(read_source(spec), None)}.pickle")
        assert known is not None and known._plan is not None
        variant = attngen.load(spec)
        assert known.variant == variant and hash(known.variant) == hash(variant)
        assert known.plan == decide(variant)
        assert known.files("cpp") == BACKENDS["cpp"](decide(variant))
