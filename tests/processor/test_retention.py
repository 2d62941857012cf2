"""What is old is deleted with a receipt in the history, and never while it is on legal hold."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from luytre.audit import erase
from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.core.clock import SystemClock
from luytre.core.config import Config, load_config
from luytre.core.organization import Scope
from luytre.processor.build import archive, upkeep
from luytre.processor.case_host import ROOMS
from luytre.processor.places import Places
from tests.processor.pack_house import ADMIN, lived


@pytest.fixture
def old(tmp_path: Path) -> Config:
    """An installation whose events and alerts are older than their retention of a day."""
    with lived(tmp_path):
        pass
    config = load_config(tmp_path / "luytre.yaml")
    return config.model_copy(
        update={
            "archive": config.archive.model_copy(update={"retention_days": 1}),
            "alerts": config.alerts.model_copy(update={"retention_days": 1}),
        }
    )


def test_what_is_on_hold_stays_and_what_goes_by_age_leaves_a_receipt(old: Config) -> None:
    before, held = _events(old), ("organization:000.11.00.H99", "000.11.00.H99")
    assert before > 100

    with closing(_cases(old)) as cases:
        erase.hold(cases, ADMIN, *held, "a request")
    upkeep(old, lambda: False, once=True)
    assert _events(old) == before
    assert _receipts(old) == []

    with closing(_cases(old)) as cases:
        erase.release(cases, ADMIN, *held)
    upkeep(old, lambda: False, once=True)
    assert _events(old) == 0
    receipts = {action: (user, detail) for action, user, detail in _receipts(old)}
    assert set(receipts) == {"archive.expire", "alerts.expire"}
    assert {user for user, _ in receipts.values()} == {"luytre:upkeep"}
    assert receipts["archive.expire"][1]["erased"] == before
    assert receipts["archive.expire"][1]["older_than_days"] == "1"

    upkeep(old, lambda: False, once=True)
    assert len(_receipts(old)) == 2, "nothing was deleted, so there is nothing to tell"


def _events(config: Config) -> int:
    return archive(config).scan(Scope.everything()).collect().height


def _cases(config: Config) -> CaseDatabase:
    places = Places(config.data_dir)
    return CaseDatabase(places.cases, Signer(places.signer), SystemClock(), ROOMS)


def _receipts(config: Config) -> list[tuple[str, str, dict[str, Any]]]:
    with closing(_cases(config)) as cases:
        rows = cases.connection.execute(
            "SELECT json_extract(entry, '$.action'), json_extract(entry, '$.actor.user'), detail"
            " FROM audit_entries WHERE subject LIKE 'retention:%' ORDER BY seq"
        )
        return [(str(a), str(u), msgspec.json.decode(str(d))) for a, u, d in rows]
