"""Real pages in Debian's Chromium: each role's main tasks, both languages, with and without script."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from luytre.core.alert import Reason
from tests.console.chromium import Sight, chromium, free_port, served, sight
from tests.console.installation import PASSWORD, Installation, alert, signer

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]

WORDS = {
    "en": {"log_in": "Log in", "take": "Take it", "yours": "It is yours.", "write": "Write",
           "written": "The comment is written.", "close": "Close it", "closed": "It is closed.",
           "start": "Start", "done": "It is done", "answer": "The answer is written.",
           "none": "No open incident."},
    "vi": {"log_in": "Đăng nhập", "take": "Nhận xử lý", "yours": "Sự cố là của bạn.",
           "write": "Ghi", "written": "Đã ghi chú.", "close": "Đóng sự cố",
           "closed": "Đã đóng.", "start": "Bắt đầu", "done": "Đã xong",
           "answer": "Đã ghi câu trả lời.", "none": "Không có sự cố nào đang mở."},
}  # fmt: skip
RULE = "5470fadd-67c9-4cd9-afc8-8f0df828c211"
PAGES = {
    "lan": ("/incidents", "/incidents/1", "/incidents/many", "/incidents?group=level", "/alerts",
            "/alerts/00000001", "/alerts/00000001/context", "/runs", "/account", "/nowhere"),
    "binh": ("/incidents", "/incidents/1", "/alerts/00000001", "/history"),
    "hoa": ("/rules", "/rules/matrix", "/rules/refused", f"/rules/{RULE}", "/rules/drafts", "/rules/new"),
    "quan": ("/users", "/account"),
    "": ("/login",),
}  # fmt: skip
REASONS = (Reason("s", "Image", "process.executable", "endswith", "\\a.exe", "C:\\a.exe"),)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder, port = tmp_path_factory.mktemp("console"), free_port()
    with signer(folder):
        installation = Installation(folder, url=f"http://localhost:{port}")
        event = {"host.name": "srv-1", "user.name": "an", "process.executable": "C:\\a.exe"}
        installation.fill(
            alert(1, event, level="critical", reasons=REASONS),
            alert(2, {"host.name": "srv-1"}, at=3, rule="rule-2"),
        )
        with served(installation.app, port):
            yield installation
        installation.close()


def log_in(at: Sight, words: dict[str, str]) -> None:
    page = at.open("/incidents")
    page.fill("input[name=name]", "lan")
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name=words["log_in"]).click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_analyst_takes_an_incident_runs_its_playbook_and_closes_it(
    browser: Browser, made: Installation, language: str, *, scripts: bool
) -> None:
    words = WORDS[language]
    with sight(browser, made, language=language, scripts=scripts) as at:
        log_in(at, words)
        page = at.page
        page.locator("a[href='/incidents/1']").click()
        page.get_by_role("button", name=words["take"], exact=True).click()
        expect(page.get_by_role("status").first).to_have_text(words["yours"])
        page.locator("#comments textarea").fill("đã gọi điện\nmáy đã ngắt")
        page.get_by_role("button", name=words["write"], exact=True).click()
        expect(page.locator("#comments .text")).to_have_text("đã gọi điện\nmáy đã ngắt")
        page.locator("#runs").get_by_role("button", name=words["start"]).first.click()
        for radio in page.locator("#step-1 input[type=radio][value=yes]").all():
            radio.check()
        page.locator("#step-1").get_by_role("button", name=words["done"]).click()
        expect(page.get_by_role("status").first).to_have_text(words["answer"])
        at.picture(f"run-{language}")
        page.goto(f"{made.url}/incidents/1")
        at.picture(f"incident-{language}")
        page.locator("details.close summary").click()
        page.locator("details.close select").select_option("true positive")
        page.get_by_role("button", name=words["close"], exact=True).click()
        expect(page.get_by_role("status").first).to_have_text(words["closed"])
        at.open("/incidents")
        expect(page.get_by_text(words["none"])).to_be_visible()

    assert at.complaints == []


def test_the_queue_is_worked_by_keyboard_alone(browser: Browser, made: Installation) -> None:
    made.fill(*(alert(n, {"host.name": f"pc-{n}"}, at=n) for n in range(10, 14)))
    with sight(browser, made, "lan") as at:
        page = at.open("/incidents")
        page.keyboard.press("?")
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("k")
        selected = page.locator("tr[aria-selected=true]")
        assert selected.locator("input").is_checked() is False
        page.keyboard.press("x")
        page.keyboard.press("a")
        expect(page.get_by_role("status").first).to_contain_text("Decided: 2")
        page.keyboard.press("/")
        page.keyboard.type("pc-12")
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents?text=pc-12")
        expect(page.locator("[data-rows] tr")).to_have_count(1)
        page.keyboard.press("j")
        page.keyboard.press("c")
        page.keyboard.press("f")
        page.keyboard.press("Tab")
        page.keyboard.type("a drill")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("Decided: 1")
        page.goto(f"{made.url}/incidents?state=closed")
        expect(page.locator("[data-rows] tr")).to_have_count(1)
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_text("a drill").first).to_be_visible()

    assert at.complaints == []


def test_new_incidents_are_shown_while_somebody_looks(browser: Browser, made: Installation) -> None:
    with sight(browser, made, "lan") as at:
        at.page.clock.install()
        page = at.open("/incidents")
        made.fill(alert(50, {"host.name": "late"}, at=50))
        page.clock.run_for(21_000)
        expect(page.locator(".live")).to_have_text("1 new incident")
        page.locator(".live").click()
        expect(page.get_by_text("late").first).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_axe_finds_nothing_serious(
    browser: Browser, made: Installation, language: str, *, dark: bool
) -> None:
    found = []
    for user, paths in PAGES.items():
        with sight(browser, made, user, language=language, dark=dark, checked=True) as at:
            for path in paths:
                page = at.open(path)
                at.picture(f"{user or 'nobody'}{path.replace('/', '-')}-{language}-{dark}")
                wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
                for problem in Axe().run(page).response["violations"]:
                    if problem["impact"] in {"serious", "critical"}:
                        nodes = [node["html"][:120] for node in problem["nodes"][:3]]
                        found.append((path, problem["id"], nodes))
                if wide:
                    found.append((path, "wider than the screen", []))

    assert found == []
