"""Random calls and random specs, and what kernels are compared with.

What reproducers need of it is here; `attngen fuzz` writes them.
"""

from attngen.fuzz.attempt import assert_right
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import Disagreement
from attngen.fuzz.tensors import packed, strided
from attngen.fuzz.ways import Way

__all__ = ["Call", "Disagreement", "Way", "assert_right", "packed", "strided"]
