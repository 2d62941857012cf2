"""What an attacker tries: forged requests, stolen or fixed sessions, guessing, other hosts."""

import re
from datetime import timedelta

import pytest

from luytre.console import csrf
from luytre.console.security import HEADERS
from luytre.console.visit import LOGIN, SESSION
from tests.console.installation import PASSWORD, URL, Browser, Installation


def logged_in(console: Installation, name: str = "lan", password: str = PASSWORD) -> Browser:
    browser = console.browser()
    page = browser.get("/login")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    fields = {"csrf": token[1], "name": name, "password": password}
    browser.answer = browser.client.post("/login", data=fields, headers={"origin": URL})
    return browser


@pytest.mark.parametrize("path", ["/login", "/account", "/static/nothing.css", "/nowhere"])
def test_every_answer_has_the_headers(shared: Installation, path: str) -> None:
    answer = shared.browser("lan").get(path)

    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["strict-transport-security"]


def test_no_page_holds_inline_script_or_style(shared: Installation) -> None:
    browser = shared.browser("quan")
    pages = [browser.get(path).text for path in ("/login", "/account", "/nowhere")]

    assert all(pages)
    assert not [p for p in pages if re.search(r"<script>|<style|\son\w+=|\sstyle=|javascript:", p)]


@pytest.mark.parametrize(
    ("origin", "token", "status"),
    [
        pytest.param(URL, "good", 303, id="our own page"),
        pytest.param("https://evil.test", "good", 403, id="another site's page"),
        pytest.param("null", "good", 403, id="a sandboxed page"),
        pytest.param(None, "good", 403, id="no origin"),
        pytest.param(URL, None, 403, id="no token"),
        pytest.param(URL, "", 403, id="an empty token"),
        pytest.param(URL, "AAAA", 403, id="a made-up token"),
        pytest.param(URL, "other", 403, id="another session's token"),
        pytest.param(f"{URL}.evil.test", "good", 403, id="a host that begins like ours"),
    ],
)
def test_a_forged_request_changes_nothing(
    shared: Installation, origin: str | None, token: str | None, status: int
) -> None:
    browser = shared.browser("lan")
    tokens = {"good": csrf.token_of(browser.token), "other": csrf.token_of("another")}
    fields = {} if token is None else {"csrf": tokens.get(token, token)}
    headers = {} if origin is None else {"origin": origin}

    answer = browser.client.post("/account/sessions/end", data=fields, headers=headers)

    assert answer.status_code == status


def test_the_token_of_each_page_is_another(shared: Installation) -> None:
    browser = shared.browser("lan")
    found = {
        re.findall(r'name="csrf" value="([^"]+)"', browser.get("/account").text)[0] for _ in "ab"
    }

    assert len(found) == 2


def test_a_login_gives_a_session_of_its_own(console: Installation) -> None:
    browser = console.browser()
    browser.client.cookies.set(SESSION, "set by an attacker", domain="console.test")
    fields = {"csrf": csrf.token_of("set by an attacker"), "name": "lan", "password": PASSWORD}

    answer = browser.client.post("/login", data=fields, headers={"origin": URL})
    token = answer.cookies[SESSION]
    stale = console.browser()
    stale.client.cookies.set(SESSION, "set by an attacker", domain="console.test")

    assert token != "set by an attacker"
    assert stale.get("/account").headers["location"].startswith("/login")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION))
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {
        p.strip() for p in cookie.split(";")
    }


def test_the_form_of_another_browser_does_not_log_in(console: Installation) -> None:
    browser = console.browser()
    browser.client.cookies.set(LOGIN, "mine", domain="console.test")
    fields = {"csrf": csrf.token_of("theirs"), "name": "lan", "password": PASSWORD}

    assert browser.client.post("/login", data=fields, headers={"origin": URL}).status_code == 403


def test_a_session_ends_with_its_limits(console: Installation) -> None:
    idle, busy = console.browser("lan"), console.browser("minh")

    statuses = []
    for _ in range(37):
        console.clock.advance(timedelta(minutes=20).total_seconds())
        statuses.append(busy.get("/account").status_code)

    assert idle.get("/account").status_code == 303
    assert statuses == [200] * 36 + [303]


