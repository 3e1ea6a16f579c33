"""Which specs are kept: one for each set of decisions and each diagnostic, judged by what there is already."""

from __future__ import annotations

from pathlib import Path

import pytest

import attngen
from attngen.fuzz.choices import choices
from attngen.fuzz.language import campaign
from attngen.fuzz.language.corpus import held, is_wanted, keep, reasons, renew
from attngen.fuzz.language.ledger import Ledger
from attngen.schedule.chunks import chunk_plan

CAUSAL = "attention a { mask j <= i }"
LONGER = "attention a { let width = 1000000000  mask j <= i and (i <= j or j <= i) }"
WRONG = "attention a { mask q }"
DELTA = """
attention delta {
  input g[b, h, t, c]: float
  state S = exp(g[b, h, t]) * S - 0.5 * outer(l2norm(k), dot(l2norm(k), S)) + outer(k, v)
  out   dot(q, prev(S))
}
"""


def test_a_set_without_a_spec_is_new_whatever_was_run() -> None:
    ledger = Ledger(features={"Plan": 5})
    told = campaign.Language("front", ledger, held={"E0101": 20})
    told._offer(CAUSAL, "Plan")
    told._offer(WRONG, "E0101")
    assert told._fresh == {"Plan": CAUSAL}


def test_a_spec_that_is_clearly_shorter_takes_the_place_of_another(tmp_path: Path) -> None:
    keep(tmp_path, LONGER, "Plan")
    assert held(tmp_path) == {"Plan": len(LONGER)}
    assert is_wanted(held(tmp_path), "Plan", CAUSAL)
    assert not is_wanted(held(tmp_path), "Plan", LONGER.replace("width", "w"))
    keep(tmp_path, CAUSAL, "Plan")
    (path,) = tmp_path.iterdir()
    assert path.read_text(encoding="utf-8") == f"# Plan\n{CAUSAL}\n"


def test_a_spec_may_be_kept_for_two_diagnostics(tmp_path: Path) -> None:
    keep(tmp_path, WRONG, "E0204")
    keep(tmp_path, WRONG, "E0209")
    assert set(held(tmp_path)) == {"E0204", "E0209"}


def test_first_lines_are_written_anew(tmp_path: Path) -> None:
    fault = tmp_path / "fault_of_old.attn"
    fault.write_text(f"# What was wrong.\n{CAUSAL}\n", encoding="utf-8")
    for why, text in {"old": LONGER, "older": CAUSAL, "E0999": WRONG}.items():
        keep(tmp_path, text, why)
    renew(tmp_path)
    found = {path.read_text(encoding="utf-8").partition("\n")[::2] for path in tmp_path.iterdir() if path != fault}
    (decisions,) = reasons(CAUSAL)
    assert decisions.startswith("Plan, ")
    assert {text.strip() for why, text in found if why == f"# {decisions}"} == {CAUSAL}
    assert {why for why, text in found if WRONG in text} <= {f"# {code}" for code in reasons(WRONG)}
    assert fault.read_text(encoding="utf-8").startswith("# What was wrong.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attention a { state S = S + outer(k, v)  out dot(q, S) }", {"states one", "keeps all", "reads after"}),
        (DELTA, {"states one", "decays by channel", "erases", "reads before"}),
        (
            "attention a { state S = 0.9 * S + outer(k, v)  state Z = Z + k  out dot(q, S) / (1 + abs(dot(q, Z))) }",
            {"states several", "decays by token", "vectors", "quotients", "reads after"},
        ),
        (
            "attention a { input w[m, c]: float  state S = S + outer(dot(w[m, c], k), v)  out dot(dot(w[m, c], q), S)}",
            {"states one", "keeps all", "projections", "reads after"},
        ),
    ],
)
def test_recurrences_are_told_apart(text: str, words: set[str]) -> None:
    assert choices(chunk_plan(attngen.load(text))) == {"ChunkPlan", *words}


def test_a_damaged_spec_that_is_accepted_goes_on_to_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the plan")

    monkeypatch.setattr(campaign, "planned", fail)
    language = campaign.Language("front", Ledger())
    with pytest.raises(ZeroDivisionError):
        language._damage(CAUSAL)
    language._damage(WRONG)
    assert set(language._fresh) == set(reasons(WRONG))
