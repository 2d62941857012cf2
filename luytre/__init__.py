"""Luytre: log analytics for security operations.

What other people's code may build on; everything else may change.
"""

from luytre.core.alert import Alert, Reason, RuleCard
from luytre.core.batch import Batch, LogSource, Part, Stage

__all__ = ["Alert", "Batch", "LogSource", "Part", "Reason", "RuleCard", "Stage"]
