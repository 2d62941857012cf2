"""What several tests of the processor share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from luytre.audit.anchors import anchor_in
from tests.processor.pack_house import ADMIN, House, lived


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation with an incident."""
    with lived(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="package")
def whole(house: House) -> Path:
    """A pack of the incident, and an anchor from before it beside it (``usb``)."""
    anchor_in(house.rooms.cases, ADMIN, house.folder / "usb")
    target = house.folder / "whole.zip"
    house.packed(target)
    return target
