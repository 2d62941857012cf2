"""Everyday lines of the portal (nginx) and of the one-stop shop (Apache)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.simulator.province import DOMAIN, GATEWAY, MONITOR, citizen, stranger
from luytre.simulator.scene import Scene, chance, likely

if TYPE_CHECKING:
    from random import Random

PORTAL = "logs/portal/access.log"
ONE_STOP = "logs/one-stop/access.log"
ONE_STOP_SITE, PLATFORM_SITE = f"dichvucong.{DOMAIN}", f"lgsp.{DOMAIN}"

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
BROWSERS = (
    f"{WINDOWS}{WEBKIT}Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    f"{IPHONE}(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 14; SM-A156E) {WEBKIT}Chrome/142.0.0.0 Mobile Safari/537.36 Zalo",
    f"{WINDOWS}{WEBKIT}coc_coc_browser/136.0.214 Chrome/130.0.0.0 Safari/537.36",
)
GOOGLE_BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CRAWLERS = (
    ("198.51.100.23", GOOGLE_BOT),
    ("198.51.100.24", GOOGLE_BOT),
    ("198.51.100.40", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    ("198.51.100.57", "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/)"),
)
ARTICLES = (
    "hoi-nghi-tong-ket-cong-tac-chuyen-doi-so", "lich-tiep-cong-dan-thang-11",
    "phat-trien-ca-do-thi-lan-nong-thon", "chuyen-doi-thuong-ve-nguoi-giu-rung",
    "ban-giao-nha-cai-tao-cho-ho-ngheo", "cong-an-triet-pha-duong-day-tai-xiu-online",
    "canh-bao-lua-dao-game-bai-doi-thuong-online", "no-huy-dong-von-va-giai-phap",
    "ket-qua-ky-thi-tuyen-vien-chuc", "thong-bao-cat-dien-de-bao-tri",
    "giai-bong-da-thanh-nien-nam-2026", "tap-huan-an-toan-thong-tin-cho-can-bo",
)  # fmt: skip
STATIC = (
    "/o/minhha-theme/css/main.css?browserId=chrome&t=1795000000",
    "/o/minhha-theme/images/quoc-huy.png", "/o/js_resolved_modules/frontend.js",
    "/image/layout_set_logo?img_id=20133&t=1795000000", "/favicon.ico",
)  # fmt: skip
PAGES = ("/", "/web/guest/trang-chu", "/web/guest/tin-tuc", "/web/guest/van-ban", "/lien-he")
PROBES = (
    "/.env", "/.git/config", "/wp-login.php", "/wp-config.php.bak", "/uploads/shell.php",
    "/index.php?cmd=id", "/SDK/webLanguage", "/phpmyadmin/index.php", "/backup.zip",
    "/fileupload/toolsAny", "/carbon/admin/login.jsp", "/documents/20181/x.jsp", "/web.config",
    "/actuator/env", "/manager/html", "/sites/default/files/a.php.jpg", "/api/ho-so/1",
)  # fmt: skip
PROBE_AGENTS = (
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:000001)", "python-requests/2.32.3",
    "Mozilla/5.0 (compatible; Nuclei - Open-source project (github.com/projectdiscovery/nuclei))",
    "sqlmap/1.8.4#stable (https://sqlmap.org)", "Go-http-client/1.1", "curl/8.5.0",
)  # fmt: skip


def combined(
    scene: Scene, at_s: float, client: str, request: str, status: int, size: int, agent: str,
    referrer: str = "-",
) -> str:  # fmt: skip
    """Return a line in the combined format; ``request`` is the method and the address."""
    when = f"{scene.at(at_s):%d/%b/%Y:%H:%M:%S %z}"
    return f'{client} - - [{when}] "{request} HTTP/1.1" {status} {size} "{referrer}" "{agent}"'


def hosted(site: str, line: str) -> str:
    """Return a line as Apache's format ``vhost_combined`` has it, the site before it."""
    return f"{site}:443 {line}"


def portal(scene: Scene) -> None:
    """Write visits of citizens, crawlers, the monitoring, and scanners that find nothing."""
    dice = chance(scene.seed, "portal")
    for at_s in scene.times(dice, 130):
        _visit(scene, dice, at_s)
    for at_s in scene.times(dice, 40):
        client, agent = dice.choice(CRAWLERS)
        path = f"/tin-tuc/{dice.choice(ARTICLES)}-{dice.randrange(1000, 9999)}.html"
        status = dice.choices((200, 304, 404), (90, 5, 5))[0]
        line = combined(scene, at_s, client, f"GET {path}", status, dice.randrange(9000), agent)
        scene.journal.add(PORTAL, at_s, line)
    for at_s in scene.times(dice, 2):
        line = combined(scene, at_s, MONITOR, "GET /api/health", 200, 15, "Zabbix 7.0")
        scene.journal.add(PORTAL, at_s, line)
    for at_s in scene.times(dice, 25):
        _probe(scene, dice, at_s, PORTAL)


