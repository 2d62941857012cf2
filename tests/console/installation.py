"""An installation with people, alerts and incidents, and browsers that use its console."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from starlette.testclient import TestClient

from luytre.accounts.passwords import hash_password
from luytre.accounts.sessions import Limits, Sessions
from luytre.accounts.users import Users
from luytre.audit.signer_process import serve
from luytre.cases.triage import Triage
from luytre.console import csrf
from luytre.console.app import make_app
from luytre.console.visit import SESSION
from luytre.core.actor import Actor, Role
from luytre.core.alert import Alert, Level, Reason, RuleCard
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.config import Config, RulesConfig
from luytre.core.config_console import ConsoleConfig
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, case_host
from luytre.processor.places import Places

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
URL = "https://console.test"
PASSWORD = "a long enough phrase"
PEOPLE: Mapping[str, tuple[tuple[Role, ...], tuple[str, ...]]] = {
    "lan": (("analyst",), ()),
    "minh": (("analyst",), ("so-y-te",)),
    "hoa": (("rule_admin",), ()),
    "binh": (("auditor",), ()),
    "quan": (("admin",), ()),
}
"""Who there is: roles, and organisations (none: all of them)."""
ROOT = Actor("root", frozenset({"admin", "analyst"}), Scope.everything(), "test")


def alert(  # noqa: PLR0913 - each may matter
    number: int | str,
    event: Mapping[str, str] | None = None,
    *,
    at: float = 0,
    organization: str = "so-y-te",
    level: Level = "high",
    rule: str = "rule-1",
    title: str = "",
    tags: tuple[str, ...] = ("attack.execution", "attack.t1059.001"),
    original: bytes = b"raw line",
    reasons: tuple[Reason, ...] = (),
) -> Alert:
    """Return an alert ``at`` minutes after NOW."""
    seen = NOW + timedelta(minutes=at)
    return Alert(
        id=f"{number:0>8}" + "0" * 56,
        rule=RuleCard(rule, title or f"Title of {rule}", level, "v1", tags=tags),
        event_id=f"event-{number}",
        organization_id=organization,
        seen_at=seen,
        ingested_at=seen + timedelta(seconds=5),
        detected_at=seen + timedelta(seconds=6),
        part="linux/sshd",
        reasons=reasons,
        event=event or {"host.name": f"host-{number}", "user.name": "an"},
        original=original,
        versions={},
    )


class Installation:
    """A data folder with users; ``fill`` adds alerts and their incidents."""

    def __init__(
        self, folder: Path, *, url: str = URL, rules: tuple[Path, ...] = (), **settings: Any
    ) -> None:
        self.url = url
        self.clock = ManualClock(NOW + timedelta(hours=1))
        self.config = Config(
            data_dir=folder,
            console=ConsoleConfig(url=url, **settings),
            organization="so-y-te",
            rules=RulesConfig(paths=rules),
        )
        self._offset = 0
        with case_host.case_database(self.config) as cases:
            users = Users(cases, self.clock)
            kept = ""
            for name, (roles, organizations) in PEOPLE.items():
                users.create(ROOT, name, roles, organizations, "")
                # One hash for all: to make one takes as long as a password should.
                kept = kept or _kept()
                with cases.change(ROOT) as change:
                    sql = "UPDATE users SET password = ? WHERE name = ?"
                    change.connection.execute(sql, (kept, name))
                    change.record("user.password", f"user:{name}", organization="")
        self.app = make_app(self.config, self.clock)

    def fill(self, *alerts: Alert) -> None:
        store = build.alert_store(self.config)
        store.add(alerts)
        store.close()
        with case_host.case_database(self.config) as cases:
            self._offset += 1
            Triage(cases, self.clock).take(alerts, {TopicPartition(ALERTS_TOPIC, 0): self._offset})

    def close(self) -> None:
        self.app.state.house.close()

    def sessions(self) -> Sessions:
        limits = Limits(timedelta(minutes=30), timedelta(hours=12))
        return Sessions(Places(self.config.data_dir).sessions, self.clock, limits)

    def browser(self, user: str = "", language: str = "en") -> "Browser":
        """Return a browser, logged in as ``user`` if one is named."""
        browser = Browser(
            TestClient(
                self.app, base_url=self.url.replace("http:", "https:"), follow_redirects=False
            )
        )
        browser.client.headers["accept-language"] = language
        if user:
            sessions = self.sessions()
            token = sessions.open(user, "test", "10.0.0.1", "test")
            sessions.shut()
            browser.client.cookies.set(SESSION, token)
        return browser

    def people(self) -> Callable[..., None]:
        """Return what changes a user as an administrator elsewhere would."""

        def change(name: str, **what: Any) -> None:
            with case_host.case_database(self.config) as cases:
                Users(cases, self.clock).change(ROOT, name, **what)

        return change

    def history(self) -> list[Mapping[str, Any]]:
        with case_host.case_database(self.config) as cases:
            sql = "SELECT entry FROM audit_entries ORDER BY seq"
            return [msgspec.json.decode(row[0]) for row in cases.connection.execute(sql)]


class Browser:
    """Sends what a browser sends from a page of ours: cookie, origin, and the page's token."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.answer: Any = None

    @property
    def token(self) -> str:
        return self.client.cookies.get(SESSION) or ""

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def post(self, path: str, **fields: Any) -> Any:
        data = {csrf.FIELD: csrf.token_of(self.token), **fields}
        return self.client.post(path, data=data, headers={"origin": URL})


@contextmanager
def signer(folder: Path) -> Iterator[None]:
    """Be the signer of an installation in a thread: a process for each test would take seconds."""
    places, ended = Places(folder), threading.Event()
    thread = threading.Thread(
        target=serve, args=(places.signer, places.signer_socket, ended.is_set)
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _kept() -> str:
    return hash_password(PASSWORD, "nobody")
