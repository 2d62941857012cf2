from collections.abc import Callable
from pathlib import Path

import pytest

from enrich.files import read_file
from enrich.identities import COLUMNS, Identities, parse
from luytre.core.batch import Batch

Write = Callable[[str, str], Path]
MakeBatch = Callable[..., Batch]

OURS, THEIRS = "000.01.12.H05", "000.02.12.H05"
ACCOUNTS = f"""\
user,domain,full_name,organization,privileged,kind
BACNINH\\an.nv,,Nguyễn Văn An,{OURS},no,person
admin,,Quản trị,{OURS},yes,person
admin,,Quản trị xã,{THEIRS},yes,person
svc-backup,bacninh.gov.vn,,{OURS},true,service
binh@yenthe.vn,,Trần Bình,{OURS},,
"""


@pytest.fixture
def identities(write: Write) -> Identities:
    accounts, notes = parse(read_file(write("accounts.csv", ACCOUNTS)))
    assert notes == []
    return Identities(accounts)


@pytest.mark.parametrize(
    ("user", "domain", "organization", "name"),
    [
        pytest.param("AN.NV", None, OURS, "Nguyễn Văn An", id="case does not count"),
        pytest.param("BacNinh\\an.nv", None, OURS, "Nguyễn Văn An", id="DOMAIN and user"),
        pytest.param("an.nv@bacninh.gov.vn", None, OURS, "Nguyễn Văn An", id="user@domain"),
        pytest.param("an.nv", "BACNINH", OURS, "Nguyễn Văn An", id="domain in its own column"),
        pytest.param("an.nv", "LAPTOP-7", OURS, None, id="a local account of that name"),
        pytest.param("binh", "YENTHE", OURS, "Trần Bình", id="short for long domain"),
        pytest.param("binh@yenthe.com", None, OURS, None, id="another long domain"),
        pytest.param("admin", None, OURS, "Quản trị", id="two organisations have one: ours"),
        pytest.param("admin", None, THEIRS, "Quản trị xã", id="two organisations: theirs"),
        pytest.param("admin", None, "third", None, id="two organisations: nobody's"),
        pytest.param("ghost", None, OURS, None, id="unknown"),
        pytest.param(None, "BACNINH", OURS, None, id="no user"),
    ],
)
def test_an_account_is_found_in_any_form(
    identities: Identities,
    batch: MakeBatch,
    user: str | None,
    domain: str | None,
    organization: str,
    name: str | None,
) -> None:
    cells = {"user.name": [user], "user.domain": [domain]}
    events = identities(batch(cells, organizations=organization).events)

    assert events["user.full_name"].to_list() == [name]


def test_says_what_kind_of_account_it_is(identities: Identities, batch: MakeBatch) -> None:
    events = identities(batch({"user.name": ["svc-backup", "binh"]}).events)

    assert events.select(COLUMNS).rows() == [
        (None, OURS, "true", "service"),
        ("Trần Bình", OURS, None, None),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(",,x,o,yes,person", "has no user", id="nobody"),
        pytest.param("a,,x,o,maybe,person", "privileged 'maybe' is neither", id="privileged"),
        pytest.param("a,,x,o,yes,robot", "the kind 'robot' is neither", id="kind"),
    ],
)
def test_a_bad_line_is_noted_and_the_others_count(write: Write, line: str, problem: str) -> None:
    path = write("accounts.csv", f"{ACCOUNTS}{line}\n")
    accounts, notes = parse(read_file(path))

    assert [note.startswith(f"{path}:7: {problem}") for note in notes] == [True]
    assert len(accounts) == 5
