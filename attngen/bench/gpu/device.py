"""The GPU that is measured: what figures depend on."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import torch

import attngen

PACKAGES = {"triton": "triton", "fla": "flash-linear-attention", "mamba": "mamba-ssm"}


def facts(device: str) -> dict[str, str | None]:
    """Device, capability, driver and versions; `None` for what is not there."""
    found: dict[str, str | None] = {"device": "none: kernels are interpreted", "capability": None, "driver": None}
    if device != "cpu":
        properties = torch.cuda.get_device_properties(0)
        found = {
            "device": properties.name,
            "memory": f"{properties.total_memory / 2**30:.0f} GiB",
            "processors": str(properties.multi_processor_count),
            "capability": ".".join(map(str, torch.cuda.get_device_capability(0))),
            "driver": _driver(),
        }
    found |= {"torch": torch.__version__, "cuda": torch.version.cuda or torch.version.hip}
    found["cudnn"] = str(torch.backends.cudnn.version()) if device != "cpu" else None  # type: ignore[no-untyped-call]
    return {
        **found,
        **{name: _installed(package) for name, package in PACKAGES.items()},
        "attngen": attngen.__version__,
    }


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()[0]
    return None


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
