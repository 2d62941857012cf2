"""Where the folder of real logs is, and one of its archives unpacked."""

import os
import tarfile
from pathlib import Path

import zstandard

ROOT = Path(__file__).parent.parent


def data_folder() -> Path:
    """Return the folder that ``LUYTRE_DATA`` names; ../shared/data beside the checkout without."""
    return Path(os.environ.get("LUYTRE_DATA", ROOT.parent / "shared" / "data"))


def packed(archive: str) -> Path:
    """Return the file of an archive, there or not."""
    return data_folder() / f"{archive}.tar.zst"


def unpack(archive: str, target: Path) -> Path:
    """Unpack an archive into ``target`` unless that exists, and return it."""
    if not target.exists():
        with (
            packed(archive).open("rb") as stream,
            zstandard.ZstdDecompressor().stream_reader(stream) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            # Python has filters since 3.11.4; Debian 12 has 3.11.2.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(target)
    return target
