"""Rule sets are installed whole or not at all, whatever the archive tries."""

import hashlib
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from detections import unpacked
from detections.install import Installed, install, installed_paths
from detections.load import load_rules
from luytre.core.clock import ManualClock
from luytre.core.errors import Refused

LICENCE = "# Detection Rule License (DRL) 1.1\n\nPermission is hereby granted ...\n"
RULE = """\
title: Rule {n}
id: 00000000-0000-4000-8000-{n:012d}
author: Author {n}
logsource:
    product: linux
detection:
    s:
        F: {n}
    condition: s
"""
BAD = RULE.format(n=9).replace("F:", "F|xyzzy:")


def rule(n: int) -> str:
    return RULE.format(n=n)


def make_zip(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def make_folder(path: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def put(source: Path, target: Path) -> Installed:
    return install(source, target, clock=ManualClock())


SET = {
    "sigma/LICENSE.Detection.Rules.md": LICENCE,
    "sigma/README.md": "read me",
    "sigma/rules/a b/one.yml": rule(1),
    "sigma/rules/two.yml": rule(2),
    "sigma/rules/bad.yml": BAD,
    "sigma/rules/tool.py": "print()",
    "sigma/deprecated/old.yml": rule(3),
    "sigma/.github/workflow.yml": "on: push",
}
KEPT = {
    "installed.json",
    "sigma/LICENSE.Detection.Rules.md",
    "sigma/README.md",
    "sigma/rules/a_b/one.yml",
    "sigma/rules/two.yml",
}


def files_below(folder: Path) -> set[str]:
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_a_set_is_installed_with_licence_and_authors(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        source = make_zip(tmp_path / "Sigma Core.zip", SET)
    else:
        source = make_folder(tmp_path / "Sigma Core", SET)

    installed = put(source, tmp_path / "rules")

    assert installed_paths(tmp_path / "rules") == [installed.path]
    assert files_below(installed.path) == KEPT
    assert installed.rules == 2
    [fault] = installed.faults
    assert (fault.path, fault.line) == (source / "sigma/rules/bad.yml", 8)
    manifest = json.loads((installed.path / "installed.json").read_text())
    assert manifest["refused"] == [str(fault)]
    assert {k: v for k, v in manifest.items() if k not in ("sha256", "refused")} == {
        "name": "sigma-core",
        "source": source.name,
        "installed_at": "2026-01-01T00:00:00+00:00",
        "rules": 2,
        "licence": "DRL-1.1",
        "licence_file": "sigma/LICENSE.Detection.Rules.md",
        "authors": ["Author 1", "Author 2"],
    }
    if kind == "zip":
        assert manifest["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_installed_rules_load_with_the_licence_of_their_set(tmp_path: Path) -> None:
    put(make_zip(tmp_path / "sigma.zip", SET), tmp_path / "rules")

    loaded = load_rules(installed_paths(tmp_path / "rules"), builtin=False)

    assert loaded.faults == ()
    assert {rule.card.licence for rule in loaded.rules} == {"DRL-1.1"}
    assert {rule.card.author for rule in loaded.rules} == {"Author 1", "Author 2"}


def test_a_set_of_the_same_name_is_replaced_and_others_stay(tmp_path: Path) -> None:
    target = tmp_path / "rules"
    other = put(make_zip(tmp_path / "other.zip", {"a.yml": rule(7)}), target)
    first = put(make_zip(tmp_path / "sigma.zip", {"a.yml": rule(1)}), target)

    second = put(make_zip(tmp_path / "sigma.zip", {"b.yml": rule(2)}), target)

    assert installed_paths(target) == [other.path, second.path]
    assert not first.path.exists()


def test_a_refused_set_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "rules"
    old = put(make_zip(tmp_path / "sigma.zip", {"a.yml": rule(1)}), target)

    with pytest.raises(Refused, match="no rule that can be used"):
        put(make_zip(tmp_path / "sigma.zip", {"a.yml": BAD}), target)

    assert installed_paths(target) == [old.path]
    assert sorted(p.name for p in target.iterdir()) == ["sigma.active", old.path.name]


@pytest.mark.parametrize("at", ["write_manifest", "_activate"])
def test_a_failure_on_the_way_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    target = tmp_path / "rules"
    old = put(make_zip(tmp_path / "sigma.zip", {"a.yml": rule(1)}), target)

    def fail(*_args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(f"detections.install.{at}", fail)
    with pytest.raises(OSError, match="no space"):
        put(make_zip(tmp_path / "sigma.zip", {"a.yml": rule(2)}), target)

    assert installed_paths(target) == [old.path]


@pytest.mark.parametrize(
    "name",
    ["../a.yml", "a/../../b.yml", "/etc/a.yml", "C:/a.yml", "a\\..\\b.yml", "/".join("a" * 20)],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    source = make_zip(tmp_path / "s.zip", {"good.yml": rule(1), name: rule(2)})

    with pytest.raises(Refused, match="path that is not allowed"):
        put(source, tmp_path / "rules")

    assert list((tmp_path / "rules").iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link.yml")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    folder = make_folder(tmp_path / "folder", {"a.yml": rule(1)})
    (folder / "link.yml").symlink_to("/etc/passwd")

    for source in (tmp_path / "s.zip", folder):
        with pytest.raises(Refused, match="link"):
            put(source, tmp_path / "rules")


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = make_zip(tmp_path / "ratio.zip", {"a.yml": "#" * 2_000_000})
    with pytest.raises(Refused, match="bomb"):
        put(bomb, tmp_path / "rules")

    monkeypatch.setattr(unpacked, "ENTRIES_MAX", 2)
    many = {f"{n}.yml": rule(n) for n in range(3)}
    two = {f"{n}.yml": rule(n) for n in range(2)}
    for source in (make_zip(tmp_path / "n.zip", many), make_folder(tmp_path / "n", many)):
        with pytest.raises(Refused, match="entries"):
            put(source, tmp_path / "rules")
    monkeypatch.setattr(unpacked, "TOTAL_MAX", 200)
    for source in (make_zip(tmp_path / "t.zip", two), make_folder(tmp_path / "t", two)):
        with pytest.raises(Refused, match=r"more than 200 bytes|would grow"):
            put(source, tmp_path / "rules")


def test_sizes_that_lie_are_refused(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "s.zip", {"a.yml": rule(1)})
    data = source.read_bytes()
    size = len(rule(1)).to_bytes(4, "little")
    source.write_bytes(data.replace(size, (10).to_bytes(4, "little")))

    with pytest.raises(Refused, match="not a zip that can be read"):
        put(source, tmp_path / "rules")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"PK\x03\x04 no zip", id="broken"),
        pytest.param(b"", id="empty"),
        pytest.param(b"title: a rule", id="no zip"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.zip").write_bytes(content)

    with pytest.raises(Refused, match="not a zip"):
        put(tmp_path / "s.zip", tmp_path / "rules")


def test_names_that_become_one_are_told_apart_by_a_fault(tmp_path: Path) -> None:
    files = {"a b.yml": rule(1), "A?b.yml": rule(2), "c.yml": rule(3), "c.yml/d.yml": rule(4)}

    installed = put(make_zip(tmp_path / "s.zip", files), tmp_path / "rules")

    assert installed.rules == 2
    assert [fault.path.name for fault in installed.faults] == ["A?b.yml", "d.yml"]


def test_a_pointer_never_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "evil.active").write_text("../outside@00\n")
    (tmp_path / "gone.active").write_text("gone@00\n")
    (tmp_path.parent / "outside@00").mkdir(exist_ok=True)

    assert installed_paths(tmp_path) == []
