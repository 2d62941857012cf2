"""Debian's Chromium on a console that is served over HTTP, as people use it."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from luytre.console.visit import SESSION
from tests.console.installation import Installation

SCREENSHOTS = Path("build/screenshots")
"""Kept with the build, to be looked at."""
WIDTH, HEIGHT = 1366, 768
# A machine that does much else at once is slow, not wrong.
expect.set_options(timeout=60_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium; where there is none, skip (in CI: fail)."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing = "Chromium is missing: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # In a container Chromium runs as root, where its sandbox cannot.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[None]:
    """Serve an app in a thread."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class Sight:
    """One person's browser, and what it complained of."""

    def __init__(self, context: BrowserContext, made: Installation, user: str) -> None:
        self.context, self.made = context, made
        self.complaints: list[str] = []
        if user:
            sessions = made.sessions()
            token = sessions.open(user, "test", "127.0.0.1", "test")
            sessions.shut()
            context.add_cookies(
                [{"name": SESSION, "value": token, "url": made.url.replace("http:", "https:"), "secure": True,
                  "httpOnly": True, "sameSite": "Lax"}]
            )  # fmt: skip
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog: object) -> None:
        self.complaints.append("a dialog opened")
        dialog.dismiss()  # type: ignore[attr-defined]

    def open(self, path: str) -> Page:
        self.page.goto(self.made.url + path)
        return self.page

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@contextmanager
def sight(
    browser: Browser,
    made: Installation,
    user: str = "",
    *,
    language: str = "en",
    scripts: bool = True,
    dark: bool = False,
    checked: bool = False,
) -> Iterator[Sight]:
    """Give a person a browser; ``checked`` lets axe run in it, which our policy would forbid."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        locale="vi-VN" if language == "vi" else "en-GB",
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
        bypass_csp=checked,
    )
    context.set_default_timeout(60_000)
    try:
        yield Sight(context, made, user)
    finally:
        context.close()
