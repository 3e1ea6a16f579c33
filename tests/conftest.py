"""Hypothesis profiles, and Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

# Must be set before triton is imported. The tests that cross-compile do so in processes of their own.
os.environ.setdefault("TRITON_INTERPRET", "1")
# Tensors are small here, and threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("ci", max_examples=16, derandomize=True, **COMMON)
settings.register_profile("dev", max_examples=25, **COMMON)
# Whether a test fails, and not how small the example can be made.
settings.register_profile("mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
# The same tests in other builds, whose compilation takes the time.
settings.register_profile("rebuilt", max_examples=8, derandomize=True, **COMMON)
settings.register_profile("deep", max_examples=1000, **COMMON)
PROFILE = os.environ.get("ATTNGEN_PROFILE", "ci" if os.environ.get("CI") else "dev")
settings.load_profile(PROFILE)
if PROFILE not in ("deep", "rebuilt"):
    os.environ.setdefault("CXX", str(Path(__file__).parents[1] / "attngen" / "fuzz" / "quick_compiler"))


def pytest_runtest_setup() -> None:
    """Numbers that a test draws without a generator do not depend on the tests before it."""
    import torch  # here, for its import reads the environment

    torch.manual_seed(0)
    if os.environ["TRITON_INTERPRET"] == "1":
        from attngen.fuzz.interpreted import mend

        mend()
