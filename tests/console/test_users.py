"""People: made, changed and shut out by administrators, each with its entry in the history."""

import re

import pytest

from luytre.console import csrf
from luytre.console.visit import LOGIN
from tests.console.installation import URL, Installation


def log_in(console: Installation, name: str, password: str) -> int:
    client = console.browser().client
    client.cookies.set(LOGIN, "mine")
    fields = {"csrf": csrf.token_of("mine"), "name": name, "password": password}
    return int(client.post("/login", data=fields, headers={"origin": URL}).status_code)


def test_somebody_is_added_with_a_password_that_is_shown_once(console: Installation) -> None:
    admin = console.browser("quan")
    page = admin.post("/users", name="Thu", role=["analyst"], organizations="so-y-te\nso-xd").text
    password = re.search(r"<code>([a-z0-9-]{24})</code>", page)
    assert password

    assert log_in(console, "thu", password[1]) == 303
    assert password[1] not in admin.get("/users").text
    assert "so-xd" in admin.get("/users").text
    entry = next(e for e in console.history() if e["subject"] == "user:thu")
    assert (entry["action"], entry["actor"]["user"]) == ("user.create", "quan")


def test_who_is_shut_out_is_out_at_once_and_may_come_again(console: Installation) -> None:
    admin, lan = console.browser("quan"), console.browser("lan")
    assert lan.get("/account").status_code == 200

    admin.post("/users/lan/disable")
    out = lan.get("/account").status_code
    admin.post("/users/lan/enable")

    assert out == 303
    assert console.browser("lan").get("/account").status_code == 200


def test_other_roles_hold_from_the_next_request_on(console: Installation) -> None:
    admin, lan = console.browser("quan"), console.browser("lan")
    admin.post("/users/lan/change", role=["auditor"], organizations="")

    assert lan.get("/incidents").status_code == 200
    assert lan.post("/incidents/1/comments", text="x").status_code == 403


def test_another_password_ends_the_sessions_of_the_old_one(console: Installation) -> None:
    lan = console.browser("lan")
    page = console.browser("quan").post("/users/lan/password").text
    password = re.search(r"<code>([a-z0-9-]{24})</code>", page)
    assert password

    assert lan.get("/account").status_code == 303
    assert log_in(console, "lan", password[1]) == 303


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/users", {"name": "lan", "role": ["analyst"]}, id="a name that is taken"),
        pytest.param("/users", {"name": "<b>", "role": ["analyst"]}, id="no name"),
        pytest.param("/users", {"name": "thu"}, id="no role"),
        pytest.param("/users", {"name": "thu", "role": ["service"]}, id="a role of no person"),
        pytest.param("/users/quan/disable", {}, id="oneself"),
        pytest.param("/users/quan/change", {"role": ["auditor"]}, id="the last administrator"),
        pytest.param("/users/nobody/password", {}, id="nobody"),
    ],
)
def test_what_would_do_harm_is_refused(
    console: Installation, path: str, fields: dict[str, object]
) -> None:
    before = console.history()

    assert console.browser("quan").post(path, **fields).status_code == 400
    assert console.history() == before


def test_an_administrator_of_one_office_manages_its_people_only(console: Installation) -> None:
    console.people()("minh", roles=["admin"])
    minh = console.browser("minh")

    page = minh.get("/users").text
    statuses = [
        minh.post("/users/lan/disable").status_code,
        minh.post("/users", name="thu", role=["admin"], organizations="").status_code,
        minh.post("/users", name="tu", role=["analyst"], organizations="so-xd").status_code,
        minh.post("/users/minh/change", role=["admin"], organizations="").status_code,
        minh.post("/users", name="vy", role=["analyst"], organizations="so-y-te").status_code,
    ]

    assert "lan" not in re.findall(r"<td>(\w+)", page)
    assert statuses == [403, 403, 403, 403, 200]
