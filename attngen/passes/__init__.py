"""Rewrites of the checked tree: each takes a valid tree and leaves a valid tree that means the same."""

from __future__ import annotations

from collections.abc import Callable

from attngen.ir.nodes import Variant
from attngen.ir.verify import verify
from attngen.passes.factors import factors
from attngen.passes.fold import fold
from attngen.passes.powers import powers

Pass = Callable[[Variant], Variant]
PIPELINE: tuple[Pass, ...] = (fold, powers, factors)


def simplify(variant: Variant, watch: Callable[[str, Variant], None] | None = None) -> Variant:
    """Run the pipeline; the tree is verified after each pass and shown to `watch` under the name of the pass.

    Raises:
        InvalidTree: a pass broke the tree.
    """
    for rewrite in PIPELINE:
        variant = rewrite(variant)
        verify(variant)
        if watch is not None:
            watch(rewrite.__name__, variant)
    return variant
