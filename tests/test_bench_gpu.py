"""`attngen bench gpu`, without a GPU: the command in Triton's interpreter, and what it relies on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import attngen
from attngen.bench import further_variants, peers, variants
from attngen.bench.gpu import calls, contestants, correctness, rows, verified
from attngen.bench.gpu import clock as clocks
from attngen.bench.gpu.clock import Clock
from attngen.bench.gpu.peers import _by_head
from attngen.bench.gpu.processes import in_processes
from attngen.bench.gpu.subjects import Job, jobs, live_pairs, subject, variants_of
from attngen.bench.peers import Sizes
from attngen.cli import app, bench_gpu
from attngen.ir.load import load_all
from attngen.reference import attention

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "specs"
TOKENS, HEADS = 640, 4


def command(*given: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since it chooses how Triton is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    line = [sys.executable, "-m", "attngen", "bench", "gpu", str(SPECS), *given]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """Two specs over pairs and a recurrence."""
    output = tmp_path_factory.mktemp("gpu") / "gpu"
    only = ["--only", "sliding_window", "--only", "mqa", "--only", "lightning"]
    done = command("--interpret", "--no-check", *only, "--tokens", "32", "-o", str(output), "--json")
    assert done.returncode == 0, done.stderr
    return output, json.loads(done.stdout)


def test_the_report_says_that_it_was_interpreted(small_run: tuple[Path, dict[str, object]]) -> None:
    output, report = small_run
    assert report == json.loads(output.with_suffix(".json").read_text())
    assert report["interpreted"] is True
    assert report["device"]["device"] == "none: kernels are interpreted"
    assert report["device"]["torch"] == torch.__version__ and report["device"]["fla"] is None
    assert report["product tflops"] == {"float32": None} and report["rows not reached"] == 0
    found = {row["name"]: row for row in report["rows"]}
    assert [*found] == ["lightning", "mqa", "sliding_window", "sliding_window_symmetric"]
    for row in found.values():
        assert row["verified"] and row["problem"] is None and row["differences"]
        assert row["forward"]["attngen"]["ms"] > 0 and row["trained"]["attngen"]["ms"] > 0
        assert all(
            time[name] is None
            for times in (row["forward"], row["trained"])
            for time in times.values()
            for name in ("ratio", "tflops", "of product")
        )


def test_peers_are_compared_and_what_is_missing_is_said(small_run: tuple[Path, dict[str, object]]) -> None:
    found = {row["name"]: row for row in small_run[1]["rows"]}
    assert found["mqa"]["key heads"] == 1
    assert found["mqa"]["apart"].keys() == {"flash", "flex"} and max(found["mqa"]["apart"].values()) < 1e-5
    assert "No viable backend" in found["mqa"]["notes"]["cudnn"]
    assert found["sliding_window"]["notes"]["flash"] == "has no flag for this variant"
    assert found["sliding_window"]["forward"].keys() == {"attngen", "flex"}
    assert "No module named 'fla'" in found["lightning"]["notes"]["fla"]


def test_the_table_and_the_chart(small_run: tuple[Path, dict[str, object]]) -> None:
    output, _ = small_run
    text = output.with_suffix(".md").read_text()
    assert "| mqa | float32 | 32 | 16 | 2,1 | " in text and "| yes |" in text
    assert "* kernels ran in Triton's interpreter: times say nothing of speed" in text
    assert "no speed of kernels" in output.with_suffix(".svg").read_text()
    heads = "spec,dtype,tokens,width,heads,key heads,live,attngen ms,cudnn ms,flash ms,flex ms,fla ms,mamba ms,"
    assert output.with_suffix(".csv").read_text().startswith(heads)


def test_where_no_time_is_left_the_rest_is_counted(tmp_path: Path) -> None:
    output = tmp_path / "gpu"
    done = command("--interpret", "--only", "alibi", "--budget", "0.0001", "-o", str(output), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(output.with_suffix(".json").read_text())
    assert report["rows"] == [] and report["rows not reached"] == 1
    assert report["correctness"]["specs and dtypes"] == 0 and report["correctness"]["not reached"] == 1


def test_without_a_gpu_the_command_says_what_else_there_is() -> None:
    done = command()
    assert done.returncode == 2
    assert "there is no GPU here" in done.stderr and "attngen bench gpu --interpret" in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--heads", "4,3"], "--heads 4,3: 3 does not divide 4"),
        (["--heads", "many"], "--heads many: give HEADS or HEADS,KEY_HEADS"),
        (["--dtype", "int8"], "there is no dtype `int8`"),
        (["--only", "nothing"], "holds no spec of that name"),
    ],
)
def test_what_can_not_be_measured_is_refused(given: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["bench", "gpu", str(SPECS), "--interpret", *given])
    assert done.exit_code != 0
    assert message in " ".join(f"{done.output} {done.stderr} {done.exception}".replace("│", " ").split())


def test_a_wrong_kernel_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets no time, and the exit code is 1."""
    called = verified.verified
    monkeypatch.setattr(rows, "verified", lambda given, y: called(given, 1.01 * y))
    small = ["--interpret", "--no-check", "--only", "alibi", "--tokens", "32", "--json"]
    done = CliRunner().invoke(app, ["bench", "gpu", str(SPECS), *small])
    assert done.exit_code == 1
    (row,) = json.loads(done.stdout)["rows"]
    assert not row["verified"] and row["forward"] == {} and row["differences"][0]["error"] > 1e-3


