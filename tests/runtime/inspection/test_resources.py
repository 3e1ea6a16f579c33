"""What kernels take of GPUs that are not here, and what their inner loops may hold; in processes that compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).parent.parent.parent.parent / "specs"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
TARGETS = {"cuda:80": "HMMA", "cuda:90": "HGMMA", "cuda:100": "UTCHMMA", "hip:gfx942": "v_mfma"}


def attngen(*arguments: object, environment: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attngen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def rows(name: str, *targets: str, kernel: str = "") -> list[dict[str, Any]]:
    wanted = [option for target in targets for option in ("--target", target)]
    done = attngen("show", SPECS / f"{name}.attn", "--resources", "--json", "--kernel", kernel, *wanted)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_target_multiplies_with_its_matrix_units() -> None:
    found = {row["target"]: row for row in rows("causal", *TARGETS, kernel="forward")}
    assert found.keys() == TARGETS.keys()
    for target, product in TARGETS.items():
        row = found[target]
        assert row["inner"]["matrix"].startswith(product)
        queries, keys = row["tile"]
        assert row["inner"]["products"] == 4 * queries * keys * row["width"]
        assert row["resident"] >= 1
        assert 0.2 < row["inner"]["of_peak"] < 1
    assert found["cuda:90"]["spills"] == 0


def test_recurrences_have_rows_too() -> None:
    found = {row["kernel"]: row for row in rows("mamba2", "cuda:90")}
    assert found.keys() == {"give", "carry", "leave", "follow", "carry_back", "follow_back", "return"}
    assert {row["spills"] for row in found.values()} == {0}
    assert found["give"]["inner"] is None  # one chunk, no loop
    assert found["carry"]["inner"]["instructions"]["matrix"] > 0


@pytest.mark.parametrize(
    ("option", "value"), [("--target", "cuda:75"), ("--dtype", "float64"), ("--kernel", "forwards")]
)
def test_what_is_not_known_is_refused(option: str, value: str) -> None:
    done = attngen("show", SPECS / "causal.attn", "--resources", option, value)
    assert done.returncode == 2
    assert value in done.stderr


def test_a_process_that_interprets_is_told_so() -> None:
    done = attngen("show", SPECS / "causal.attn", "--resources", environment={**ENVIRONMENT, "TRITON_INTERPRET": "1"})
    assert done.returncode == 2
    assert "TRITON_INTERPRET=1" in done.stderr


def test_machine_code_is_written(tmp_path: Path) -> None:
    """And the full tiles' loop holds exponentials of base two and wide copies, no quotients, no roots and no spills."""
    from attngen.runtime.inspect.loops import loops
    from attngen.runtime.inspect.work import innermost

    given = ("--backend", "triton", "--target", "cuda:90", "--emit", "sass,ttgir,ptx", "-o", tmp_path)
    done = attngen("compile", SPECS / "s2attn.attn", *given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "triton" / "s2attn.cuda_90.ttgir").read_text().startswith("#")
    inner = innermost(loops((tmp_path / "triton" / "s2attn.cuda_90.sass").read_text()))
    assert inner is not None
    assert inner.count(r"MUFU\.EX2") == inner.count("MUFU") > 0
    assert inner.count(r"LDGSTS.*\.128") == inner.count("LDGSTS") > 0
    assert inner.count("I2F|F2I|IABS|LDL|STL|CALL") == 0
    assert inner.count("ISETP") <= 16  # of the loop and its copies: none for each pair
