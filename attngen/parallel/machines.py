"""What GPUs and their links can do, as far as a plan needs it. Data sheets; a kernel reaches a part of the rate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """A GPU in a cluster.

    Attributes:
        flops: of matrix products in half precision, per second.
        link, network: bytes per second and direction, to a GPU of the same node and to one of another.
        latency, far_latency: seconds until a message of either begins to arrive.
        memory: bytes.
    """

    name: str
    flops: float
    link: float
    network: float
    memory: float
    latency: float = 5e-6
    far_latency: float = 15e-6


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("a100", 312e12, 300e9, 25e9, 80e9),
        Machine("h100", 989e12, 450e9, 50e9, 80e9),
        Machine("h200", 989e12, 450e9, 50e9, 141e9),
        Machine("b200", 2250e12, 900e9, 50e9, 180e9),
    )
}
REACHED = 0.6
"""The part of the rate that forward kernels reach on full tiles."""
BACKWARD = 3.5
"""Products backward for each one forward: scores and their gradients are computed for queries and for keys."""

LAUNCH = 5e-6
"""Seconds that a kernel takes, however little it computes."""
KERNELS_BACKWARD = 2
"""Kernels of a block backward: by queries and by keys."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Nodes of some GPUs each; ranks of a node follow each other."""

    machine: Machine
    gpus: int

    def seconds(self, rank: int, other: int, size: int) -> float:
        """How long a message takes."""
        near = rank // self.gpus == other // self.gpus
        rate, latency = (
            (self.machine.link, self.machine.latency) if near else (self.machine.network, self.machine.far_latency)
        )
        return latency + size / rate if size else 0.0
