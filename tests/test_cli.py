"""The command line as a user meets it: output, files and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SPECS = Path(__file__).parent.parent / "specs"
THREE_MISTAKES = """attention local(window: float = 64.0) {
  input slope[h]: flaot
  score scale * dot(q, k) - slop[h] * (i - j)
  mask  0 <= i - j < window
}
"""


def attngen(*arguments: object, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command line; modules in `without` cannot be imported."""
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in without) or "pass"
    script = f"import sys; {blocked}; from attngen.cli import main; main()"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})


def test_three_mistakes_give_three_diagnostics_with_carets(tmp_path: Path) -> None:
    path = tmp_path / "local.attn"
    path.write_text(THREE_MISTAKES)
    done = attngen("check", path)
    assert done.returncode == 2
    places = [(line.split(":")[-2], line.split(":")[-1]) for line in done.stderr.splitlines() if " --> " in line]
    assert places == [("2", "19"), ("3", "29"), ("4", "22")]
    assert done.stderr.count("error[") == 3
    assert "did you mean `float`?" in done.stderr
    assert "did you mean `slope`?" in done.stderr
    carets = [line for line in done.stderr.splitlines() if line.strip().startswith("|") and "^" in line]
    assert [line.index("^") - line.index("|") - 1 for line in carets] == [19, 29, 22]


def test_check_speaks_json(tmp_path: Path) -> None:
    path = tmp_path / "local.attn"
    path.write_text(THREE_MISTAKES)
    found = json.loads(attngen("check", "--json", path).stdout)
    assert [(entry["code"], entry["line"], entry["column"]) for entry in found] == [
        ("E0214", 2, 19),
        ("E0201", 3, 29),
        ("E0203", 4, 22),
    ]


def test_check_fmt_and_show_need_no_torch() -> None:
    without = ("torch", "sympy", "triton", "numpy")
    spec = SPECS / "s2attn.attn"
    assert attngen("check", spec, without=without).returncode == 0
    assert attngen("fmt", "--check", spec, without=without).returncode == 0
    for option in ("--passes", "--bounds", "--tiles", "--source"):
        done = attngen("show", spec, option, without=without)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_show_prints_the_bounds_and_a_map_for_each_kind_of_heads() -> None:
    done = attngen("show", SPECS / "s2attn.attn", "--bounds", "--tiles", "--shape", "8,4096,4096", "--tile", "512,512")
    assert "hull = [max((q0 + shift) div group * group - shift, 0), min(q1 + 1, M))" in done.stdout
    assert "core = [max((q1 + shift) div group * group - shift, 0), min(q0 + 1, M))" in done.stdout
    assert "s2attn, heads 0-3 of 8: 20 of 64 tiles visited" in done.stdout
    assert "s2attn, heads 4-7 of 8: 16 of 64 tiles visited" in done.stdout
    assert "  ··███▒··\n" in done.stdout


def test_fmt_formats_in_place_and_check_only_looks(tmp_path: Path) -> None:
    path = tmp_path / "a.attn"
    path.write_text("attention a{mask j<=i}")
    assert attngen("fmt", "--check", path).returncode == 1
    assert path.read_text() == "attention a{mask j<=i}"
    assert attngen("fmt", path).returncode == 0
    assert path.read_text() == "attention a {\n  mask j <= i\n}\n"
    assert attngen("fmt", "--check", path).returncode == 0


def test_compile_writes_and_check_finds_what_is_stale(tmp_path: Path) -> None:
    out, spec = tmp_path / "generated", SPECS / "causal.attn"
    assert attngen("compile", spec, "-o", out).returncode == 0
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert written == ["cpp/causal.cpp", "cpp/causal.py", "cpp/causal_backward.cpp", "triton/causal.py"]
    assert attngen("compile", spec, "-o", out, "--check").returncode == 0
    (out / "cpp" / "causal.cpp").write_text("// edited by hand\n")
    done = attngen("compile", spec, "-o", out, "--check")
    assert done.returncode == 1
    assert "stale" in done.stdout
    assert "causal.cpp" in done.stdout


def test_committed_files_are_what_the_specs_give() -> None:
    root = SPECS.parent
    done = attngen("compile", *sorted(SPECS.glob("*.attn")), "-o", root / "generated", "--check")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["s2attn", "alibi"])