def _visit(scene: Scene, dice: Random, at_s: float) -> None:
    """Write a page with the files that a browser asks for behind it."""
    client, agent = citizen(dice), dice.choice(BROWSERS)
    kind = dice.choices(("form", "file", "page"), (2, 6, 92))[0]
    if kind == "form":
        line = combined(scene, at_s, client, "POST /lien-he", 302, 0, agent)
        scene.journal.add(PORTAL, at_s, line)
        return
    if kind == "file":
        identity = f"{dice.getrandbits(32):08x}-7d11-4d0a-9c1f-{dice.getrandbits(48):012x}"
        path = f"/documents/20181/{dice.randrange(9999)}/ke-hoach-{dice.randrange(99)}.pdf"
        request = f"GET {path}/{identity}?t=1795400102"
        size = dice.randrange(40_000, 900_000)
        scene.journal.add(PORTAL, at_s, combined(scene, at_s, client, request, 200, size, agent))
        return
    article = f"/tin-tuc/{dice.choice(ARTICLES)}-{dice.randrange(1000, 9999)}.html"
    path = dice.choice((*PAGES, article, article))
    referrer = dice.choice(("-", "https://www.google.com/", "https://coccoc.com/", "-"))
    for index, asset in enumerate((path, *dice.sample(STATIC, 3))):
        moment = min(at_s + index * 0.08, scene.seconds)
        status = 200 if index == 0 else dice.choice((200, 304))
        size = dice.randrange(800, 60_000) if status == 200 else 0  # noqa: PLR2004 - HTTP's OK
        line = combined(scene, moment, client, f"GET {asset}", status, size, agent, referrer)
        scene.journal.add(PORTAL, moment, line)


def _probe(scene: Scene, dice: Random, at_s: float, file: str) -> None:
    """Write a scanner's try; the front page is all that it ever gets."""
    client, agent, path = stranger(dice), dice.choice(PROBE_AGENTS), dice.choice((*PROBES, "/"))
    method = "PUT" if path.startswith("/SDK") else dice.choice(("GET", "GET", "POST"))
    status = 200 if path == "/" else dice.choice((404, 404, 404, 403, 301))
    line = combined(scene, at_s, client, f"{method} {path}", status, 153, agent)
    scene.journal.add(file, at_s, hosted(ONE_STOP_SITE, line) if file == ONE_STOP else line)


def one_stop(scene: Scene) -> None:
    """Write citizens who look up dossiers, officers who work on them, and the platform's calls."""
    dice = chance(scene.seed, "one-stop")
    for at_s in scene.times(dice, 170):
        _dossier(scene, dice, at_s)
    for at_s in scene.times(dice, 60):
        path = f"/api/ho-so/000.00.12.H99-261123-{dice.randrange(9999):04d}"
        line = combined(scene, at_s, GATEWAY, f"GET {path}", 200, 2210, "Go-http-client/1.1")
        scene.journal.add(ONE_STOP, at_s, hosted(ONE_STOP_SITE, line))
    for at_s in scene.times(dice, 8):
        _probe(scene, dice, at_s, ONE_STOP)


def _dossier(scene: Scene, dice: Random, at_s: float) -> None:
    agent, number = dice.choice(BROWSERS), f"{dice.randrange(9999):04d}"
    dossier = f"000.00.12.H99-261123-{number}"
    if likely(dice, 0.5):
        client = citizen(dice)
        request, status = dice.choice((
            (f"GET /tra-cuu?ma={dossier}", 200), (f"GET /api/ho-so/{dossier}", 200),
            ("POST /dang-nhap", 302), ("POST /dang-nhap", 401), ("GET /thu-tuc", 200),
        ))  # fmt: skip
    else:
        client = dice.choice(scene.province.communes).pcs[dice.randrange(5)].address
        request, status = dice.choice((
            (f"GET /can-bo/ho-so/{dossier}", 200), (f"POST /can-bo/ho-so/{dossier}/chuyen", 302),
            (f"GET /can-bo/ket-qua/{dossier}.pdf", 200), ("GET /can-bo/cho-xu-ly", 200),
        ))  # fmt: skip
    line = combined(scene, at_s, client, request, status, dice.randrange(200, 30_000), agent)
    scene.journal.add(ONE_STOP, at_s, hosted(ONE_STOP_SITE, line))
