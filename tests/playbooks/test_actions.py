import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import (
    NeverTouchConfig,
    NftablesConfig,
)
from luytre.core.organization import Scope
from playbooks.actions import ACTIONS, Actions, Services
from playbooks.actions.action import ActionFailedError
from tests.playbooks.doing import HERE, ORDER, actions, settings
from tests.playbooks.servers import Mailbox, fortigate, mail_server, web


@pytest.fixture
def mail(authority: trustme.CA, tmp_path: Path) -> Iterator[tuple[Actions, Mailbox]]:
    with mail_server(authority, tmp_path) as box:
        config = settings(
            mail={
                "host": "localhost", "port": box.port, "ca_file": tmp_path / "ca.pem", "sender": "soc@tinh.test",
                "recipients": ("@so-y-te.test", "giam-doc@tinh.test"),
            },
            contacts=({"organization": "so-y-te", "mail": "truc@so-y-te.test"},),
        )  # fmt: skip
        yield actions(config), box


def test_every_action_is_in_the_table_under_its_own_name() -> None:
    assert all(name == action.name for name, action in ACTIONS.items())
    assert set(ACTIONS) == set(Actions(settings(), Services(ManualClock()))._actions)


def test_every_change_has_a_way_back_or_says_it_has_none() -> None:
    without = [n for n, a in ACTIONS.items() if a.effect == "changes" and not a.undo]

    assert without == ["run-command"]
    assert all(ACTIONS[a.undo].undo == n for n, a in ACTIONS.items() if a.undo)


def test_what_cuts_people_off_needs_two() -> None:
    assert [n for n, a in ACTIONS.items() if a.approvals == 2] == [
        "disable-account",
        "isolate-host",
    ]


def test_mail_arrives_over_tls_with_a_name_that_repetitions_share(
    mail: tuple[Actions, Mailbox],
) -> None:
    doing, box = mail

    for _ in range(2):
        doing.perform(
            "send-mail",
            {"to": ["giam-doc@tinh.test"], "subject": "Sự cố", "text": "Chào\n.\nHết"},
            ORDER,
        )
    doing.perform(
        "notify-organisation", {"organization": "so-y-te", "subject": "a", "text": "b"}, ORDER
    )

    first, second, third = (bytes(e.original_content or b"") for e in box.mails)
    names = {
        line for c in (first, second) for line in c.splitlines() if line.startswith(b"Message-ID")
    }
    assert len(names) == 1
    assert box.mails[2].rcpt_tos == ["truc@so-y-te.test"]
    assert b"b" in third


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        (
            "send-mail",
            {"to": ["x@evil.test"], "subject": "a", "text": "b"},
            "may not be written to",
        ),
        (
            "send-mail",
            {"to": ["x@so-y-te.test.evil.test"], "subject": "a", "text": "b"},
            "may not be written to",
        ),
        (
            "send-mail",
            {"to": ["x@so-y-te.test, y@evil.test"], "subject": "a", "text": "b"},
            "no e-mail address",
        ),
        (
            "send-mail",
            {"to": ["x@so-y-te.test"], "subject": "a\nBcc: y@evil.test", "text": "b"},
            "one line",
        ),
        ("send-mail", {"to": [], "subject": "a", "text": "b"}, "at least 1"),
        (
            "send-mail",
            {"to": ["x@so-y-te.test"], "subject": "a", "text": "b", "from": "z"},
            "extra|Extra",
        ),
        (
            "notify-organisation",
            {"organization": "xa-1", "subject": "a", "text": "b"},
            "no contact",
        ),
    ],
)
def test_mail_refuses(
    mail: tuple[Actions, Mailbox], name: str, given: dict[str, Any], problem: str
) -> None:
    doing, box = mail

    with pytest.raises(ActionFailedError, match=problem):
        doing.perform(name, given, ORDER)

    assert not box.mails


def test_mail_never_goes_in_the_clear(tmp_path: Path) -> None:
    with mail_server(None, tmp_path) as box:
        config = settings(mail={"host": "localhost", "port": box.port, "recipients": ("@a.test",)})

        with pytest.raises(ActionFailedError, match="STARTTLS"):
            actions(config).perform(
                "send-mail", {"to": ["x@a.test"], "subject": "a", "text": "b"}, ORDER
            )

        assert not box.mails


def test_a_refused_mail_is_a_failure(mail: tuple[Actions, Mailbox]) -> None:
    doing, box = mail
    box.answer = "554 no"

    with pytest.raises(ActionFailedError, match="refused"):
        doing.perform(
            "send-mail", {"to": ["giam-doc@tinh.test"], "subject": "a", "text": "b"}, ORDER
        )


