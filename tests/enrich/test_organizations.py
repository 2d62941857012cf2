from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enrich.files import UnusableError, read_file
from enrich.organizations import Organizations, parse
from luytre.core.batch import Batch

Write = Callable[[str, str], Path]
MakeBatch = Callable[..., Batch]

# Bac Giang with three tiers, then Bac Ninh with two.
TREE = """\
id,kind,name_vi,name_en,parent,valid_from,valid_to
H02,province,Tỉnh Bắc Giang,Bac Giang,,,2025-07-01
H05,province,Tỉnh Bắc Ninh,Bac Ninh,,,
H02.15,district,Huyện Yên Thế,,H02,,2025-07-01
H02.15.03,commune,Xã Đồng Tâm,,H02.15,,2025-07-01
H02.15.03,commune,Xã Yên Thế,,H05,2025-07-01,
H05.99,agency,,Data centre,H05,2025-07-01,
"""
OLD = datetime(2021, 3, 1, tzinfo=UTC)
NEW = datetime(2026, 3, 1, tzinfo=UTC)
MIDNIGHT = datetime(2025, 6, 30, 17, tzinfo=UTC)  # of 1 July in Vietnam


@pytest.mark.parametrize(
    ("unit", "at", "name", "path", "province"),
    [
        pytest.param(
            "H02.15.03", OLD, "Xã Đồng Tâm", "H02/H02.15/H02.15.03", "H02", id="three tiers"
        ),
        pytest.param("H02.15.03", NEW, "Xã Yên Thế", "H05/H02.15.03", "H05", id="two tiers since"),
        pytest.param(
            "H02.15.03", MIDNIGHT, "Xã Yên Thế", "H05/H02.15.03", "H05", id="from midnight here"
        ),
        pytest.param(
            "H02.15.03",
            MIDNIGHT.replace(hour=16, minute=59),
            "Xã Đồng Tâm",
            "H02/H02.15/H02.15.03",
            "H02",
            id="valid_to is exclusive",
        ),
        pytest.param("H02.15.03", None, "Xã Yên Thế", "H05/H02.15.03", "H05", id="no own time"),
        pytest.param("H05.99", NEW, "Data centre", "H05/H05.99", "H05", id="named in English only"),
        pytest.param("H05.99", OLD, None, None, None, id="not yet there"),
        pytest.param("H02", NEW, None, None, None, id="no longer there"),
        pytest.param("ghost", NEW, None, None, None, id="unknown"),
    ],
)
def test_an_event_sees_the_tree_of_its_day(
    batch: MakeBatch,
    write: Write,
    unit: str,
    at: datetime | None,
    name: str | None,
    path: str | None,
    province: str | None,
) -> None:
    units, notes = parse(read_file(write("tree.csv", TREE)))
    events = Organizations(units)(batch(organizations=unit, times=at).events)

    assert notes == []
    assert events["organization.name"].to_list() == [name]
    assert events["luytre.organization.path"].to_list() == [path]
    assert events["luytre.organization.province"].to_list() == [province]


def test_yaml_says_the_same_as_csv(batch: MakeBatch, write: Write) -> None:
    text = """\
organizations:
  - {id: H05, kind: province, name_vi: Tỉnh Bắc Ninh}
  - id: H05.01
    kind: commune
    name_vi: Xã A
    parent: H05
    valid_from: 2025-07-01
"""
    units, notes = parse(read_file(write("tree.yml", text)))
    events = Organizations(units)(batch(organizations="H05.01", times=NEW).events)

    assert notes == []
    assert events["luytre.organization.path"].to_list() == ["H05/H05.01"]
    assert events["luytre.organization.kind"].to_list() == ["commune"]


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        pytest.param(["A,p,A,ghost,,"], "2: A has the unknown parent ghost", id="unknown parent"),
        pytest.param(["A,p,A,B,,", "B,p,B,A,,"], "2: A lies in a cycle through B", id="cycle"),
        pytest.param(["A,p,A,A,,"], "2: A lies in a cycle through A", id="its own parent"),
        pytest.param(
            ["A,p,A,,,2025-07-01", "A,p,A2,,2025-06-30,"], "3: A overlaps with line 2", id="overlap"
        ),
        pytest.param(
            ["P,p,P,,,2025-07-01", "A,p,A,P,,"],
            "3: A outlives or precedes its parent P",
            id="parent ends first",
        ),
        pytest.param(["A,p,A,,2025-07-01,2025-07-01", "B,p,B,,,"], "2: valid_from", id="no time"),
        pytest.param(["A,p,A,,soon,", "B,p,B,,,"], "2: Invalid isoformat", id="no date"),
        pytest.param(["a/b,p,A,,,", "B,p,B,,,"], "2: 'a/b' is no organisation id", id="slash"),
        pytest.param(["A,p,,,,", "B,p,B,,,"], "2: A has no name", id="nameless"),
        pytest.param(["A,p,A,,,,,", "B,p,B,,,"], "2: has 8 cells", id="too many cells"),
        pytest.param(
            ['A,"p,A,,,', "B,p,B,,,"], "2: is not CSV", id="an open quote spoils one line"
        ),
    ],
)
def test_what_does_not_fit_is_noted_with_its_line(
    write: Write, lines: list[str], note: str
) -> None:
    header = "id,kind,name_vi,parent,valid_from,valid_to"
    path = write("tree.csv", "\n".join([header, *lines]))

    assert any(n.startswith(f"{path}:{note}") for n in parse(read_file(path))[1])


def test_a_cycle_ends_the_path_where_it_closes(batch: MakeBatch, write: Write) -> None:
    path = write("tree.csv", "id,kind,name_vi,parent\nA,x,A,B\nB,x,B,C\nC,x,C,B\n")
    events = Organizations(parse(read_file(path))[0])(batch(organizations="A").events)

    assert events["luytre.organization.path"].to_list() == ["C/B/A"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("tree.csv", "", id="empty"),
        pytest.param("tree.csv", "id,kind,name_vi\n", id="only a header"),
        pytest.param("tree.csv", "name,parent\nA,B\n", id="no id column"),
        pytest.param("tree.yml", "- &a {id: A}\n- *a\n", id="YAML with aliases"),
        pytest.param("tree.yml", "organizations: 5\n", id="YAML without a list"),
    ],
)
def test_a_file_without_any_organisation_is_unusable(write: Write, name: str, text: str) -> None:
    with pytest.raises(UnusableError, match=name):
        parse(read_file(write(name, text)))
