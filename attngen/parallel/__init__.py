"""Kernels over ranks that share a sequence, on torch.distributed: `kernel.on(group)`."""

from attngen.parallel.partition import partition
from attngen.parallel.ranks import MissingRankError
from attngen.parallel.threads import on_threads

__all__ = ["MissingRankError", "on_threads", "partition"]
