"""The record of an installed set of rules: where it came from, what it holds, its licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "installed.json"
_BYTES_MAX = 16 * 2**20


class Manifest(msgspec.Struct, frozen=True):
    """What was installed; ``sha256`` is that of the zip, or of the folder's files and names.

    ``refused`` are the faults, as text, of the rules that were left out.
    """

    name: str
    source: str
    sha256: str
    installed_at: str
    rules: int
    licence: str
    licence_file: str
    authors: tuple[str, ...]
    refused: tuple[str, ...]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the record into the set's folder."""
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(encoded + b"\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return a set's record; None if there is none that can be read."""
    file = folder / MANIFEST
    try:
        with file.open("rb") as stream:
            return msgspec.json.decode(stream.read(_BYTES_MAX), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def set_licence(folder: Path, depth: int = 12) -> str:
    """Return the licence of the installed set that a folder is in, or ""."""
    for place in [folder, *folder.parents][:depth]:
        if (place / MANIFEST).is_file():
            manifest = read_manifest(place)
            return manifest.licence if manifest else ""
    return ""
