"""One call of a variant, as NumPy arrays that broadcast to [B, H, N, M] as the formulas do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

Array = np.ndarray
Sizes = dict[str, int]
Parameters = dict[str, float | int]
Inputs = dict[str, Array]


@dataclass(frozen=True)
class Problem:
    """One call. Inputs have every axis they declare; indexed by the arrays below, they broadcast as in the formulas."""

    B: int
    H: int
    N: int
    M: int
    D: int
    offset: int  # query row r stands at position r + offset
    parameters: Parameters
    inputs: Inputs

    @property
    def b(self) -> Array:
        return np.arange(self.B)[:, None, None, None]

    @property
    def h(self) -> Array:
        return np.arange(self.H)[None, :, None, None]

    @property
    def row(self) -> Array:
        """Query rows, for inputs with an `i` axis; formulas use the position `i` instead."""
        return np.arange(self.N)[None, None, :, None]

    @property
    def i(self) -> Array:
        return self.row + self.offset

    @property
    def j(self) -> Array:
        return np.arange(self.M)[None, None, None, :]

    @property
    def distance(self) -> Array:
        return self.i - self.j

    @property
    def causal(self) -> Array:
        return self.j <= self.i

    @property
    def scale(self) -> float:
        return 1 / math.sqrt(self.D)


Mask = Callable[[Problem], Array]
Score = Callable[[Problem, Array, Array], Array]
Draw = Callable[[Generator, Sizes], tuple[Parameters, Inputs]]
