"""The playbooks of an installation: those that come with Luytre, configured, and imported ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.errors import ConfigurationError, Refused
from playbooks.load import Loaded, load_folder, load_playbook, to_json, to_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from luytre.core.errors import Fault


class Shelf:
    """Every playbook by its id; the last folder that has an id wins, so one may replace ours."""

    def __init__(self, folders: Sequence[Path], imported: Path) -> None:
        self._imported = imported
        self.faults: list[Fault] = []
        self.playbooks: dict[str, Loaded] = {}
        for folder in (*folders, imported):
            found, faults = load_folder(folder) if folder.exists() else ([], [])
            self.faults += faults
            self.playbooks.update({loaded.playbook.id: loaded for loaded in found})

    def get(self, name: str) -> Loaded:
        """Return the playbook whose id, file name, or name is, or begins with, ``name``.

        Raises:
            Refused: none is, or several are.
        """
        exact = [p for p in self.playbooks.values() if name in _names(p)]
        found = exact or [
            p for p in self.playbooks.values() if any(n.startswith(name) for n in _names(p))
        ]
        if len(found) != 1:
            raise Refused(f"{'no playbook' if not found else 'more than one playbook'} is {name}")
        return found[0]

    def take_in(self, path: Path) -> tuple[Loaded, Path]:
        """Check a playbook file, keep it as YAML, and return it with the place it has now.

        Raises:
            ConfigurationError: with every fault of the file.
            Refused: an installed version of it is newer.
        """
        loaded, faults = load_playbook(path)
        if loaded is None:
            raise ConfigurationError(faults)
        before = self.playbooks.get(loaded.playbook.id)
        if before is not None and before.playbook.modified > loaded.playbook.modified:
            raise Refused(f"{path}: the installed version of {loaded.playbook.name} is newer")
        self._imported.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._imported / f"{loaded.playbook.id}.yml"
        content = to_yaml(loaded.document)
        again, faults = load_playbook(target, content.encode())
        if again is None or again.document.data != loaded.document.data:
            raise ConfigurationError(faults or [loaded.document.fault((), "has no YAML form")])
        target.write_text(content)
        self.playbooks[loaded.playbook.id] = again
        return loaded, target


def export(loaded: Loaded, *, as_yaml: bool) -> str:
    """Return a playbook as CACAO JSON, or as YAML."""
    return to_yaml(loaded.document) if as_yaml else to_json(loaded.document)


def _names(loaded: Loaded) -> Mapping[str, None]:
    identity = loaded.playbook.id
    return dict.fromkeys(
        (identity, identity.removeprefix("playbook--"), loaded.document.path.stem,
         loaded.playbook.name)
    )  # fmt: skip
