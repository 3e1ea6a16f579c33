"""The interpreter that kernels run in without a GPU rounds as GPUs do."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

EDGES = [0.0, -0.0, 1.0 + 2**-8, 1.0 + 3 * 2**-8, 1.0 + 2**-8 + 2**-20, 3.3e38, float("inf"), float("-inf"), 1e-40]


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="there is no interpreter")
@given(st.lists(st.floats(width=32), min_size=1).map(lambda some: [*EDGES, *some]))
def test_bfloat16_is_the_nearest(numbers: list[float]) -> None:
    import triton.language as tl
    from triton.runtime import interpreter

    found = interpreter._convert_float(np.array(numbers, np.float32), tl.float32, tl.bfloat16, None)
    expected = torch.tensor(numbers, dtype=torch.float32).bfloat16()
    torch.testing.assert_close(torch.from_numpy(found).view(torch.bfloat16), expected, rtol=0, atol=0, equal_nan=True)
