"""Every playbook rehearsed on the simulated attack that leads to it; writes what came of it.

``python -m tests.playbooks.rehearsals`` writes docs/reference/rehearsals.md; a test keeps it current.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from luytre.core.alert import LEVELS, Alert
from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import PlaybooksConfig
from luytre.simulator import Attack
from luytre.simulator.province import COMMUNES, DOMAIN
from playbooks import LIBRARY
from playbooks.actions import Actions, Services
from playbooks.binding import fitting, given_by
from playbooks.load import Loaded, load_folder
from playbooks.rehearse import Line, Rehearsal, rehearse
from tests.simulator.test_detected import alerts

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "rehearsals.md"
FOUND, _ = load_folder(LIBRARY)
PLAYBOOKS = {loaded.playbook.id: loaded for loaded in FOUND}
OWN_RULE = """
title: Somebody Logs In to the Document System
id: 0b0c8d53-6f5b-4f0e-9a54-3c6d7a1f2e11
status: test
logsource: {product: egov, service: audit}
detection:
  login: {vn.egov.system: qlvb, event.action: login}
  condition: login
level: medium
"""
"""A rule of an installation's own, without tags: for the playbook that takes what nobody takes."""

SETTINGS = PlaybooksConfig.model_validate({
    "never_touch": {"addresses": ["10.1.0.0/16"], "hosts": ["mail01"], "accounts": ["root"]},
    "nftables": {"enabled": True},
    "channels": ({"name": "duty", "url": "https://chat.test/"},),
    "isolation": ({"name": "edr", "url": "https://edr.test/"},),
    "directories": ({
        "name": "ad", "url": "ldaps://dc1.test", "user": "a", "password_file": "/dev/null",
        "search_in": "b", "domains": (*(row[4] for row in COMMUNES), DOMAIN),
    },),
})  # fmt: skip
ACTING = Actions(SETTINGS, Services(ManualClock()))


@dataclass(frozen=True)
class Played:
    """An alert of an attack, and the playbook that comes first for it."""

    attack: Attack
    alert: Alert
    playbook: Loaded

    @property
    def stem(self) -> str:
        return self.playbook.document.path.stem

    def rehearse(self, language: str = "en") -> Rehearsal:
        given = given_by(self.playbook, self.alert)
        return rehearse(PLAYBOOKS, self.playbook.playbook.id, given, language, ACTING)


def play(folder: Path, seed: int = 1) -> list[Played]:
    """Play every attack through our rules, and return its alerts in the order of its lines."""
    folder.mkdir(parents=True, exist_ok=True)
    (own := folder / "own.yml").write_text(OWN_RULE)
    truth, found = alerts(folder / "province", seed, whole=True, own=own)
    by_line: dict[str, list[Alert]] = {}
    for alert in found:
        by_line.setdefault(hashlib.sha256(alert.original).hexdigest(), []).append(alert)
    return [
        Played(attack, alert, fitting(FOUND, alert)[0])
        for attack in truth.attacks
        for line in attack.evidence
        for alert in by_line.get(line.sha256, ())
    ]


def gravest(played: list[Played]) -> dict[str, Played]:
    """Return of each playbook the first of its gravest alerts."""
    best: dict[str, Played] = {}
    for each in played:
        before = best.get(each.stem)
        if before is None or _level(each) > _level(before):
            best[each.stem] = each
    return dict(sorted(best.items()))


def _level(played: Played) -> int:
    return LEVELS.index(played.alert.rule.level)


def page(best: dict[str, Played]) -> str:
    """Return the reference page."""
    outcomes = {stem: played.rehearse() for stem, played in best.items()}
    spread = Counter(
        key for outcome in outcomes.values() for key in dict.fromkeys(map(_key, outcome.lines))
    )
    shared = {key for key, count in spread.items() if count > len(outcomes) / 2}
    first = max(outcomes.values(), key=lambda outcome: len(outcome.lines))
    text = [
        "# What the playbooks would do",
        "",
        "Each playbook of the library rehearsed on a simulated attack: the gravest alert that leads to it fills its variables. Written by",
        "`python -m tests.playbooks.rehearsals`; a test keeps it current. `[2]` is how many people must agree.",
        "",
        "## Steps that most of them share",
        "",
        *(_row(line) for line in first.lines if _key(line) in shared),
        "",
    ]
    for stem, played in best.items():
        text += _section(stem, played, outcomes[stem], shared)
    return "\n".join(text).rstrip("\n") + "\n"


def _section(stem: str, played: Played, outcome: Rehearsal, shared: set[str]) -> list[str]:
    given = ", ".join(
        f"`{name.strip('_')}` {value}"
        for name, value in given_by(played.playbook, played.alert).items()
    )
    own = [line for line in outcome.lines if _key(line) not in shared] or outcome.lines
    return [
        f"## {stem}",
        "",
        f"{played.attack.name_en}: *{played.alert.rule.title}* ({played.alert.rule.level}). {given}.",
        "",
        *(_row(line) for line in own),
        f"- … with {len(outcome.lines) - len(own)} shared steps; waits {outcome.waits_minutes / 60:g} h",
        "",
    ]  # fmt: skip


def _key(line: Line) -> str:
    return f"{line.phase}/{line.name}/{line.by}" if line.kind == "luytre" else line.what


def _row(line: Line) -> str:
    agree = f" [{line.approvals}]" if line.approvals else ""
    not_done = f" **not done: {line.conflict}**" if line.conflict else ""
    return f"- *{line.phase}* · {line.by} · **{line.name}**: {line.what}{agree}{not_done}"


def main() -> None:
    """Write the page."""
    with TemporaryDirectory() as folder:
        PAGE.write_text(page(gravest(play(Path(folder)))), encoding="utf-8")


if __name__ == "__main__":
    main()