def test_the_three_bots_get_their_own_form(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("12:ab\n")
    with web() as server:
        base = {"networks": HERE, "token_file": tmp_path / "token"}
        config = settings(channels=(
            {"name": "tg", "kind": "telegram", "chat": "-7", "url": f"{server.url}/bot{{token}}/sendMessage", **base},
            {"name": "zl", "kind": "zalo", "chat": "z1", "url": f"{server.url}/bot{{token}}/sendMessage", **base},
            {"name": "tm", "kind": "teams", "url": f"{server.url}/workflow", "networks": HERE},
            {"name": "own", "url": f"{server.url}/own", **base},
        ))  # fmt: skip
        doing = actions(config)
        for channel in ("tg", "zl", "tm", "own"):
            doing.perform("send-message", {"channel": channel, "text": "Cần duyệt"}, ORDER)

    asked = [(path, body) for _, path, _, body in server.requests]
    assert asked[0] == ("/bot12:ab/sendMessage", {"chat_id": "-7", "text": "Cần duyệt"})
    assert asked[1] == ("/bot12:ab/sendMessage", {"chat_id": "z1", "text": "Cần duyệt"})
    assert asked[2][1]["attachments"][0]["content"]["body"][0]["text"] == "Cần duyệt"
    assert asked[3] == ("/own", {"text": "Cần duyệt"})
    assert "Authorization" not in server.requests[0][2]
    assert server.requests[3][2]["Authorization"] == "Bearer 12:ab"


@pytest.mark.parametrize(("kind", "most"), [("telegram", 4_096), ("zalo", 2_000)])
def test_a_bot_s_message_is_as_long_as_it_may_be(kind: str, most: int) -> None:
    with web(lambda *_: (200, b'{"ok": true}')) as server:
        channel = {"name": "duty", "kind": kind, "chat": "1", "url": server.url, "networks": HERE}
        doing = actions(settings(channels=(channel,)))
        for text in ("ắ" * most, "ắ" * (most + 1)):
            doing.perform("send-message", {"channel": "duty", "text": text}, ORDER)

    sent = [body["text"] for *_, body in server.requests]
    assert sent == ["ắ" * most, "ắ" * (most - 1) + "…"]


@pytest.mark.parametrize("kind", ["telegram", "zalo"])
def test_a_bot_that_refuses_with_200_has_not_told_anybody(kind: str) -> None:
    with web(lambda *_: (200, b'{"ok": false, "error_code": 401}')) as server:
        channel = {"name": "duty", "kind": kind, "chat": "1", "url": server.url, "networks": HERE}
        doing = actions(settings(channels=(channel,)))
        with pytest.raises(ActionFailedError, match="duty refused it: 401"):
            doing.perform("send-message", {"channel": "duty", "text": "x"}, ORDER)


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9"])
def test_fortigate_blocks_and_frees_and_may_do_so_twice(address: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    with web(fortigate) as server:
        firewall = {
            "name": "fw",
            "url": server.url,
            "networks": HERE,
            "token_file": tmp_path / "token",
        }
        doing = actions(settings(fortigates=(firewall,)))
        for _ in range(2):
            doing.perform("block-address", {"address": address, "firewall": "fw"}, ORDER)
        blocked = set(server.state["there"])
        for _ in range(2):
            doing.perform("unblock-address", {"address": address, "firewall": "fw"}, ORDER)

    assert len(blocked) == 2
    assert any("luytre-blocked/member/luytre-" in path for path in blocked)
    assert not server.state["there"]
    assert sum(method == "POST" for method, *_ in server.requests) == 2


def listed(config: NftablesConfig, name: str) -> str:
    argv = [
        "ip",
        "netns",
        "exec",
        config.namespace,
        "/usr/sbin/nft",
        "list",
        "set",
        "inet",
        "luytre",
        name,
    ]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_nftables_blocks_and_frees_and_may_do_so_twice(packet_filter: NftablesConfig) -> None:
    doing = actions(settings(nftables=packet_filter.model_dump()))
    for _ in range(2):
        doing.perform("block-address", {"address": "203.0.113.9", "minutes": 60}, ORDER)
        doing.perform("block-address", {"address": "2001:db8::9"}, ORDER)

    assert "203.0.113.9 timeout 1h" in listed(packet_filter, "blocked4")
    assert "2001:db8::9" in listed(packet_filter, "blocked6")
    for _ in range(2):
        doing.perform("unblock-address", {"address": "203.0.113.9"}, ORDER)
    assert "203.0.113.9" not in listed(packet_filter, "blocked4")
    assert "2001:db8::9" in listed(packet_filter, "blocked6")


def test_isolation_and_tickets_name_their_order() -> None:
    with web() as server:
        there = {"url": f"{server.url}/edr", "networks": HERE}
        config = settings(
            isolation=({"name": "edr", **there},), tickets=({"name": "itop", **there},)
        )
        doing = actions(config)
        doing.perform("isolate-host", {"host": "pc-1.tinh.test", "edr": "edr"}, ORDER)
        doing.perform("release-host", {"host": "pc-1.tinh.test", "edr": "edr"}, ORDER)
        outcome = doing.perform("open-ticket", {"system": "itop", "title": "a", "text": "b"}, ORDER)

    bodies = [body for _, _, _, body in server.requests]
    assert bodies[0] == {"action": "isolate", "host": "pc-1.tinh.test", "id": "key-1"}
    assert bodies[1]["action"] == "release"
    assert bodies[2] == {"title": "a", "text": "b", "priority": "normal", "id": "key-1"}
    assert outcome.outputs["ticket"] == '{"ok": true}'


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("block-address", {"address": "10.9.8.7"}),
        ("block-address", {"address": "192.0.2.1"}),
        ("disable-account", {"account": "Administrator", "directory": "ad"}),
        ("disable-account", {"account": "ADMINISTRATOR@tinh.test", "directory": "ad"}),
        ("isolate-host", {"host": "DC1", "edr": "edr"}),
        ("isolate-host", {"host": "dc1.tinh.test", "edr": "edr"}),
        ("isolate-host", {"host": "dc1.tinh.test.", "edr": "edr"}),
    ],
)
def test_what_must_never_be_touched_is_refused_in_plan_and_deed(
    name: str, given: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("x")
    never = NeverTouchConfig(
        addresses=("10.0.0.0/8", "192.0.2.1"), accounts=("administrator",), hosts=("dc1.tinh.test",)
    )
    ldap = {
        "name": "ad",
        "url": "ldaps://localhost:1",
        "user": "a",
        "password_file": tmp_path / "password",
        "search_in": "b",
    }
    with web() as server:
        config = settings(
            never_touch=never.model_dump(), nftables={"enabled": True}, directories=(ldap,),
            isolation=({"name": "edr", "url": server.url, "networks": HERE},),
        )  # fmt: skip
        for doing in (
            lambda: actions(config).plan(name, given),
            lambda: actions(config).perform(name, given, ORDER),
        ):
            with pytest.raises(ActionFailedError, match=r"never be touched|is no host"):
                doing()
        assert server.connections == 0


class Book:
    """Counts of events and indicators that tests give."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def count(self, scope: Scope, column: str, value: str, since: datetime) -> int:
        self.asked.append((scope, column, value, since))
        return 3

    def find(self, value: str) -> list[str]:
        return [f"{value} is bad"] if value == "203.0.113.9" else []


def test_lookups_see_the_runs_organisation_only() -> None:
    book = Book()
    doing = actions(settings(), archive=book, indicators=book)

    archived = doing.perform(
        "query-archive", {"column": "source.ip", "value": "203.0.113.9"}, ORDER
    )
    known = doing.perform("lookup-indicator", {"value": "203.0.113.9"}, ORDER)

    assert archived.outputs["count"] == "3"
    assert book.asked[0][0] == Scope.only("tinh")
    assert known.outputs == {"count": "1", "indicator": "203.0.113.9 is bad"}


@pytest.mark.parametrize(
    "name",
    ["query-alerts", "query-archive", "comment", "assign", "start-clock"],
)
def test_what_is_not_at_hand_is_a_failure(name: str) -> None:
    given = {
        "query-alerts": {"text": "a"}, "query-archive": {"column": "source.ip", "value": "a"},         "comment": {"text": "a"}, "assign": {"person": "lan"}, "start-clock": {"clock": "notice-24h"},
    }[name]  # fmt: skip

    with pytest.raises(ActionFailedError):
        actions(settings()).perform(name, given, ORDER)


def test_without_indicators_a_lookup_says_so_and_the_playbook_goes_on() -> None:
    outcome = actions(settings()).perform("lookup-indicator", {"value": "203.0.113.9"}, ORDER)

    assert outcome.outputs == {"count": "0", "indicator": "unknown: no indicators are configured"}
