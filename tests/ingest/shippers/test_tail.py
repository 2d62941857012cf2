"""Rotation, truncation, deletion, restarts: every whole line is shipped once."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.ingest.shippers.yard import Yard

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_only_whole_lines_are_shipped(yard: Yard) -> None:
    yard.append("app.log", "one\ntw")
    yard.ship()
    before = yard.raws()
    yard.append("app.log", "o\n")
    yard.ship()

    assert before == ["one"]
    assert yard.raws() == ["one", "two"]


def test_a_multibyte_character_written_in_two_halves_is_whole(yard: Yard) -> None:
    text = "xã Phường Đông\n".encode()
    yard.append("app.log", text[:2])
    yard.ship()
    yard.append("app.log", text[2:7])
    yard.ship()
    yard.append("app.log", text[7:])
    yard.ship()

    assert yard.raws() == ["xã Phường Đông"]


def test_a_file_is_not_known_before_its_first_line_is_whole(yard: Yard) -> None:
    yard.append("app.log", "no end")

    assert yard.ship() == 0
    assert yard.ship(final=True) == 1


def test_rename_and_create_ships_both_files(yard: Yard) -> None:
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.append("app.log", "a2\n")
    (yard.folder / "app.log").rename(yard.folder / "app.log.1")
    yard.append("app.log", "b1\n")
    yard.append("app.log.1", "a3\n")
    yard.ship()

    assert sorted(yard.raws()) == ["a1", "a2", "a3", "b1"]


def test_a_rename_while_the_shipper_was_down_is_followed(yard: Yard) -> None:
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.append("app.log", "a2\n")
    (yard.folder / "app.log").rename(yard.folder / "app.log.1")
    yard.append("app.log", "b1\n")
    yard.restart()
    yard.ship()

    sent = yard.sent()
    assert sorted(yard.raws()) == ["a1", "a2", "b1"]
    assert {s.seq for s in sent if s.raw in {b"a1", b"a2"}} == {0, 1}


def test_a_row_whose_zone_is_no_longer_known_is_followed_all_the_same(yard: Yard) -> None:
    (source,) = yard.settings.files
    elsewhere = source.model_copy(update={"time_zone": "Moon/Base"})
    yard.settings = yard.settings.model_copy(update={"files": (elsewhere,)})
    yard.restart()
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.settings = yard.settings.model_copy(update={"files": (source,)})
    yard.append("app.log", "a2\n")
    (yard.folder / "app.log").rename(yard.folder / "app.log.1")
    yard.restart()
    yard.ship()

    assert yard.raws() == ["a1", "a2"]


def test_a_file_deleted_while_open_is_read_to_its_end(yard: Yard) -> None:
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.append("app.log", "a2\nlast words")
    (yard.folder / "app.log").unlink()
    yard.ship()
    yard.clock.advance(60)
    yard.ship()

    assert yard.raws() == ["a1", "a2", "last words"]


@pytest.mark.parametrize("down", [False, True], ids=["running", "while down"])
def test_copytruncate_reads_the_rest_from_the_copy(yard: Yard, *, down: bool) -> None:
    log = yard.folder / "app.log"
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.append("app.log", "a2\n")
    shutil.copy(log, yard.folder / "app.log.1")
    os.truncate(log, 0)
    yard.append("app.log", "b1\n")
    if down:
        yard.restart()
    yard.ship()

    assert sorted(yard.raws()) == ["a1", "a2", "b1"]


def test_copytruncate_with_the_same_header_that_grew_past_the_offset_is_seen(yard: Yard) -> None:
    log = yard.folder / "app.log"
    yard.append("app.log", "#header\na1\n")
    yard.ship()
    os.truncate(log, 0)
    yard.append("app.log", "#header\nb1\nb2\nb3\n")
    yard.ship()

    assert yard.raws() == ["#header", "a1", "#header", "b1", "b2", "b3"]


def test_copies_that_a_pattern_finds_are_not_shipped_again(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("app.log*",))
    log = yard.folder / "app.log"
    yard.append("app.log", "a1\na2\n")
    yard.ship()
    shutil.copy(log, yard.folder / "app.log.1")
    yard.ship()
    os.truncate(log, 0)
    yard.ship()
    yard.append("app.log", "b1\n")
    yard.ship()

    assert yard.raws() == ["a1", "a2", "b1"]


def test_a_reused_inode_is_another_file(yard: Yard) -> None:
    yard.append("app.log", "a1\n")
    yard.ship()
    yard.shipper.close()
    # The same inode with other content is what a reused inode looks like.
    (yard.folder / "app.log").write_text("b1\nb2\n")
    yard.restart()
    yard.ship()

    assert yard.raws() == ["a1", "b1", "b2"]


def test_two_files_with_one_first_line_do_not_share_a_sequence(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("*.log",))
    yard.append("a.log", "#header\na1\n")
    yard.append("b.log", "#header\nb1\n")
    yard.ship()

    sent = yard.sent()
    assert len({(s.stream, s.seq) for s in sent}) == len(sent) == 4
    assert len({s.origin for s in sent}) == 1
    assert len({s.id for s in sent}) == 3


def test_a_stream_is_never_used_again(yard: Yard) -> None:
    for _ in range(3):
        yard.append("app.log", "#header\nx\n")
        yard.ship()
        (yard.folder / "app.log").unlink()
        yard.ship()
        yard.clock.advance(60)
        yard.ship()
        yard.restart()

    sent = yard.sent()
    assert len({(s.stream, s.seq) for s in sent}) == len(sent) == 6


def test_a_symlink_is_followed_by_what_it_points_at(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("*.log",))
    yard.append("a.log", "a1\n")
    (yard.folder / "link.log").symlink_to(yard.folder / "a.log")
    yard.ship()

    assert yard.raws() == ["a1"]


def test_compressed_rotations_are_ignored(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("app.log*",))
    yard.append("app.log.1.gz", "x\n")

    assert yard.ship() == 0


def test_a_crash_between_flush_and_registry_sends_the_same_sequence_again(yard: Yard) -> None:
    yard.append("app.log", "a1\na2\n")
    yard.die_after_flush()
    yard.append("app.log", "a3\n")
    yard.ship()

    sent = yard.sent()
    assert [(s.seq, s.raw) for s in sent] == [
        (0, b"a1"), (1, b"a2"), (0, b"a1"), (1, b"a2"), (2, b"a3"),
    ]  # fmt: skip
    assert len({s.stream for s in sent}) == 1
    assert len({s.id for s in sent}) == 3


def test_a_long_line_becomes_rejects_however_it_arrives(tmp_path: Path) -> None:
    yard = Yard(tmp_path, event_bytes_max=1024)
    yard.append("app.log", "short\n")
    for _ in range(25):
        yard.append("app.log", "x" * 100)
        yard.ship()
        yard.restart()
    yard.append("app.log", "\nend\n")
    yard.ship()

    sent = yard.sent()
    assert [len(s.raw) for s in sent] == [5, 1024, 1024, 452, 3]
    assert [s.position for s in sent] == ["0", "6", "1030", "2054", "2507"]
    assert [bool(s.reject) for s in sent] == [False, True, True, True, False]


def test_a_json_document_is_shipped_when_it_has_come_to_rest(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("*.json",))
    yard.append("trail.json", '{"Records": [\n {"a": 1},')
    yard.shipper.pass_once()
    yard.append("trail.json", '\n {"a": 2}]}')
    yard.ship()
    yard.ship()
    yard.ship()

    assert yard.raws() == ['{"a":1}', '{"a":2}']


def test_utf16_is_followed_as_utf8(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    text = "\ufeffmột\nhai\n".encode("utf-16-le")
    for at in range(0, len(text), 3):
        yard.append("app.log", text[at : at + 3])
        yard.ship()
        yard.restart()

    assert yard.raws() == ["một", "hai"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(yard: Yard) -> None:
    yard.append("app.log", b"\xef\xbb\xbfone\ntwo\n")
    yard.ship()
    yard.restart()
    yard.append("app.log", "three\n")
    yard.ship()

    assert yard.raws() == ["one", "two", "three"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_read_once_it_may(yard: Yard) -> None:
    yard.append("app.log", "one\n")
    (yard.folder / "app.log").chmod(0)
    before = yard.ship()
    (yard.folder / "app.log").chmod(0o600)

    assert (before, yard.ship()) == (0, 1)


def test_few_open_files_are_enough(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("*.log",))
    yard.shipper._follower._open_max = 2
    for turn in range(3):
        for number in range(6):
            yard.append(f"{number}.log", f"{number} {turn}\n")
        yard.ship()

    assert len(yard.raws()) == len(set(yard.raws())) == 18