def test_run_compares_with_the_interpreter(name: str) -> None:
    done = attngen("run", SPECS / f"{name}.attn", "--shape", "2,4,2,33,57,24,40", "--dtype", "bfloat16", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["passed"] is True
    assert 0 < result["error"] <= result["tolerance"] < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "missing.attn"), "No such file"),
        (("show", SPECS / "s2attn.attn", "--set", "grup=3", "--tiles"), "did you mean `group`?"),
        (("show", SPECS / "s2attn.attn", "--set", "group=x", "--tiles"), "group is int"),
        (("show", SPECS / "s2attn.attn", "--shape", "1,2", "--tiles"), "give 3 positive numbers"),
        (("run", SPECS / "s2attn.attn", "--shape", "1,2"), "give B,H,N,D"),
        (("run", SPECS / "s2attn.attn", "--dtype", "int8"), "there is no dtype `int8`"),
        (("compile", SPECS / "s2attn.attn", "--backend", "cuda"), "there is no backend `cuda`"),
    ],
)
def test_wrong_use_is_explained_without_a_traceback(arguments: tuple[object, ...], message: str) -> None:
    done = attngen(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_what_kernels_need() -> None:
    done = attngen("doctor", "--no-check", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = {each["name"]: each["value"] for each in report["findings"]}
    assert report["fine"]
    assert names["torch"].startswith("2.")
    assert {"attngen", "python", "triton", "GPUs", "CPU", "C++ compiler", "OpenMP", "cache"} <= names.keys()
    assert {"ptxas", "Triton's cache"} <= names.keys()
    assert report["checks"] == []
    assert report["devices"] == [] or report["devices"][0]["bytes"] > 2**30
    assert report["cache"]["folders"].keys() == {"grammars", "templates", "specs", "kernels", "libraries", "tuned"}
    assert report["cache"]["bytes"] == sum(each["bytes"] for each in report["cache"]["folders"].values())


def test_doctor_compares_kernels_of_all_backends() -> None:
    done = attngen("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report["checks"]
    assert all(check["passed"] for check in report["checks"])
    kinds = {check["attention"].split(",")[0] for check in report["checks"] if check["backend"] == "cpp"}
    assert kinds == {"window", "documents", "turned", "sigmoids", "gated", "delta"}
    assert kinds == {check["attention"].split(",")[0] for check in report["checks"] if check["backend"] == "triton"}
    assert {check["backend"] for check in report["checks"]} >= {"cpp", "triton"}


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path))
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries").chmod(0o777)
    done = attngen("doctor", "--no-check")
    assert done.returncode == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(line.startswith("! C++ compiler no C++ compiler was found ($CXX is no-such-") for line in lines)
    assert "could have been written by other users" in done.stdout


def test_doctor_fails_where_a_kernel_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from attngen.cli import app
    from attngen.runtime import selfcheck
    from attngen.runtime.comparison import Check

    checks = [Check("cpp", "window", True, "results agree", 1.0), Check("cpp", "delta", False, "y is off", 1.0)]
    monkeypatch.setattr(selfcheck, "run", lambda _: iter(checks))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert [line.split()[:2] for line in done.stdout.splitlines() if "is off" in line] == [["!", "cpp"]]
    told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert told["fine"] is False
    assert [check["passed"] for check in told["checks"]] == [False, True]


def test_doctor_says_that_the_cache_can_not_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path / "file" / "cache"))
    done = attngen("doctor", "--no-check")
    assert done.returncode == 1
    assert "file can't be written: set ATTNGEN_CACHE to a folder that can" in done.stdout


def test_doctor_clears_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path))
    for name in ("kernels/abc/a.py", "libraries/a.so", "grammars/a"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(1000))
    done = attngen("doctor", "--clear", "--no-check")
    assert "1 grammars, 0 templates, 0 specs, 1 kernels, 1 libraries, 0 tuned, 0.0 MB" in done.stdout.splitlines()[0]
    assert not any(tmp_path.rglob("*"))


