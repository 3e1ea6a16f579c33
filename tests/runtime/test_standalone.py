"""Generated files are the user's: they run where attngen cannot be imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GENERATED = Path(__file__).parent.parent.parent / "generated"
SCRIPT = """
import sys
sys.modules["attngen"] = None  # importing it fails
sys.path.insert(0, sys.argv[1])
import torch
from s2attn import s2attn

torch.manual_seed(0)
q, k, v = torch.randn(1, 4, 40, 16), torch.randn(1, 2, 40, 16), torch.randn(1, 2, 40, 24)
y, lse = s2attn(q, k, v, group=16, return_lse=True)
i, j = torch.arange(40)[:, None], torch.arange(40)[None, :]
for head in range(4):
    shift = 8 if head >= 2 else 0
    live = (j <= i) & ((i + shift) // 16 == (j + shift) // 16)
    scores = (q[0, head].double() @ k[0, head // 2].double().T / 4).masked_fill(~live, -torch.inf)
    expected = scores.softmax(-1) @ v[0, head // 2].double()
    assert (y[0, head] - expected).abs().max() < 2e-6
    assert (lse[0, head] - scores.logsumexp(-1)).abs().max() < 2e-6
print("right")
"""


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_generated_file_needs_nothing_of_attngen(backend: str, tmp_path: Path) -> None:
    for path in (GENERATED / backend).glob("s2attn.*"):
        shutil.copy(path, tmp_path)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "right\n", done.stderr