def test_a_kernel_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of resources: shared memory\nand more")

    monkeypatch.setattr(contestants.Contestant, "forward", broken)
    row = rows.measured(Job(SPECS / "full.attn", "full", Sizes(1, 16, 16), "float32"), Clock("cpu", 2), True, False)
    assert row.problem == "RuntimeError: out of resources: shared memory" and not row.verified


def test_a_peer_that_computes_something_else_gets_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = variants.Subject("full", SPECS / "full.attn", lambda b, h, i, j: j < 3)  # noqa: ARG005
    monkeypatch.setattr("attngen.bench.gpu.subjects._rules", lambda *_: {"full": wrong})
    row = rows.measured(Job(SPECS / "full.attn", "full", Sizes(1, 16, 16), "float32"), Clock("cpu", 2), True, False)
    assert row.verified and row.forward.keys() == {"attngen", "flash"}
    assert row.notes["flex"].startswith("differs from attngen by")


def test_the_most_important_rows_come_first() -> None:
    chosen = variants_of(SPECS, ["causal", "gla", "mqa"])
    found = jobs(chosen, [1024, 4096, 65536, 16384], [64, 128], [(16, 16), (16, 4)], ["bfloat16"])
    sizes = [(job.sizes.tokens, job.sizes.width, job.sizes.key_heads) for job in found if job.name == "causal"]
    assert sizes[0] == (4096, 64, 16)
    differing = [sum((a != 4096, b != 64, c != 16)) for a, b, c in sizes]
    assert differing == sorted(differing) and len(sizes) == len(set(sizes)) == 16
    assert [job.name for job in found[:4]] == ["block_sparse_causal", "causal", "gla", "mqa"]
    assert {job.sizes.key_heads for job in found if job.name == "gla"} == {16}
    assert {job.sizes.key_heads for job in found if job.name == "mqa"} == {1}


def test_a_row_that_would_end_too_late_is_not_begun() -> None:
    moments = iter([0.0, 0.0, 4.0, 8.0, 13.0])
    begun = [*bench_gpu._while_there_is_time([*range(9)], 15.0, lambda: next(moments))]  # type: ignore[list-item]
    assert begun == [0, 1, 2]  # 8 s and 4 more are in time, 13 s and 4.3 more are not


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_variants_of_peers_are_the_specs(device: str) -> None:
    """Masks pair by pair, and y; on another device, that nothing is left on this one."""
    every = [
        *variants.subjects(SPECS, TOKENS, HEADS, device),
        *further_variants.further_subjects(SPECS, TOKENS, HEADS, device),
    ]
    assert len(every) == 30
    for each in every:
        if device == "meta":
            place, heads = torch.zeros(1, 1, dtype=torch.long, device=device), torch.arange(HEADS, device=device)
            arguments = (place[None], heads[:, None, None], place, place)
            assert each.mask is None or each.mask(*arguments).device.type == device
            assert (
                each.change is None or each.change(torch.zeros(1, 1, device=device), *arguments).device.type == device
            )
            continue
        variant = next(one for one in load_all(each.spec) if one.name == each.name)
        kernel = attngen.build(variant, backend="reference", **each.parameters)
        q, k, v = (x.double() for x in peers.rows(Sizes(HEADS, TOKENS, 8), torch.float32))
        wanted = attention(variant, q, k, v, parameters=kernel.parameters, inputs=each.inputs)
        if each.mask is not None:
            assert bool((peers.on_grid(each.mask, Sizes(HEADS, TOKENS, 8)) == wanted.live[0]).all()), each.name
        found = peers.eager(each, Sizes(HEADS, TOKENS, 8), q, k, v)().nan_to_num(nan=0.0)
        assert (found - wanted.y).abs().max() < 1e-6, each.name


