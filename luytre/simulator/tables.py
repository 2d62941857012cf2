"""Writes what a SOC of the province would know: units, assets, accounts, indicators, settings."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from luytre.simulator import province as place
from luytre.simulator.applications import EVENTS, PLATFORM_ACCESS
from luytre.simulator.attackers import LISTED
from luytre.simulator.audited import AUDIT
from luytre.simulator.web import ONE_STOP_SITE, PLATFORM_SITE
from luytre.simulator.windows_events import windows_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from luytre.simulator.province import Province

UNITS = "id name_vi name_en kind parent valid_from valid_to"
ASSETS = "host address owner level kind organization systems"
ACCOUNTS = "user domain full_name organization privileged kind"
INDICATORS = "value type name confidence provider valid_from valid_until"

CHANGE = "2025-07-01"
"""When districts ended and the tree became two tiers."""


def write_tables(folder: Path, province: Province, start: datetime, *, whole: bool) -> None:
    """Write ``tables/*.csv`` and ``luytre.yaml`` into ``folder``."""
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    for name, header, rows in (
        ("organizations", UNITS, _units(province)),
        ("assets", ASSETS, _assets(province)),
        ("identities", ACCOUNTS, _accounts(province)),
        ("indicators", INDICATORS, _indicators(start)),
    ):
        _csv(tables / f"{name}.csv", header.split(), rows)
    (folder / "luytre.yaml").write_text(_settings(province, whole=whole), encoding="utf-8")


def _csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def _units(province: Province) -> Iterator[Sequence[str]]:
    """Yield the tree: three tiers until the change, two since."""
    root, centre, district = place.PROVINCE, place.CENTRE, "000.20.00.H99"
    yield root, "Tỉnh Minh Hà", "Minh Ha Province", "province", "", "", ""
    yield centre, "Trung tâm dữ liệu tỉnh", "Provincial data centre", "department", root, "", ""
    yield district, "Huyện Sông Trà", "Song Tra District", "district", root, "", CHANGE
    for commune in province.communes:
        names = (commune.id, commune.name_vi, commune.name_en, "commune")
        yield *names, district, "", CHANGE
        yield *names, root, CHANGE, ""


def _assets(province: Province) -> Iterator[Sequence[str]]:
    centre = place.CENTRE
    systems = {
        place.DATABASE_HOST: "csdl_yte csdl_gd",
        place.MAIL_HOST: f"{place.MAIL_HOST}.{place.DOMAIN}",
        "lgsp01": f"lgsp {PLATFORM_SITE}",
        "dvc01": f"dvc {ONE_STOP_SITE}",
    }
    for host, address, owner, level, kind in (
        (place.WEB_HOST, place.GATEWAY, "Cổng thông tin điện tử", "3", "server"),
        (place.MAIL_HOST, "10.1.3.4", "Thư điện tử công vụ", "2", "server"),
        ("fs01", place.FILE_SERVER, "Máy chủ tệp", "2", "server"),
        ("vms01", place.VIDEO_SERVER, "Máy chủ giám sát hình ảnh", "2", "server"),
        ("bk01", place.BACKUP_SERVER, "Máy chủ sao lưu", "3", "server"),
        (place.DATABASE_HOST, place.DATABASE_SERVER, "Cơ sở dữ liệu y tế", "4", "server"),
        ("dvc01", place.ONE_STOP, "Cổng dịch vụ công", "3", "server"),
        ("lgsp01", place.PLATFORM, "Nền tảng tích hợp, chia sẻ dữ liệu", "3", "server"),
        ("scan01", place.SCANNER, "Máy quét lỗ hổng", "3", "scanner"),
        ("adm01", place.ADMIN_PC, "Tổ quản trị hệ thống", "3", "server"),
    ):
        yield host, address, owner, level, kind, centre, systems.get(host, "")
    for commune in province.communes:
        for pc in commune.pcs:
            yield pc.host, pc.address, pc.person.name, "1", "workstation", commune.id, ""
        yield "", commune.recorder, commune.name_vi, "1", "nvr", commune.id, ""
        for camera in commune.cameras:
            yield "", camera, commune.name_vi, "1", "camera", commune.id, ""


def _accounts(province: Province) -> Iterator[Sequence[str]]:
    for person in province.people:
        yield person.account, "", person.name, person.organization, "false", "person"
    yield "quantri", "", "Quản trị hệ thống", place.CENTRE, "true", "person"
    yield "root", "", "Tài khoản quản trị máy chủ", place.CENTRE, "true", "service"
    yield "backup", "", "Sao lưu", place.CENTRE, "true", "service"


def _indicators(start: datetime) -> Iterator[Sequence[str]]:
    since, until = start - timedelta(days=30), start + timedelta(days=365)
    holds = (since.strftime("%Y-%m-%d"), until.strftime("%Y-%m-%d"))
    for value, kind, name, confidence in LISTED:
        yield value, kind, name, confidence, "minh-ha-cti", *holds


def _settings(province: Province, *, whole: bool) -> str:
    centre = place.CENTRE
    files = [
        ("logs/portal/access.log*", "nginx", centre),
        ("logs/one-stop/access.log*", "apache", centre),
        ("logs/servers/auth.log*", "auth", centre),
        ("logs/mail/audit.log*", "zimbra", centre),
        ("logs/mail/maillog*", "postfix", centre),
        ("logs/sensor/*.log", "zeek", centre),
        *((windows_file(commune), "windows", commune.id) for commune in province.communes),
    ]
    if whole:
        files += [
            (EVENTS, "egov", centre),
            (PLATFORM_ACCESS, "nginx", centre),
            (AUDIT, "auditd", centre),
        ]
    inputs = "".join(
        f'    - paths: ["{path}"]\n      log_source: {name}\n      organization: {owner}\n'
        for path, name, owner in files
    )
    return (
        "# A simulated province; see truth.ndjson for what must be found in it.\n"
        f"organization: {centre}\nship:\n  name: minh-ha\n  files:\n{inputs}"
        "enrich:\n  organizations: tables/organizations.csv\n  assets: tables/assets.csv\n"
        "  identities: tables/identities.csv\n  indicators: [tables/indicators.csv]\n"
        "  first_seen:\n    - column: user.name\n"
    )
