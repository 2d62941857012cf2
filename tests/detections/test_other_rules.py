"""Rules of other authors load, or are refused with a reason that says what to mend.

And the specification's own lists of modifiers are in the matrix of conformance.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from detections.load import load_rules
from detections.plan import build_plan
from tests.detections.conformance_cases import CASES

pytestmark = pytest.mark.data

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "refused-rules.md"
FILES, GOOD, REFUSED = 357, 236, 121
ROW = re.compile(r"\| `(.+?)` \| (\d+) \|")


def kind(problem: str) -> str:
    """Return a reason without what is special to its rule."""
    if problem.startswith("the condition is not Sigma"):
        return "the condition is not Sigma: ..."
    if "of the log source is" in problem:
        return re.sub(r'"\w+"', '"..."', problem)
    return re.sub(
        r"'[^']*'|\"(?!title|detection|logsource|timeframe|correlation|\|)[^\"]*\"",
        '"..."',
        problem,
    )


@pytest.mark.timeout(120)
def test_every_rule_of_others_loads_or_is_refused_with_a_reason(
    shared_data: Callable[[str], Path],
) -> None:
    root = shared_data("extra-sigma-rules")
    files = [path for path in root.rglob("*") if path.suffix in (".yml", ".yaml")]

    loaded = load_rules([root], builtin=False)
    _, unplanned = build_plan(loaded.rules)
    faults = [*loaded.faults, *unplanned]

    refused = {fault.path for fault in faults}
    good = {rule.path for rule in loaded.rules}
    assert (len(files), len(good), len(refused)) == (FILES, GOOD, REFUSED)
    assert good | refused == set(files)
    assert all(fault.line > 0 and fault.problem and "pySigma" not in str(fault) for fault in faults)
    counted = Counter(kind(fault.problem) for fault in faults)
    written = {
        reason.replace("\\|", "|"): int(count) for reason, count in ROW.findall(PAGE.read_text())
    }
    assert written == dict(counted)


def test_every_modifier_of_the_specification_is_in_the_matrix(
    shared_data: Callable[[str], Path],
) -> None:
    (page,) = shared_data("sigma-specification").rglob("sigma-appendix-modifiers.md")
    modifiers = re.findall(r"^ *- `([a-z0-9]+)`:", page.read_text(), re.MULTILINE)

    used = {
        name
        for case in CASES
        for key in re.findall(r"'?\"?[\w.-]*((?:\|[a-z0-9]+)+)", f"{case.search} {case.detection}")
        for name in key.split("|")
    }
    assert len(modifiers) >= 30
    assert not set(modifiers) - used
