"""`attngen fuzz` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import attngen

from attngen.cli.fuzz_language import _written
from attngen.errors import Source, SpecError
from attngen.fuzz import tile_oracle
from attngen.fuzz.language import campaign
from attngen.fuzz.language.damage import Misfit
from attngen.fuzz.language.front import assert_refused
from attngen.fuzz.language.ledger import Ledger
from attngen.fuzz.oracle import Disagreement
from attngen.ir.check import check
from attngen.runtime.tiles import tile_classes_of as classes

SPEC = Path(__file__).parents[2] / "specs" / "sliding_window.attn"


def test_a_spec_is_fuzzed(tmp_path: Path) -> None:
    done = attngen("fuzz", SPEC, "--examples", "3", "--seed", "3", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sliding_window on cpp: 3 calls in" in done.stdout
    assert "partial tiles" in done.stdout
    assert "all agree with the interpreter" in done.stdout
    assert not any(tmp_path.iterdir())


def test_what_compares_nothing_fails(tmp_path: Path) -> None:
    spec = tmp_path / "nothing.attn"
    spec.write_text("attention nothing {\n  assert M < 0\n}\n")
    done = attngen("fuzz", spec, "--examples", "3", "-o", tmp_path)
    assert done.returncode == 1
    assert "NOTHING was compared" in done.stdout
    assert "agree" not in done.stdout


def test_programs_read_what_was_reached(tmp_path: Path) -> None:
    given = ["fuzz", SPEC, "--examples", "3", "--json", "-o", tmp_path]
    found = json.loads(attngen(*given).stdout)
    assert (found["spec"], found["backend"], found["examples"]) == ("sliding_window", "cpp", 3)
    assert found["failure"] is None
    assert {"Plan", "walk Range", "normalization Softmax"} <= set(found["plan"])
    assert sum(found["seen"].values()) > 6


def test_the_language_is_fuzzed(tmp_path: Path) -> None:
    given = ["--ledger", tmp_path / "ledger.json", "--corpus", tmp_path / "corpus", "-o", tmp_path, "--json"]
    done = attngen("fuzz", "--language", "--examples", "5", *given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    stage = found["ledger"]["stages"]["front"]
    assert (stage["seed"], found["wrong"]) == (1, None)
    assert stage["specs"] >= 5
    assert stage["mutants"] >= stage["specs"]
    assert stage["misfits"] > 0
    assert json.loads((tmp_path / "ledger.json").read_text()) == found["ledger"]
    kept = [path.read_text() for path in (tmp_path / "corpus").iterdir()]
    assert len(kept) == found["kept"] > 0
    assert all(text.startswith("# ") for text in kept)


def test_a_campaign_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(campaign.ROUND, "front", 4)
    ledger = Ledger()
    first = campaign.Language("front", ledger).run(4)
    second = campaign.Language("front", ledger).run(4)
    assert (first.wrong, second.wrong) == (None, None)
    assert ledger.stages["front"].seed >= 2
    assert ledger.stages["front"].specs == first.specs + second.specs


def test_a_wrong_compiler_is_found_and_its_spec_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are said to be full that hold dead pairs."""
    monkeypatch.setattr(
        tile_oracle, "tile_classes_of", lambda plan, *_, **given: classes(plan, *_, **given).clamp(min=2)
    )
    wrong = campaign.Language("front", Ledger()).run(100).wrong
    assert wrong is not None
    assert "is taken to be full, and isn't" in wrong.message
    assert len(wrong.text.splitlines()) < 9


def test_a_misfit_that_is_taken_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said to be wrong is the misfit, not the right spec that it was made of."""

    def take(_: Misfit) -> None:
        raise Disagreement("it is taken")

    monkeypatch.setattr(campaign, "assert_refused", take)
    outcome = campaign.Language("front", Ledger()).run(100)
    wrong = outcome.wrong
    assert wrong is not None
    assert (outcome.ledger, outcome.kept) == (Ledger(), {}), "the seed is run again, and counts once"
    assert wrong.message.startswith("Disagreement: it is taken")
    with pytest.raises(SpecError):
        check(Source("wrong.attn", wrong.text))


def test_a_wrong_kernel_of_a_random_spec_comes_with_its_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def judge(*_: object, **__: object) -> None:
        raise Disagreement("y is off")

    monkeypatch.setattr(campaign, "assert_right", judge)
    wrong = campaign.Language("cpp", Ledger()).run(10).wrong
    assert wrong is not None
    assert wrong.failure is not None
    assert (wrong.message, wrong.failure.message, wrong.failure.call.q.shape[:2]) == ("y is off", "y is off", (1, 1))
    path = _written(tmp_path, wrong, "cpp", Ledger())
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""random: y is off')
    assert "attention random" in text


def test_misfits_are_refused_where_they_are_wrong() -> None:
    text = "attention a { mask j <= (h and h) }"
    first = text.index("(h")
    assert_refused(Misfit(text, first, first + len("(h and h)")))
    with pytest.raises(Disagreement, match="no diagnostic points at j <="):
        assert_refused(Misfit(text, first - 5, first - 1))
    with pytest.raises(Disagreement, match="is taken"):
        assert_refused(Misfit("attention a { mask j <= i }", 14, 18))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which spec?"),
        ([SPEC, "--backend", "cuda"], "--backend cuda: choose cpp or triton"),
        (["--language", "--stage", "back"], "--stage back: choose one of front, cpp, triton"),
        (["--language", "--seed", "3", "--ledger", "ledger.json"], "--seed: the ledger says which seed comes next"),
    ],
)
def test_what_makes_no_sense(arguments: list[object], words: str) -> None:
    done = attngen("fuzz", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
