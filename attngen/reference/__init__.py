"""The float64 interpreter that defines what every spec means."""

from attngen.reference.interpreter import Result, attention

__all__ = ["Result", "attention"]
