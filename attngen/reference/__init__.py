"""The float64 interpreter that defines what every spec means."""

from attngen.reference.interpreter import Result, attention
from attngen.reference.recurrence import Trace, recurrence

__all__ = ["Result", "Trace", "attention", "recurrence"]
