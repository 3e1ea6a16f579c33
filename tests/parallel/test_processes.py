"""Ranks that are processes: specs against one process, what travels, and what happens when something goes wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from processes import free_port, on_processes
from programs import attend, fail, rebuild

DEEP = settings.default.max_examples >= 1000
FOLDER = Path(__file__).parents[2] / "specs"
SPECS = sorted(path.stem for path in FOLDER.glob("*.attn"))
SOME = ["sliding_window", "attention_sink", "packed_documents", "gated_deltanet"]
LAYOUTS = [
    {"layout": layout, "block": 16, "send": send} for layout, send in (("zigzag", "keys"), ("striped", "queries"))
]


@pytest.mark.parametrize("ranks", [2, 3, 4, 8] if DEEP else [3])
def test_specs_agree_with_one_process(ranks: int) -> None:
    for names, options in ((SPECS if DEEP else SOME, [{}]), (SOME[:2], LAYOUTS)):
        found = on_processes(attend, ranks, names, options, patience=3600 if DEEP else 240)
        for answer in found.values():
            assert isinstance(answer, dict), answer
            for call, said in answer.items():
                assert max(said["errors"]) < 2e-5, (call, said)
                known = any(name in call for name in ("sliding_window", "attention_sink"))  # by no data, and no state
                assert said["sent"] == (said["foreseen"] if known else said["sent"]), (call, said)


def test_the_bench_compares_ranks_with_one_process() -> None:
    command = "attngen bench parallel specs --only causal --only mamba2 --ranks 2 --json"
    done = subprocess.run([sys.executable, "-m", *command.split()], capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert [(row["spec"], row["layout"], row["send"]) for row in rows][-3:] == [
        ("causal", "striped(32)", "keys"),
        ("causal", "striped(32)", "queries"),
        ("mamba2", "contiguous", "states"),
    ]
    assert all(0 < max(row["y"], row["gradients"]) < 5e-6 for row in rows)
    assert all(row["messages"] and row["bytes"] for row in rows)
    assert done.stderr.count("Error") == 0


def test_the_demo_runs_under_torchrun() -> None:
    command = "torch.distributed.run --nproc-per-node 2 -m attngen.parallel.demo specs/sliding_window.attn"
    options = "--tokens 128 --heads 2 --width 8 --set window=20"
    done = subprocess.run(
        [sys.executable, "-m", *f"{command} {options}".split()], capture_output=True, text=True, check=True
    )
    assert "sliding_window on 2 ranks, 128 tokens: contiguous, keys travel back" in done.stdout
    off = re.search(r"off from one process: (.*) of the largest", done.stdout)
    assert off is not None
    assert all(float(part) < 1e-5 for part in off[1].split(", "))


@pytest.mark.parametrize("kind", ["exit", "freeze"])
def test_a_rank_that_is_missing_is_named_in_time(kind: str) -> None:
    found = on_processes(fail, 3, kind, 8.0, expected=2)
    assert set(found) == {0, 2}
    for message, seconds in found.values():
        assert "MissingRankError" in message
        assert "rank 1 does not answer" in message
        assert seconds < 8.5


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("shape", "k is [1, 2, tokens, 8] float32 on ranks 0, 2, [1, 4, tokens, 8] float32 on rank 1"),
        ("parameter", "parameter window is 40 on ranks 0, 2, 16 on rank 1"),
    ],
)
def test_ranks_that_differ_are_named_on_all(kind: str, words: str) -> None:
    found = on_processes(fail, 3, kind, 20.0)
    for answer in found.values():
        message = answer if isinstance(answer, str) else answer[0]
        assert "CallError" in message
        assert words in message


def test_ranks_that_are_left_go_on() -> None:
    found = on_processes(rebuild, 3, f"tcp://127.0.0.1:{free_port()}", expected=2)
    assert found.keys() == {0, 1}
    assert all(isinstance(error, float) and error < 1e-6 for error in found.values()), found
