"""What a partition asks of those it runs on: messages between two ranks, sums over all, and words of each.

`TorchRanks` is a process group of torch.distributed. Messages over gloo are waited for no longer than its timeout: then
the ranks that are missing are named, on every rank that is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import _get_default_store

WAITING = 0.75
"""The part of the timeout in which a message must come; in the rest ranks say who is still there."""
Message = tuple[int, Tensor]
"""A rank, and what goes to it or comes from it."""


class MissingRankError(RuntimeError):
    """A rank died, or did not answer in time."""


@dataclass(slots=True)
class Traffic:
    """What a rank has sent: messages to one rank each, and their bytes."""

    messages: int = 0
    bytes: int = 0

    def add(self, sends: Sequence[Message]) -> None:
        self.messages += len(sends)
        self.bytes += sum(each.numel() * each.element_size() for _, each in sends)


class Ranks(Protocol):
    """Those that share a sequence, counted from 0."""

    rank: int
    size: int
    traffic: Traffic

    def exchange(self, sends: Sequence[Message], receives: Sequence[Message], tag: int) -> Callable[[], None]:
        """Begin to send and to fill what is received; what is given back waits for the end of it."""

    def gather(self, mine: Tensor) -> list[Tensor]:
        """A tensor of each rank, all of one shape and dtype."""

    def gather_words(self, mine: object) -> list[Any]:
        """Anything small of each rank."""

    def total(self, mine: Tensor) -> Tensor:
        """The sum over all ranks, on each."""


@dataclass(slots=True)
class TorchRanks:
    """A process group.

    With NCCL a wait is the device's, and ends by the timeout of the process group.

    Attributes:
        group: of torch.distributed; all processes where it is none.
        timeout: seconds, within which an error names the ranks that don't answer. It must be longer than a block takes.
    """

    group: Any
    timeout: float
    rank: int = field(init=False)
    size: int = field(init=False)
    traffic: Traffic = field(default_factory=Traffic)
    _at_once: bool = field(init=False)
    _room: str = field(init=False)

    def __post_init__(self) -> None:
        self.rank, self.size = dist.get_rank(self.group), dist.get_world_size(self.group)
        backend = dist.get_backend(self.group)
        # NCCL has no tags: it pairs what both sides begin together.
        self._at_once = backend == "nccl"
        name = "all" if self.group is None else self.group.group_name
        # The next of this rank in this group: the same number on all ranks.
        made = 0 if backend == "fake" else _get_default_store().add(f"attngen/{name}/{self.rank}", 1)
        self._room = f"attngen/{name}/{made}"

    def exchange(self, sends: Sequence[Message], receives: Sequence[Message], tag: int) -> Callable[[], None]:
        self.traffic.add(sends)
        wanted: list[tuple[Any, Tensor, int]] = [(dist.irecv, tensor, self._global(peer)) for peer, tensor in receives]
        wanted += [(dist.isend, tensor, self._global(peer)) for peer, tensor in sends]
        with self._naming():
            if self._at_once and wanted:
                works: list[Any] = dist.batch_isend_irecv([dist.P2POp(*each, self.group) for each in wanted])
            else:
                works = [begin(tensor, peer, self.group, tag) for begin, tensor, peer in wanted]

        def wait(_kept: Any = wanted) -> None:
            self._wait(works)

        return wait

    def gather(self, mine: Tensor) -> list[Tensor]:
        found = [torch.empty_like(mine) for _ in range(self.size)]
        with self._naming():
            work = dist.all_gather(found, mine.contiguous(), self.group, async_op=True)
        self._wait([work])
        return found

    def gather_words(self, mine: object) -> list[Any]:
        found: list[Any] = [None] * self.size
        with self._naming():
            dist.all_gather_object(found, mine, self.group)
        return found

    def total(self, mine: Tensor) -> Tensor:
        found = mine.clone(memory_format=torch.contiguous_format)  # sums go by memory, not by index
        with self._naming():
            work = dist.all_reduce(found, group=self.group, async_op=True)
        self._wait([work])
        return found

    def _wait(self, works: Sequence[Any]) -> None:
        with self._naming():
            for work in works:
                if self._at_once:
                    work.wait()  # by the device: this process goes on
                else:
                    work.wait(timedelta(seconds=self.timeout * WAITING))

    def _global(self, peer: int) -> int:
        return peer if self.group is None else dist.get_global_rank(self.group, peer)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Where an exchange fails, say which ranks are gone: those that don't say so themselves within a while."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, MissingRankError):
                raise
            missing = self._missing()
            raise MissingRankError(
                f"rank {self.rank} of {self.size} waited in vain: {missing}. The process group can't be used any more:"
                " destroy it, make it anew with the ranks that are left, and build the partition again"
                f" ({str(error).splitlines()[0]})"
            ) from error

    def _missing(self) -> str:
        try:
            store = _get_default_store()
            store.set(f"{self._room}/failed/{self.rank}", "1")
            until = time.monotonic() + self.timeout * (1 - WAITING)
            silent = set(range(self.size))
            while silent and time.monotonic() < until:
                silent = {rank for rank in silent if not store.check([f"{self._room}/failed/{rank}"])}
                time.sleep(0.05)
        except RuntimeError:  # of torch.distributed
            return "the store of the process group is gone, with the rank that held it (rank 0, unless torchrun does)"
        if not silent:
            return "messages were lost, but no rank is missing"
        names = ", ".join(map(str, sorted(silent)))
        return f"rank {names} does not answer" if len(silent) == 1 else f"ranks {names} do not answer"
