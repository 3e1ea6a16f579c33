"""Ranks that are processes, over gloo."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from queue import Empty
from typing import Any

import torch
import torch.distributed as dist


def on_processes(
    program: Callable[..., Any], ranks: int, *given: object, patience: float = 240.0, expected: int | None = None
) -> dict[int, Any]:
    """What a program of a module gives on each rank, or the text of what it raised; ranks that die give nothing.

    Args:
        program: takes the rank, how many there are, where they meet, and what is given.
        expected: how many ranks answer; all unless given.
    """
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    where = f"tcp://127.0.0.1:{free_port()}"
    processes = [
        context.Process(target=_run, args=(answers, program, rank, ranks, where, *given), daemon=True)
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    found = {}
    try:
        for _ in range(ranks if expected is None else expected):
            rank, answer = answers.get(timeout=patience)
            found[rank] = answer
    except Empty:
        raise AssertionError(f"only ranks {sorted(found)} answered") from None
    finally:
        for process in processes:
            process.kill()
            process.join()
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _run(answers: Any, program: Callable[..., Any], rank: int, ranks: int, where: str, *given: object) -> None:
    torch.set_num_threads(1)
    try:
        answers.put((rank, program(rank, ranks, where, *given)))
    except BaseException as error:
        answers.put((rank, f"{type(error).__name__}: {error}\n{traceback.format_exc()}"))
    answers.close()
    answers.join_thread()
    os._exit(0)  # a group that has lost a rank waits for it when it is destroyed


def join(rank: int, ranks: int, where: str) -> None:
    """Make the process group."""
    dist.init_process_group("gloo", init_method=where, rank=rank, world_size=ranks)
