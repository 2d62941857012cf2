"""What the Sigma correlation specification 2.1.0 can say, each with a pattern of its tests.

A pattern is looked for in the names of tests and in the ids of their rows.
"""

import re
from collections.abc import Sequence
from pathlib import Path

FEATURES = [
    ("type event_count", "^event_count"),
    ("type value_count", "^value_count"),
    ("type temporal", "^temporal($| )"),
    ("type temporal_ordered", "^temporal_ordered"),
    ("type value_sum", "value_sum"),
    ("type value_avg", "value_avg"),
    ("type value_percentile", "percentile"),
    ("type value_median", "value_median"),
    ("condition gt", r"\bgt\b"),
    ("condition gte", r"\bgte\b"),
    ("condition lt", r"\blt\b"),
    ("condition lte", r"\blte\b"),
    ("condition eq", r"\beq\b"),
    ("condition neq", r"\bneq\b"),
    ("condition: a range of two", "range"),
    ("condition on several fields of a value_count", "fields"),
    ("extended conditions: and, or, not, brackets", "with not|temporal_ordered or|expression"),
    ("rules by id or name", "by name|names? of rules|by_name"),
    ("rules that are not there are refused", "unknown rule|no such rule|no_such_rule|not there"),
    ("group-by", "group"),
    ("aliases of fields", "alias"),
    ("timespan in s, m, h, d, w, M", "timespan|unit"),
    ("correlations of correlations", "above|chain|of correlations|of_correlations"),
    ("generate", "generate|quiet|mute"),
    ("events that come late or in any order", "any_arrival|late"),
]
_NAMES = re.compile(r"def (test_\w+)|id=\"([^\"]+)\"")


def tests_of(pattern: str, folder: Path) -> Sequence[str]:
    """Return the names of tests and rows in ``test_correlat*.py`` that a pattern finds."""
    found = [
        next(filter(None, groups))
        for path in sorted(folder.glob("test_correlat*.py"))
        for groups in _NAMES.findall(path.read_text(encoding="utf-8"))
    ]
    return [name for name in dict.fromkeys(found) if re.search(pattern, name)][:3]
