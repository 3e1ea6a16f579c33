"""From a checked tree to a plan: every decision that a kernel needs, so that templates hold none."""
