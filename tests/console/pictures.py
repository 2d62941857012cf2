"""Takes the pictures of the guides from a demo that has run: ``python -m tests.console.pictures demo``."""

import sys
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page

from luytre.accounts.sessions import Limits, Sessions
from luytre.console.app import make_app
from luytre.console.visit import SESSION
from luytre.core.clock import SystemClock
from luytre.core.config import Config, load_config
from luytre.processor.places import Places
from tests.console.chromium import HEIGHT, WIDTH, chromium, free_port, served

FOLDER = Path(__file__).parent.parent.parent / "docs" / "guides" / "images"
USER = "lan"
QUALITY = 55
"""Text stays sharp enough to read, at a third of the weight."""


def main(demo: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    config = load_config(demo / "luytre.yaml")
    config = config.model_copy(update={"console": config.console.model_copy(update={"url": url})})
    FOLDER.mkdir(parents=True, exist_ok=True)
    app = make_app(config)
    with served(app, port), chromium() as browser:
        for language in ("vi", "en"):
            take(browser, config, url, language)
    app.state.house.close()


def take(browser: Browser, config: Config, url: str, language: str) -> None:
    """Take one picture of each main screen, as its reader gets there."""
    locale = {"vi": "vi-VN", "en": "en-GB"}[language]
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale=locale)
    context.add_cookies(
        [{"name": SESSION, "value": session(config), "url": url.replace("http:", "https:"),
          "secure": True, "httpOnly": True, "sameSite": "Lax"}]
    )  # fmt: skip
    page: Page = context.new_page()
    page.goto(f"{url}/incidents")
    page.screenshot(path=FOLDER / f"queue-{language}.jpg", type="jpeg", quality=QUALITY)
    page.locator("[data-rows] a[href^='/incidents/']").first.click()
    page.screenshot(path=FOLDER / f"incident-{language}.jpg", type="jpeg", quality=QUALITY)
    page.locator("[data-rows] a[href^='/alerts/']").first.click()
    page.screenshot(path=FOLDER / f"alert-{language}.jpg", type="jpeg", quality=QUALITY)
    context.close()


def session(config: Config) -> str:
    """Log the demo's analyst in."""
    limits = Limits(timedelta(minutes=5), timedelta(minutes=5))
    sessions = Sessions(Places(config.data_dir).sessions, SystemClock(), limits)
    token = sessions.open(USER, "pictures", "127.0.0.1", "pictures")
    sessions.shut()
    return token


if __name__ == "__main__":
    main(Path(sys.argv[1]))
