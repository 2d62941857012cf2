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
    ("condition gt", r"\bgt\b|^value_sum$"),
    ("condition gte", r"\bgte\b"),
    ("condition lt", r"\blt\b"),
    ("condition lte", r"\blte\b"),
    ("condition eq", r"\beq\b"),
    ("condition neq", r"\bneq\b"),
    ("condition: a range of two", "range"),
    ("condition on several fields of a value_count", "two fields together"),
    ("extended conditions: and, or, not, brackets", "with not|temporal_ordered or|binds_as_sigma"),
    ("rules by id or name", "names_become_ids"),
    ("rules that are not there are refused", "does_not_tie_up"),
    ("group-by", "^test_groups|group_by"),
    ("aliases of fields", "alias"),
    ("timespan in s, m, h, d, w, M", "timespan|unit"),
    ("correlations of correlations", "those_below|handed_down"),
    ("generate", "only_serves_others"),
    ("events that come late or in any order", "any_arrival|late"),
    ("beyond Sigma: first_seen", "first_seen|new_again|is_not_new"),
    ("beyond Sigma: rare", r"^rare|test_rare"),
    ("beyond Sigma: spike", "^spike|test_a_spike|no_spike"),
    ("beyond Sigma: silence", "^silence|test_silence_is|fills_a_gap|clock_of_the_machine"),
    ("beyond Sigma: standard Sigma for other tools", "plain_sigma"),
]
_NAMES = re.compile(r"def (test_\w+)|id=\"([^\"]+)\"")


def tests_of(pattern: str, folder: Path) -> Sequence[str]:
    """Return the names of tests and rows of correlations that a pattern finds."""
    found = [
        next(filter(None, groups))
        for path in sorted([*folder.glob("test_correlat*.py"), *folder.glob("test_extension*.py")])
        for groups in _NAMES.findall(path.read_text(encoding="utf-8"))
    ]
    return [name for name in dict.fromkeys(found) if re.search(pattern, name)][:3]
