"""What inner loops may hold: those of full tiles of each skeleton, and of recurrences, by the names of instructions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SPECS = Path(__file__).parent.parent.parent.parent / "specs"
SCRIPT = """
import json, sys
from attngen.ir.load import load
from attngen.runtime.cross import compile_for
from attngen.runtime.inspect.loops import loops
from attngen.runtime.inspect.usage import machine_code
from attngen.runtime.inspect.work import innermost

spec, target = sys.argv[1:]
found = compile_for(load(spec), target).kernels
inner = {kernel: innermost(loops(machine_code(stages))) for kernel, stages in found.items()}
print(json.dumps({kernel: [each.opcode for each in loop.body] for kernel, loop in inner.items() if loop is not None}))
"""
MATRIX = {"cuda:80": "HMMA", "cuda:90": "HGMMA", "cuda:100": "UTCHMMA", "hip:gfx942": "v_mfma"}
DIVISION = r"I2F|F2I|IABS|v_cvt_f32_u32|v_rcp_iflag"
"""What a division by a number that is not known when kernels are compiled begins with."""
WALKS = [(spec, kernel) for spec in ("causal", "s2attn") for kernel in ("forward", "by_queries", "by_keys")]


@cache
def opcodes(spec: str, target: str) -> dict[str, list[str]]:
    """Of the inner loop of each kernel."""
    kept = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", SCRIPT, str(SPECS / f"{spec}.attn"), target]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def count(body: list[str], pattern: str) -> int:
    return sum(re.match(pattern, opcode) is not None for opcode in body)


@pytest.mark.parametrize(("spec", "kernel"), WALKS)
def test_full_tiles_on_an_h100(spec: str, kernel: str) -> None:
    """Products by groups of warps, wide copies, exponentials of base two; nothing spilled, divided or masked."""
    body = opcodes(spec, "cuda:90")[kernel]
    assert count(body, "HGMMA") > 0
    assert count(body, "HMMA") == 0
    assert count(body, r"LDGSTS.*\.128") >= 2
    # Two numbers of each row are copied one by one where queries are walked.
    assert count(body, "LDGSTS") - count(body, r"LDGSTS.*\.128") <= (4 if kernel == "by_keys" else 0)
    assert count(body, r"MUFU\.EX2") == count(body, "MUFU") > 0
    assert count(body, rf"{DIVISION}|LDL|STL") == 0
    assert count(body, "FSEL") <= 4
    assert count(body, "ISETP") <= 8
    assert count(body, "IMAD|IADD|LEA|LOP3|SHF|VIADD|PRMT") <= 64


@pytest.mark.parametrize("target", MATRIX)
def test_every_target_multiplies_with_its_matrix_units(target: str) -> None:
    for kernel in ("forward", "by_queries", "by_keys"):
        body = opcodes("causal", target)[kernel]
        assert count(body, MATRIX[target]) > 0
        assert count(body, rf"{DIVISION}|LDL|STL|scratch_") == 0


def test_scores_are_multiplied_with_their_difference_alone() -> None:
    """The forward pass: a multiplication for each number of the sums, and none for each score."""
    body = opcodes("causal", "cuda:90")["forward"]
    assert count(body, "FMUL") <= count(body, "FFMA")
    assert count(body, "FMNMX") >= count(body, r"MUFU\.EX2") / 2


@pytest.mark.parametrize("spec", ["retention_recurrent", "mamba2", "gla"])
def test_recurrences(spec: str) -> None:
    for body in opcodes(spec, "cuda:90").values():
        assert count(body, rf"{DIVISION}|LDL|STL") == 0


@pytest.mark.parametrize("spec", ["retention_recurrent", "mamba2"])
def test_states_are_carried_by_products(spec: str) -> None:
    body = opcodes(spec, "cuda:90")["carry"]
    assert count(body, "HG?MMA") > 0