def test_a_plan_counts_what_a_window_needs() -> None:
    """One neighbour hears of 1023 keys and values: 8 heads of 128 channels, two bytes each."""
    done = attngen(
        "plan", "specs/sliding_window.attn", "--devices", "8..16", "--tokens", "128K", "-s", "window=1024", "--json"
    )
    found = json.loads(done.stdout)
    assert {(row["devices"], row["layout"]) for row in found["rows"]} >= {(8, "contiguous"), (16, "zigzag")}
    (row,) = (row for row in found["rows"] if (row["devices"], row["layout"], row["send"]) == (8, "contiguous", "keys"))
    assert (row["forward_messages"], row["forward_bytes"]) == (1, 2 * 1023 * 8 * 128 * 2)
    assert (row["backward_messages"], row["backward_bytes"]) == (2, 2 * 1023 * 8 * 128 * (2 + 4))


def test_a_plan_of_states_and_what_it_says_of_balance(tmp_path: Path) -> None:
    done = attngen("plan", "specs/mamba2.attn", "--devices", "8", "--tokens", "64K", "-o", str(tmp_path / "plan"))
    assert "8 devices: contiguous, states travel back" in done.stdout
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".csv", ".md", ".svg"}
    found = json.loads(attngen("plan", "specs/causal.attn", "--devices", "8", "--tokens", "64K", "--json").stdout)
    balance = {row["layout"]: round(row["balance"], 2) for row in found["rows"]}
    assert balance["contiguous"] == 1.87
    assert balance["zigzag"] == 1.0


def test_a_plan_of_documents_cuts_them_by_their_data(tmp_path: Path) -> None:
    """One document crosses the border of two ranks: 192 keys, values and numbers; 8 heads of 128 channels."""
    ends = torch.tensor([1024, 2048 - 192, 3072, 4096])
    torch.save({"doc": torch.bucketize(torch.arange(4096), ends, right=True)[None]}, tmp_path / "doc.pt")
    given = ["--devices", "4", "--tokens", "4K", "--inputs", str(tmp_path / "doc.pt"), "--json"]
    rows = json.loads(attngen("plan", "specs/packed_documents.attn", *given).stdout)["rows"]
    (row,) = (row for row in rows if (row["layout"], row["send"]) == ("contiguous", "keys"))
    assert (row["forward_messages"], row["forward_bytes"]) == (1, 192 * (2 * 8 * 128 * 2 + 8))
    assert row["hops"] == 1
    wrong = attngen("plan", "specs/packed_documents.attn", "--tokens", "8K", *given[-3:])
    assert "doc[b, n] of 8192 tokens can't be [1, 4096]" in wrong.stderr


def test_a_plan_of_a_recurrence_asks_for_no_inputs() -> None:
    done = attngen("plan", "specs/mamba2.attn", "--inputs", "README.md")
    assert done.returncode == 2
    assert "mamba2 is a recurrence, and what its ranks send depends on no input" in done.stderr


def test_a_plan_counts_ranks_that_hold_nothing() -> None:
    """Four stripes on 64 ranks: the mean is of all of them, the most of the fourth."""
    given = ["--devices", "64", "--tokens", "4K", "--block", "1024", "--json"]
    rows = json.loads(attngen("plan", "specs/causal.attn", *given).stdout)["rows"]
    (row,) = (row for row in rows if (row["layout"], row["send"]) == ("striped(1024)", "keys"))
    assert row["balance"] == pytest.approx(64 * (3.5 * 1024**2) / (4096**2 / 2), rel=0.01)
    assert row["hops"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mesh", "2x8", "--devices", "8,32"], "--mesh 2x8: 32 devices are more than it has"),
        (["--inputs", "README.md"], "--inputs README.md: this is not a dict of tensors that `torch.save` wrote"),
        (["--inputs", "nowhere"], "--inputs nowhere: No such file"),
        (["--devices", "8-16"], "--devices 8-16: give numbers"),
        (["--tokens", "many"], "--tokens many: give a number"),
        (["--gpu", "h999"], "choose one of a100, h100, h200, b200"),
        (["--mesh", "8"], "--mesh 8: give NODESxGPUS"),
        (["--kv-heads", "5"], "--kv-heads 5 does not divide --heads 32"),
    ],
)
def test_plans_that_make_no_sense(arguments: list[str], words: str) -> None:
    done = attngen("plan", "specs/causal.attn", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