@pytest.mark.parametrize("how", ["logout", "disable", "password", "other"])
def test_what_ends_a_session_holds_from_the_next_request_on(
    console: Installation, how: str
) -> None:
    stolen, own = console.browser("lan"), console.browser("lan")
    assert stolen.get("/account").status_code == 200
    bench_users = console.people()
    match how:
        case "logout":
            copy = console.browser()
            copy.client.cookies.set(SESSION, stolen.token, domain="console.test")
            assert copy.post("/logout").status_code == 303
        case "disable":
            bench_users("lan", enabled=False)
        case "password":
            answer = own.post(
                "/account/password",
                old=PASSWORD,
                new="b" * 8 + "another1",
                again="b" * 8 + "another1",
            )
            assert answer.status_code == 303
        case "other":
            assert own.post("/account/sessions/end").status_code == 303

    assert stolen.get("/account").headers["location"].startswith("/login")


def test_a_role_that_is_taken_holds_from_the_next_request_on(console: Installation) -> None:
    browser = console.browser("quan")
    console.people()("lan", roles=["admin"])
    console.people()("quan", roles=["auditor"])

    assert "auditor" in browser.get("/account").text


def test_guessing_is_slowed_down_for_the_guesser_only(console: Installation) -> None:
    guesses = [logged_in(console, "lan", f"wrong {n}").answer.status_code for n in range(7)]
    right = logged_in(console, "lan").answer.status_code
    other = logged_in(console, "minh").answer.status_code
    console.clock.advance(timedelta(minutes=16).total_seconds())
    later = logged_in(console, "lan").answer.status_code

    assert guesses == [403] * 5 + [429] * 2
    assert (right, other, later) == (429, 303, 303)
    refused = [e for e in console.history() if e["action"] == "session.refuse"]
    assert [e["subject"] for e in refused] == ["user:lan"] * 5


@pytest.mark.parametrize("name", ["lan", "nobody"])
def test_a_wrong_name_and_a_wrong_password_are_answered_alike(
    console: Installation, name: str
) -> None:
    answer = logged_in(console, name, "wrong").answer

    assert answer.status_code == 403
    assert "The name or the password is wrong." in answer.text


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        pytest.param("/account?a=b", "/account?a=b", id="a page of ours"),
        pytest.param("https://evil.test/", "/", id="another site"),
        pytest.param("//evil.test/", "/", id="another site without a scheme"),
        pytest.param("/\\evil.test/", "/", id="a backslash, which browsers take for a slash"),
        pytest.param("/\t/evil.test/", "/", id="a tab, which browsers leave out"),
        pytest.param("javascript:alert(1)", "/", id="a script"),
    ],
)
def test_a_login_leads_to_pages_of_ours_only(
    console: Installation, target: str, leads_to: str
) -> None:
    browser = console.browser()
    browser.client.cookies.set(LOGIN, "mine", domain="console.test")
    fields = {"csrf": csrf.token_of("mine"), "name": "lan", "password": PASSWORD, "next": target}

    answer = browser.client.post("/login", data=fields, headers={"origin": URL})

    assert answer.headers["location"] == leads_to


@pytest.mark.parametrize("host", ["evil.test", "console.test.evil.test", "127.0.0.1", ""])
def test_a_request_for_another_host_is_refused(shared: Installation, host: str) -> None:
    assert shared.browser("lan").get("/account", headers={"host": host}).status_code == 421


def test_an_oversized_body_is_refused(shared: Installation) -> None:
    answer = shared.browser("lan").post("/account/keys", title="x" * 3_000_000, days="1")

    assert answer.status_code == 413


def test_what_was_typed_is_given_back_but_no_password(console: Installation) -> None:
    answer = console.browser("lan").post(
        "/account/password", old="the present one I guess", new="b" * 30, again="c" * 30
    )

    assert answer.status_code == 400
    assert "the present one" not in answer.text
    assert "bbbb" not in answer.text


def test_an_api_key_is_for_the_api_only(console: Installation) -> None:
    page = console.browser("lan").post("/account/keys", title="for a test", days="1").text
    secret = re.search(r"luytre_[\w-]+", page)
    assert secret

    answer = console.browser().get("/account", headers={"authorization": f"Bearer {secret[0]}"})

    assert answer.status_code == 303
