"""What every test may ask for."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack an archive of the folder of real logs and return where it lies.

    ``LUYTRE_DATA`` names the folder; without it the test is skipped, but in CI it fails.
    """
    folder = Path(os.environ.get("LUYTRE_DATA", ROOT.parent / "shared" / "data"))
    unpacked: dict[str, Path] = {}

    def get(archive: str) -> Path:
        packed = folder / f"{archive}.tar.zst"
        if not packed.exists():
            if os.environ.get("CI"):
                pytest.fail(f"{packed} is missing: set LUYTRE_DATA to the folder of real logs")
            pytest.skip(f"{packed} is missing (LUYTRE_DATA names the folder of real logs)")
        if archive not in unpacked:
            target = tmp_path_factory.mktemp(archive)
            with (
                packed.open("rb") as stream,
                zstandard.ZstdDecompressor().stream_reader(stream) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                tar.extractall(target, filter="data")
            unpacked[archive] = target
        return unpacked[archive]

    return get