def test_masks_that_are_alike_for_all_heads_are_listed_once() -> None:
    every = {each.name: each.mask for each in variants.subjects(SPECS, 128, 4)}
    assert _by_head(every["s2attn"], 4, torch.device("cpu"))
    assert not _by_head(every["packed_documents"], 4, torch.device("cpu"))


def test_live_pairs_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attngen.bench.gpu.subjects.COUNTED_PAIRS", 2 * 96 * 7)
    variant = attngen.load("attention a { input hq[b, h, i]: int  mask j <= i and hq[b, h, i] > 0 }")
    given = {"hq": (torch.arange(96) % 3).expand(1, 2, 96)}
    found = live_pairs(variant, {}, given, Sizes(2, 96, 8), "cpu")
    assert found == pytest.approx(sum(i + 1 for i in range(96) if i % 3) / 96**2)


def test_times_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """By events, with the cache written between calls."""
    now = [0.0]

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.moment = now[0]

        def synchronize(self) -> None: ...

        def elapsed_time(self, other: Event) -> float:
            return 1e3 * (other.moment - self.moment)

    def takes(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(clocks, "CACHE", 16)
    times = Clock("cpu", 50, patience=1.0)._by_events({"a": lambda: takes(0.25), "b": lambda: takes(0.01)})
    assert times["a"].median == pytest.approx(0.25) and times["b"].median == pytest.approx(0.01)
    assert now[0] == pytest.approx(3 * 0.26 + 4 * 0.25 + 50 * 0.01)  # patience ends after four calls of a


def test_small_calls_are_right_and_wrong_ones_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """In C++, which is fast; the cases are those of a GPU."""
    arguments = (SPECS / "alibi.attn", "alibi", "float32", 16, 40, "cpu", "cpp")
    found = correctness.checked(*arguments)
    assert [each.case for each in found] == [case.name for case in calls.cases(40)]
    assert all(each.result == "right" for each in found), found
    compute = correctness._computed
    monkeypatch.setattr(
        correctness, "_computed", lambda *given: {n: x + 1e-3 * (n == "dslope") for n, x in compute(*given).items()}
    )
    assert {(each.result, each.worst) for each in correctness.checked(*arguments)} == {("wrong", "dslope")}


def test_small_calls_of_a_recurrence_in_the_interpreter() -> None:
    spec = SPECS / "retention_recurrent.attn"
    found = correctness.checked(spec, "retention_recurrent", "float32", 16, 40, "cpu")
    assert [each.case for each in found] == ["odd lengths", "grouped heads", "one head of keys", "strides"]
    assert all(each.result == "right" and each.part <= 1 for each in found), found


def test_calls_that_a_spec_does_not_take_are_refused() -> None:
    found = correctness.checked(SPECS / "natten2d.attn", "natten2d", "float32", 16, 40, "cpu", "cpp")
    refused = {each.case for each in found if each.result == "refused"}
    assert "odd lengths" in refused and all(each.fine for each in found)


def test_tasks_of_several_processes() -> None:
    tasks = [(3,), (-4,), (5,)]
    assert sorted(in_processes(abs, tasks, 2, float("inf"))) == [3, 4, 5]
    assert [*in_processes(abs, tasks, 1, float("inf"))] == [3, 4, 5]
    assert [*in_processes(abs, tasks, 2, 0.0)] == [*in_processes(abs, tasks, 1, 0.0)] == []


def test_rows_that_see_no_key_are_no_agreement() -> None:
    job = Job(SPECS / "full.attn", "full", Sizes(1, 16, 16), "float32")
    given = subject(job, "cpu")
    blind = attngen.build("attention full { mask j > 99 and j <= i }", backend="triton")
    assert verified.verified(replace(given, kernel=blind, variant=blind.variant), torch.zeros(1, 1, 16, 16)) == ()
