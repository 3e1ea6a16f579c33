"""Kernels of specs are compiled as users compile them."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _the_compiler_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get("CXX", "").endswith("quick_compiler"):
        monkeypatch.delenv("CXX")
