"""The JSON API: the same answers as the pages, for who has a key, and no more."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console.installation import URL, Installation, alert, signer


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Installation]:
    with signer(tmp_path):
        made = Installation(tmp_path)
        made.fill(
            alert(1, {"host.name": "srv-1"}, level="critical", original=b"\xff\x00raw"),
            alert(3, {"host.name": "pc-9"}, at=7, organization="so-tai-chinh"),
        )
        yield made
        made.close()


def key_of(made: Installation, user: str) -> dict[str, str]:
    page = made.browser(user).post("/account/keys", title="a test", days="9").text
    secret = re.search(r"luytre_[\w-]+", page)
    assert secret
    return {"authorization": f"Bearer {secret[0]}"}


def call(made: Installation, user: str, method: str, path: str, **body: Any) -> Any:
    client = made.browser().client
    return client.request(method, f"/api/v1/{path}", headers=key_of(made, user), json=body or None)


def test_a_key_acts_as_its_user(busy: Installation) -> None:
    assert call(busy, "minh", "GET", "me").json() == {
        "user": "minh", "roles": ["analyst"], "organizations": ["so-y-te"],
    }  # fmt: skip
    found = call(busy, "minh", "GET", "incidents").json()
    assert (found["total"], [i["id"] for i in found["incidents"]]) == (1, [1])
    assert call(busy, "minh", "GET", "incidents/2").status_code == 404
    assert call(busy, "minh", "POST", "incidents/2/comments", text="x").status_code == 400
    assert call(busy, "lan", "GET", "incidents?level=high").json()["total"] == 1


def test_decisions_are_made_and_conflicts_told(busy: Installation) -> None:
    whole = call(busy, "lan", "GET", "incidents/1").json()
    version = whole["incident"]["version"]
    taken = call(busy, "lan", "POST", "incidents/1/assign", person="lan", version=version).json()
    late = call(busy, "minh", "POST", "incidents/1/state", state="on hold", version=version)
    task = call(busy, "lan", "POST", "incidents/1/tasks", text="call").json()["task"]
    call(busy, "lan", "POST", f"incidents/1/tasks/{task}/done")
    due = call(busy, "lan", "POST", "incidents/1/clocks", clock="incident-report").json()["due"]
    closed = call(busy, "lan", "POST", "incidents/1/close", disposition="duplicate").json()

    assert taken["assignee"] == "lan"
    assert late.status_code == 409
    assert "changed since you looked" in late.json()["error"]
    assert due
    assert (closed["state"], closed["disposition"]) == ("closed", "duplicate")
    users = {e["actor"]["via"] for e in busy.history() if e["actor"]["user"] == "lan"}
    assert users == {"console, API key", "console, test"}


def test_many_are_counted_and_then_decided(busy: Installation) -> None:
    counted = call(busy, "lan", "POST", "incidents/many", query={"level": "critical"}).json()
    done = call(busy, "lan", "POST", "incidents/many", query={"level": "critical"}, expected=1,
                disposition="false positive")  # fmt: skip

    assert counted == {"count": 1, "decided": False}
    assert done.json() == {"count": 1, "decided": True}
    assert call(busy, "lan", "GET", "incidents").json()["total"] == 1


def test_alerts_are_given_whole(busy: Installation) -> None:
    found = call(busy, "lan", "GET", "alerts?host=srv-1").json()
    one = call(busy, "lan", "GET", "alerts/00000001").json()

    assert found["total"] == 1
    assert found["alerts"][0] == one
    assert one["original"] == "/wByYXc="
    assert call(busy, "minh", "GET", "alerts/00000003").status_code == 404
    judged = call(busy, "lan", "POST", "alerts/00000001/close", disposition="false positive")
    assert judged.json() == {"incident": 1}


def test_a_playbook_is_run(busy: Installation) -> None:
    name = call(busy, "lan", "GET", "playbooks").json()[0]["id"]
    run = call(busy, "minh", "POST", "alerts/00000001/runs", playbook=name).json()["run"]
    steps = call(busy, "minh", "GET", f"runs/{run}").json()["steps"]
    after = call(busy, "minh", "POST", f"runs/{run}/steps/1/decide", decision="stop").json()

    assert steps[0]["state"] == "asked"
    assert after["status"] == "stopped"
    assert [r["id"] for r in call(busy, "lan", "GET", "runs").json()] == [run]


@pytest.mark.parametrize(
    ("user", "method", "path", "body", "status"),
    [
        pytest.param("binh", "POST", "incidents/1/comments", {"text": "x"}, 403, id="auditor"),
        pytest.param("hoa", "POST", "incidents/1/assign", {"person": "x"}, 403, id="rule admin"),
        pytest.param("lan", "POST", "incidents/1/comments", {"text": ""}, 422, id="empty"),
        pytest.param("lan", "POST", "incidents/1/comments", {"text": "x", "y": 1}, 422, id="extra"),
        pytest.param("lan", "GET", "incidents?state=none", {}, 422, id="no such state"),
        pytest.param("lan", "GET", "incidents?limit=999999", {}, 422, id="too many"),
        pytest.param("lan", "GET", "incidents/99999999999999999999", {}, 422, id="a huge number"),
        pytest.param("lan", "GET", "nothing", {}, 404, id="no such call"),
    ],
)
def test_what_is_not_allowed_is_said_in_json(
    busy: Installation, user: str, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    answer = call(busy, user, method, path, **body)

    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize("how", ["revoked", "expired", "disabled", "made up", "none"])
def test_a_key_that_is_no_good_is_refused_at_once(busy: Installation, how: str) -> None:
    key = key_of(busy, "lan")
    match how:
        case "revoked":
            page = busy.browser("lan").get("/account").text
            found = re.search(r'keys/revoke".*?name="key" value="(\w+)"', page, re.DOTALL)
            assert found
            busy.browser("lan").post("/account/keys/revoke", key=found[1])
        case "expired":
            busy.clock.advance(timedelta(days=10).total_seconds())
        case "disabled":
            busy.people()("lan", enabled=False)
        case "made up":
            key = {"authorization": "Bearer luytre_nothing"}
        case "none":
            key = {}
    answer = busy.browser().client.get("/api/v1/me", headers=key)

    assert answer.status_code == 401


def test_a_page_of_another_site_cannot_use_the_api(busy: Installation) -> None:
    browser = busy.browser("lan")
    forged = browser.client.post(
        "/api/v1/incidents/1/comments", json={"text": "x"}, headers={"origin": "https://evil.test"}
    )
    unmarked = browser.client.post(
        "/api/v1/incidents/1/comments", json={"text": "x"}, headers={"origin": URL}
    )

    assert (forged.status_code, unmarked.status_code) == (403, 403)


def test_every_call_is_described_with_what_it_needs(busy: Installation) -> None:
    described = call(busy, "lan", "GET", "openapi.json").json()
    calls = [c for path in described["paths"].values() for c in path.values()]

    assert len(calls) > 20
    assert all(c["x-luytre-needs"] for c in calls)
