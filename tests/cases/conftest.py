from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.read import Incidents
from luytre.cases.room import ROOM
from luytre.cases.triage import Triage
from luytre.core.actor import Actor, Role
from luytre.core.alert import Alert, Level, RuleCard
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
ALL = Scope.everything()
PLACE = TopicPartition(ALERTS_TOPIC, 0)


def made(  # noqa: PLR0913 - each may matter
    number: int | str,
    event: Mapping[str, str] | None = None,
    *,
    at: float = 0,
    organization: str = "so-y-te",
    level: Level = "high",
    rule: str = "rule-1",
    tags: tuple[str, ...] = (),
    late_s: float = 5,
    episode: str = "",
    revision: int = 0,
    withdrawn: bool = False,
    supersedes: tuple[str, ...] = (),
) -> Alert:
    """An alert ``at`` minutes after NOW."""
    seen = NOW + timedelta(minutes=at)
    return Alert(
        id=f"alert-{number}",
        rule=RuleCard(rule, f"Title of {rule}", level, "v1", tags=tags),
        event_id=f"event-{number}",
        organization_id=organization,
        seen_at=seen,
        ingested_at=seen + timedelta(seconds=late_s),
        detected_at=seen + timedelta(seconds=late_s + 1),
        part="linux/sshd",
        reasons=(),
        event=event or {},
        original=b"raw",
        versions={},
        episode=episode,
        revision=revision,
        withdrawn=withdrawn,
        supersedes=supersedes,
    )


def person(*roles: Role, user: str = "lan", scope: Scope = ALL) -> Actor:
    return Actor(user, frozenset(roles), scope, via="test")


LAN = person("analyst")
MINH = person("analyst", user="minh")


class Desk:
    """A case database with its triage and a clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOW + timedelta(hours=1))
        self.signer = Signer(folder / "signer")
        self.cases = CaseDatabase(folder / "cases.sqlite", self.signer, self.clock, [ROOM])
        self.triage = Triage(self.cases, self.clock)
        self.incidents = Incidents(self.cases)
        self._offset = 0

    def take(self, *alerts: Alert) -> None:
        self._offset += 1
        self.triage.take(alerts, {PLACE: self._offset})

    def homes(self) -> dict[str, int]:
        """Return the incident of each alert."""
        rows = self.cases.connection.execute("SELECT alert, incident FROM incident_alerts")
        return {str(alert): int(str(incident)) for alert, incident in rows}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.cases.close()
