"""Ranks that are threads of one process: to test a partition, or to look at one, without processes and sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, TypeVar

import torch
from torch import Tensor

from attngen.parallel.ranks import Message, MissingRankError, Traffic

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds until a message is taken for lost."""
LOOKS = 0.2
"""Seconds after which one that waits looks whether another has failed."""


@dataclass(slots=True)
class Ring:
    """What the threads share: a mailbox for each pair of ranks and tag."""

    size: int
    mail: dict[tuple[int, int, int], Queue[Tensor]] = field(default_factory=dict)
    failed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def box(self, source: int, target: int, tag: int) -> Queue[Tensor]:
        with self.lock:
            return self.mail.setdefault((source, target, tag), Queue())


@dataclass
class ThreadRanks:
    """One of these ranks."""

    ring: Ring
    rank: int
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def size(self) -> int:
        return self.ring.size

    def exchange(self, sends: Sequence[Message], receives: Sequence[Message], tag: int) -> Callable[[], None]:
        self.traffic.add(sends)
        for target, tensor in sends:
            self.ring.box(self.rank, target, tag).put(tensor.clone())

        def wait() -> None:
            for source, tensor in receives:
                tensor.copy_(self._next(source, tag))

        return wait

    def gather(self, mine: Tensor) -> list[Tensor]:
        return [torch.as_tensor(each) for each in self.gather_words(mine)]

    def gather_words(self, mine: object) -> list[Any]:
        for target in range(self.size):
            self.ring.box(self.rank, target, -1).put(mine)  # type: ignore[arg-type]
        return [self._next(source, -1) for source in range(self.size)]

    def total(self, mine: Tensor) -> Tensor:
        return torch.stack(self.gather(mine.clone())).sum(0)

    def _next(self, source: int, tag: int) -> Tensor:
        box = self.ring.box(source, self.rank, tag)
        for _ in range(int(PATIENCE / LOOKS)):
            with suppress(Empty):
                return box.get(timeout=LOOKS)
            if self.ring.failed.is_set():
                break
        raise MissingRankError(f"rank {source} does not answer rank {self.rank}")


def on_threads(size: int, program: Callable[[ThreadRanks], T]) -> list[T]:
    """What a program gives on each rank; the first error that one of them raises is raised."""
    ring, found, errors = Ring(size), [None] * size, []

    def run(rank: int) -> None:
        try:
            found[rank] = program(ThreadRanks(ring, rank))  # type: ignore[call-overload]
        except BaseException as error:
            errors.append(error)
            ring.failed.set()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found  # type: ignore[return-value]
