"""Every Triton kernel compiles for GPUs that are not here, in processes that do not interpret Triton."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from recurrent_cases import COMMON

from attngen.ir.load import load_all

ROOT = Path(__file__).parent.parent.parent
EVERY = sorted((ROOT / "specs").glob("*.attn"))
DEEP = os.environ.get("ATTNGEN_PROFILE") == "deep"
ONLY_DEEP = pytest.mark.skipif(not DEEP, reason="takes minutes")
TARGETS = ["cuda:90"] + (["cuda:80", "cuda:100", "hip:gfx942"] if DEEP else [])
SPECS = EVERY if DEEP else [ROOT / "specs" / f"{name}.attn" for name in ("block_sparse", "lightning")]
"""Of every kernel of every spec, the table of resources has the digest of what was compiled."""


def compiled(specs: list[Path], target: str, dtype: str, output: Path, emit: str = "") -> list[dict[str, str]]:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "attngen", "compile", *map(str, specs), "-o", str(output), "--json"]
    command += ["--backend", "triton", "--target", target, "--dtype", dtype, "--emit", emit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report: list[dict[str, str]] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("target", TARGETS)
def test_specs_compile(target: str, tmp_path: Path) -> None:
    report = compiled(SPECS, target, "bfloat16", tmp_path)
    found = {entry["file"] for entry in report if entry["status"] == "compiled"}
    names = [variant.name for path in SPECS for variant in load_all(path)]
    assert found == {f"{name} for {target} in bfloat16" for name in names}


def test_float32_compiles_and_the_assembly_is_written(tmp_path: Path) -> None:
    compiled([ROOT / "specs" / "streaming_llm.attn"], "cuda:90", "float32", tmp_path, emit="ptx")
    assembly = (tmp_path / "triton" / "streaming_llm.cuda_90.ptx").read_text()
    assert ".target sm_90a" in assembly


def test_hopper_code_uses_its_matrix_instructions(tmp_path: Path) -> None:
    compiled([ROOT / "specs" / "causal.attn"], "cuda:90", "bfloat16", tmp_path, emit="ptx")
    assert "wgmma.mma_async" in (tmp_path / "triton" / "causal.cuda_90.ptx").read_text()


def test_the_kernel_of_the_keys_is_compiled_too(tmp_path: Path) -> None:
    compiled([ROOT / "specs" / "rope.attn"], "cuda:90", "bfloat16", tmp_path, emit="ptx")
    assert "wgmma.mma_async" in (tmp_path / "triton" / "rope.cuda_90.ptx").read_text()
    assert ".entry _make_k_turned(" in (tmp_path / "triton" / "rope.make_k_turned.cuda_90.ptx").read_text()


TURNED = """attention turned {
  input keep[b, h, t]: float
  order p(y) = if h mod 2 == 0 then (y + 5) mod N else y
  let   angle = t * 10000.0 ^ (-(c mod (D div 2)) / (D / 2))
  def   other(x) = if c < D div 2 then -x[(c + D div 2) mod D] else x[(c + D div 2) mod D]
  state S = (1 - 2 ^ (-5.0 - h)) * prev(keep[b, h, t]) * S + outer(k * cos(angle) + other(k) * sin(angle), v) / (1 + t)
  out   scale * dot(q, S) * sin(t)
}"""
PAIRS = "attention pairs { score scale * dot(q, k) - log(1 + abs(i - j))  mask j <= i }"


@pytest.mark.parametrize("texts", [[TURNED, PAIRS], pytest.param(COMMON, marks=ONLY_DEEP)])
def test_positions_of_batch_rows(texts: list[str], tmp_path: Path) -> None:
    """Where they are a tensor, values of kernels have other types."""
    script = "import attngen, sys; from attngen.runtime.cross import compile_for\n"
    script += "for text in sys.argv[1:]: compile_for(attngen.load(text), 'cuda:90', offsets=True)"
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", script, *texts]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_interpreting_and_compiling_do_not_mix(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "attngen", "compile", str(SPECS[0]), "-o", str(tmp_path), "--target", "cuda:90"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "TRITON_INTERPRET" in done.stderr
    assert "Traceback" not in done.stderr
