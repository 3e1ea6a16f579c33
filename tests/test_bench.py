"""`attngen bench structure`: what it counts, and that its corpus is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from attngen.bench import cpu
from attngen.bench.corpus import corpus
from attngen.bench.peers import Sizes
from attngen.bench.structure import TILES, Truth, measured, summary
from attngen.bench.variants import Subject
from attngen.cli import app

SPECS = Path(__file__).parents[1] / "specs"


def test_the_corpus_holds_the_specs_and_others() -> None:
    subjects = list(corpus(SPECS, 1024))
    assert sum(subject.outside for subject in subjects) >= 15
    names = [subject.variant.name for subject in subjects]
    assert {"sliding_window", "bigbird", "scfa_hash", "natten2d"} <= set(names)
    assert len(names) == len(set(names))


def test_counts_of_a_mask_that_is_known() -> None:
    """Causal: the tiles below the diagonal and on it, the former full."""
    subject = next(each for each in corpus(SPECS, 1024) if each.variant.name == "causal")
    row = measured(subject, 1024)
    for counts in row.counts:
        side = 1024 // counts.tile
        assert (counts.visited, counts.live) == (side * (side + 1) // 2,) * 2
        assert (counts.full_found, counts.full) == (side * (side - 1) // 2,) * 2
        assert counts.live_pairs == 1024 * 1025 // 2
    assert row.walk == "closed form"
    assert not row.missed


def test_truth_in_another_order() -> None:
    """Reversed tokens: the map turns by half a circle."""
    subject = next(each for each in corpus(SPECS, 512) if each.variant.name == "sliding_window")
    truth = Truth(subject, 512)
    turned = torch.arange(511, -1, -1)[None, None]
    for tile in TILES:
        plain = truth.live_pairs(tile, 0, (None, None))
        assert torch.equal(truth.live_pairs(tile, 0, (turned, turned)), plain.flip(0, 1))


def test_tiles_of_moved_tokens_are_looked_at_closer() -> None:
    """In squares, own blocks and earlier keys meet in most tiles, and in some of these no pair is both."""
    subject = next(each for each in corpus(SPECS, 2048) if each.variant.name == "sparse_fixed")
    row = measured(subject, 2048)
    assert row.ordered
    assert [counts.visited for counts in row.counts] == [counts.live for counts in row.counts]


def test_what_the_command_prints() -> None:
    done = CliRunner().invoke(app, ["bench", "structure", str(SPECS), "--tokens", "512", "--only", "s2attn", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [mask["name"] for mask in found["masks"]] == ["s2attn", "s2attn_wrap"]
    assert found["summary"]["tiles visited / live"] == 1
    wrong = CliRunner().invoke(app, ["bench", "structure", str(SPECS), "--tokens", "100"])
    assert wrong.exit_code == 2


def test_the_whole_corpus_stays_within_the_aims() -> None:
    """At a small length; the table in benchmarks/ is for 16384 tokens."""
    found = summary([measured(subject, 512) for subject in corpus(SPECS, 512)])
    assert found["tiles visited / live"] <= 1.02
    assert found["full tiles found / full"] >= 0.98
    assert found["masks without data that are missed"] == 0


def test_cpu_kernels_are_timed_beside_their_peers(tmp_path: Path) -> None:
    small = ["--tokens", "80", "--heads", "2", "--width", "16", "--rounds", "2", "--no-long"]
    peers = ["--peer", "eager", "--peer", "sdpa", "--dtype", "float32"]  # compiling FlexAttention takes minutes
    done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), *small, *peers, "-o", str(tmp_path / "cpu"), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "cpu.json").read_text())
    rows = {row["name"]: row for row in report["variants"]}
    assert len(rows) == 14
    assert rows["softcap"]["ratios"]["sdpa"] is None  # SDPA can't say it
    assert rows["causal"]["live"] == 81 / 160
    assert all(row["times"]["attngen"]["ms"] > 0 and row["ratios"]["eager"] > 0 for row in rows.values())
    assert set(report["mean ratios"]["float32"]) == {"eager", "sdpa", "flex"}
    assert (
        (tmp_path / "cpu.csv").read_text().startswith("variant,dtype,width,live,attngen ms,eager ms,sdpa ms,flex ms\n")
    )
    assert "t5_bias" in (tmp_path / "cpu.md").read_text()
    assert "sliding_window, float32, 16" in (tmp_path / "cpu.svg").read_text()


def test_training_is_timed_too(tmp_path: Path) -> None:
    small = ["--tokens", "80", "--heads", "2", "--width", "16", "--rounds", "2", "--backward", "--only", "causal"]
    given = [*small, "--dtype", "float32", "-o", str(tmp_path / "cpu")]
    done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), *given, "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["variants"]
    assert row["ratios"]["eager"] > 0 and row["ratios"]["sdpa"] > 0 and row["ratios"]["flex"] is None
    work = row["gflops"]["attngen"] * 1e6 * row["times"]["attngen"]["ms"]
    assert round(work) == 14 * 2 * 80**2 * 16 * row["live"]  # seven products
    assert "FlexAttention can't train on a CPU" in (tmp_path / "cpu.md").read_text()


def test_a_peer_that_gives_something_else_is_found_out() -> None:
    wrong = Subject("causal", SPECS / "causal.attn", lambda b, h, i, j: j < i + 2)  # noqa: ARG005
    with pytest.raises(ArithmeticError, match=r"causal: eager differs from attngen by"):
        cpu.measured(wrong, Sizes(1, 64, 16), torch.float32, 2, cpu.Peaks({"float32": 1e9}, 1e9), {"eager"})


def test_peers_are_asked_for_what_they_can() -> None:
    done = CliRunner().invoke(app, ["bench", "cpu", str(SPECS), "--peer", "xformers"])
    assert done.exit_code == 2
    assert "peers are eager, sdpa, flex" in done.output.replace("\n", " ")


def test_builds_are_timed_cold_and_warm(tmp_path: Path) -> None:
    options = ["--only", "causal", "--rounds", "1", "-o", str(tmp_path / "build"), "--json"]
    done = CliRunner().invoke(app, ["bench", "build", str(SPECS), *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "build.json").read_text())
    for row in report["builds"]:
        steps = ["torch", "attngen", "build", "again", "call" if row["backend"] == "cpp" else "cross"]
        assert [*row["cold"]] == [*row["warm"]] == steps or row["cold"].keys() == {*steps[:4], "call"}
        assert row["warm"]["build"] < row["cold"]["build"]  # nothing is found out or written again
        assert row["warm"][steps[4]] < row["cold"][steps[4]]
        assert row["warm"]["again"] < 0.1
    assert (tmp_path / "build.md").read_text().count("| causal | ") == 2
    assert CliRunner().invoke(app, ["bench", "build", str(SPECS), "--only", "nothing"]).exit_code == 2
