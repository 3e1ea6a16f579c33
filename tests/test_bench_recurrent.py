"""`attngen bench cpu --family recurrent`: that peers compute the recurrences, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from attngen.bench import recurrences as bench
from attngen.bench.chunked import Rooms, by_token, linear
from attngen.bench.cpu import Peaks
from attngen.bench.peers import Sizes, rows
from attngen.bench.recurrent_peers import SUBJECTS, Subject
from attngen.bench.timing import Timing
from attngen.cli import app, bench_recurrent
from attngen.ir.load import load
from attngen.reference import recurrence

SPECS = Path(__file__).parents[1] / "specs"
SMALL = ["--tokens", "64", "--heads", "2", "--width", "16", "--rounds", "2", "--no-long"]
BY_NAME = {subject.name: subject for subject in SUBJECTS}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_peers_compute_the_recurrence_and_its_gradients(subject: Subject) -> None:
    """In chunks of any size; `measured` raises where the fastest differs."""
    sizes = Sizes(2, 64, 16)
    row = bench.measured(SPECS, subject, sizes, torch.float32, 2)
    assert row.work == (6 if subject.erases else 4) * 2 * 64 * 16 * 16
    assert set(row.times) == {"attngen", "chunked", "sdpa"} and set(row.trained) == {"attngen", "chunked"}
    q, k, v = rows(sizes, torch.float32)
    inputs = subject.draw(sizes)
    whole = subject.chunked(q, k, v, inputs, 64, Rooms(trained=True))
    for chunk in (16, 32):
        room = Rooms(trained=False)
        for _ in range(2):  # the second call finds rooms
            found = subject.chunked(q, k, v, inputs, chunk, room)
            assert (found - whole).abs().max() < 1e-4 * whole.abs().max()


@pytest.mark.parametrize("name", ["mamba2", "kda"])
def test_peers_compute_in_bfloat16_too(name: str) -> None:
    row = bench.measured(SPECS, BY_NAME[name], Sizes(2, 64, 16), torch.bfloat16, 2)
    assert row.dtype == "bfloat16" and bench.ratio(row.times, "chunked") > 0


def test_gates_of_tokens_may_be_of_any_size() -> None:
    """Against the interpreter: a product of exponentials of their sums would be 0 times infinity."""
    q, k, v = rows(Sizes(2, 32, 8), torch.float32)
    g = -200 * torch.rand(1, 2, 32)
    room = Rooms(trained=False)
    fade = by_token([q[0].view(2, 1, 32, 8)], k[0].view(2, 1, 32, 8), g[0].view(2, 1, 32), room)
    found = linear(v[0].view(2, 1, 32, 8), fade, room)[0].view(v.shape)
    spec = "attention a { input g[b, h, t]: float state S = exp(g[b, h, t]) * S + outer(k, v) out dot(q, S) }"
    expected = recurrence(load(spec), q, k, v, parameters={}, inputs={"g": g}).y
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_peer_that_computes_something_else_is_found_out() -> None:
    wrong = replace(BY_NAME["gla"], peer=lambda room, given, inputs: 1.01 * BY_NAME["gla"].peer(room, given, inputs))
    with pytest.raises(ArithmeticError, match=r"gla: chunked differs from attngen by 0\.0\d* of the largest number"):
        bench.measured(SPECS, wrong, Sizes(2, 32, 16), torch.float32, 2)


def test_what_the_command_writes(tmp_path: Path) -> None:
    given = [
        "--family",
        "recurrent",
        *SMALL,
        "--only",
        "gla",
        "--only",
        "deltanet",
        "-o",
        str(tmp_path / "r"),
        "--json",
    ]
    done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), *given])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "r.json").read_text())
    found = {row["name"]: row for row in report["recurrences"]}
    assert [*found] == ["gla", "deltanet", "gated_deltanet"]
    assert all(row["width"] == 16 and row["tokens"] == 64 and row["dtype"] == "float32" for row in found.values())
    assert all(row["forward"]["chunked"]["ratio"] > 0 and row["chunks"][1] in (16, 32, 64) for row in found.values())
    assert report["one token"] is None and report["growth"] == []
    heads = "recurrence,dtype,width,tokens,attngen ms,chunked ms,sdpa ms,attngen trained ms,chunked trained ms\n"
    assert (tmp_path / "r.csv").read_text().startswith(heads)
    assert "* GFLOP/s count 4 N H D E" in (tmp_path / "r.md").read_text()
    assert "gated_deltanet trained" in (tmp_path / "r.svg").read_text()


def test_what_the_command_prints() -> None:
    done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), "--family", "recurrent", *SMALL, "--only", "mamba2"])
    assert done.exit_code == 0, done.output
    assert "chunked trained" in done.stdout and "mamba2" in done.stdout
    assert "64 tokens, 2 heads; trained: forward and backward, to all that is given" in done.stdout


def test_what_can_not_be_measured_is_refused() -> None:
    for given, message in (
        (["--tokens", "100"], "100 is no multiple of 16"),
        (["--only", "softmax"], "there is no recurrence of that name"),
        (["--dtype", "float16"], "dtypes are float32 and bfloat16"),
    ):
        done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), "--family", "recurrent", *given])
        assert done.exit_code == 2
        assert message in " ".join(done.output.replace("│", " ").split())


def test_growth_is_measured_over_the_same_rows() -> None:
    found = list(bench.growth(SPECS, 2, 16, 2, lengths=(32, 128)))
    assert [(each.name, each.tokens) for each in found] == [
        ("retention_recurrent", 32), ("retention_recurrent", 128), ("gla", 32), ("gla", 128),
    ]  # fmt: skip
    assert all(each.seconds > 0 for each in found)


def test_attention_is_passed_where_it_stays_slower() -> None:
    (each,) = bench.beside_attention(SPECS, 2, 16, 2, lengths=(32,))
    assert each.tokens == 32 and each.attngen > 0 and each.sdpa > 0
    slow, fast = bench.Beside(64, 2.0, 1.0), bench.Beside(128, 1.0, 2.0)
    late = replace(slow, tokens=256), replace(fast, tokens=512)
    assert bench.crossing([slow, fast]) == 128
    assert bench.crossing([slow, fast, *late]) == 512
    assert bench.crossing([fast]) == 128
    assert bench.crossing([slow]) is None and bench.crossing([]) is None


def test_a_step_is_measured_by_the_bytes_of_its_states() -> None:
    step = bench.decoding(SPECS, 2, states=16, width=16)
    assert step.size == 16 * 16 * 16 * 4
    assert set(step.rates) == {"attngen", "copy"} and step.call > 0


def test_notes_say_what_was_measured() -> None:
    time = Timing(0.001, 0.001, 0.001)
    times = dict.fromkeys(bench_recurrent.PEERS, time)
    row = bench.Row("gla", "float32", 64, 64, 1e6, times, times, (64, 32))
    found = bench_recurrent.Found(
        Peaks({"float32": 1e11}, 1e11),
        [row],
        [bench.Length("gla", 8192, 0.01), bench.Length("gla", 32768, 0.041)],
        [bench.Beside(64, 2e-4, 1e-4), bench.Beside(128, 2e-4, 4e-4)],
        bench.Step(268_000_000, {"attngen": 8e9, "copy": 1e10}, 2e-5),
    )
    job = bench_recurrent.Job(SPECS, 64, 8, [64], ["float32"], [], 2, True)
    notes = bench_recurrent._notes(bench_recurrent._report(found), found, job)
    assert "gla, 32768 tokens: 41.0 ms, 4.10 x what 8192 take" in notes
    assert "one token, 268 MB of states: attngen 8.0, copy 10.0 GB/s; 80 % of a copy" in notes
    assert "one token, one state of 16 by 16: 20 us, which a call costs by itself" in notes
    assert any(note.startswith("mamba2 beside causal SDPA, float32: faster from 128 tokens on (64") for note in notes)
