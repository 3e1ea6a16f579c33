"""The progress bar of a campaign: how many examples, and how many per second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

AS_LONG_AS_IT_TAKES = 10**9
"""Examples of a campaign that only time ends."""


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Examples, of how many if that is known, and per second."""
        total = "" if task.total is None else f"/{task.total:.0f}"
        speed = f", {task.speed:.1f} per second" if task.speed else ""
        return Text(f"{task.completed:.0f}{total}{speed}")


@contextmanager
def campaign_bar(what: str, examples: int, before: int = 0, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives what is to be told how many examples were judged; `before` were by earlier campaigns."""
    columns = (TextColumn("{task.description}"), BarColumn(), _Count(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        total = None if examples >= AS_LONG_AS_IT_TAKES else before + examples
        bar = progress.add_task(what, total=total, completed=before)
        yield lambda count: progress.update(bar, completed=before + count)
