"""A bundle of rules: what went in comes out, whole or not at all, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from luytre.core.config import RulesConfig
from luytre.core.errors import Refused
from luytre.processor import bundle

RULE = "title: b\u1ea5t th\u01b0\u1eddng\n"


def rules(tmp_path: Path) -> RulesConfig:
    folder = tmp_path / "mine"
    (folder / "windows").mkdir(parents=True)
    (folder / "windows" / "one.yml").write_text(RULE)
    (folder / "notes.txt").write_text("not a rule")
    (tmp_path / "two.yaml").write_text("title: two\n")
    (tmp_path / "map.yml").write_text("name: m\n")
    return RulesConfig(
        builtin=False,
        paths=(folder, tmp_path / "two.yaml"),
        disabled=("x",),
        levels=("high",),
        mappings=(tmp_path / "map.yml", "sysmon"),
    )


def holding(*files: bundle.File) -> bundle.Bundle:
    return bundle.Bundle(
        version=1, builtin=False, disabled=(), levels=(), placeholders={}, mappings=(), files=files
    )


def test_what_went_in_comes_out_elsewhere(tmp_path: Path) -> None:
    packed = bundle.pack(rules(tmp_path), {"Servers": ("srv-*",)})
    digest, value = bundle.encode(packed)

    found = bundle.unpack(bundle.decode(digest, value), tmp_path / "there" / digest)

    files = {
        path.relative_to(folder if folder.is_dir() else folder.parent).as_posix(): path.read_text()
        for folder in found.paths
        for path in ([folder] if folder.is_file() else folder.rglob("*.y*ml"))
    }
    assert files == {"windows/one.yml": RULE, "two.yaml": "title: two\n"}
    assert (found.builtin, found.disabled, found.levels) == (False, ("x",), ("high",))
    assert found.placeholders == {"Servers": ("srv-*",)}
    first, second = found.mappings
    assert isinstance(first, Path)
    assert first.read_text() == "name: m\n"
    assert second == "sysmon"


def test_the_digest_is_that_of_the_content_wherever_it_lay(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()

    digests = {bundle.encode(bundle.pack(rules(place), {}))[0] for place in (here, there)}
    (there / "mine" / "windows" / "one.yml").write_text(RULE + "# other\n")
    changed = bundle.encode(bundle.pack(rules_of(there), {}))[0]

    assert len(digests) == 1
    assert changed not in digests


def rules_of(place: Path) -> RulesConfig:
    return RulesConfig(builtin=False, paths=(place / "mine", place / "two.yaml"))


@pytest.mark.parametrize(
    "name",
    ["../up.yml", "/etc/cron.d/x", "rules-0/../../x.yml", "rules-0/.hidden/x.yml", "rules-0//x.yml",
     "rules-0/x\x00.yml", "rules-0/x\n.yml", "rules-0\\x.yml", "", "rules-0/" + "x" * 300],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_written(
    tmp_path: Path, name: str
) -> None:
    packed = holding(bundle.File("rules-0/good.yml", RULE), bundle.File(name, RULE))

    with pytest.raises(Refused, match="no name that a bundle may hold"):
        bundle.unpack(packed, tmp_path / "there" / "d")
    assert not (tmp_path / "there").exists()


def carried(document: Any) -> tuple[str, bytes]:
    plain = json.dumps(document).encode()
    return hashlib.sha256(plain).hexdigest(), zstandard.compress(plain)


GOOD = msgspec.to_builtins(holding())


@pytest.mark.parametrize(
    ("digest", "value", "reason"),
    [
        pytest.param("0" * 64, carried(GOOD)[1], "damaged", id="another digest"),
        pytest.param("0" * 64, b"no zstd", "cannot be read", id="no zstd"),
        pytest.param(*carried([1]), "cannot be read", id="another shape"),
        pytest.param(*carried({**GOOD, "version": 9}), "version 9: update", id="a newer version"),
        pytest.param("0" * 64, zstandard.compress(b"\x00" * 2**29), "cannot be read|damaged", id="bomb"),
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(digest: str, value: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        bundle.decode(digest, value)


@pytest.mark.parametrize("value", [b"", b"[]", b'{"digest":"../x","since":"","by":""}'])
def test_what_names_no_bundle_is_refused(value: bytes) -> None:
    with pytest.raises(Refused):
        bundle.decode_active(value)


def test_what_overrides_does_so_where_the_bundle_goes(tmp_path: Path) -> None:
    settings = rules(tmp_path)
    folders = [tmp_path / f"override-{n}" for n in range(11)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "o.yml").write_text(f"title: {number}\n")
    packed = bundle.pack(settings.model_copy(update={"overrides": tuple(folders)}), {})

    found = bundle.unpack(packed, tmp_path / "there")

    assert [(f / "o.yml").read_text() for f in found.overrides] == [
        f"title: {n}\n" for n in range(11)
    ]
    assert len(found.paths) == len(settings.paths)
