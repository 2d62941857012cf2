"""The items of a rule's searches: as they are written, and as pySigma built them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigma.rule.detection import SigmaDetection, SigmaDetectionItem
from sigma.types import SigmaExpansion

from luytre.core.yamlfile import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sigma.types import SigmaType

_SCALARS = (str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """A key with its value or values, or keywords (``key`` None), and where they stand."""

    place: Place
    key: Any
    value: Any

    @property
    def modifiers(self) -> list[str]:
        """The modifiers of the key, in order."""
        return self.key.split("|")[1:] if isinstance(self.key, str) else []

    @property
    def keyword(self) -> bool:
        """Whether the item names no field."""
        return self.key is None or (isinstance(self.key, str) and not self.key.split("|")[0])

    def values(self) -> Iterator[tuple[Place, Any]]:
        """Yield each value with its place."""
        if not isinstance(self.value, list):
            yield self.place, self.value
            return
        for index, value in enumerate(self.value):
            yield (*self.place, index), value


def written_items(definition: Any, place: Place) -> Iterator[WrittenItem]:
    """Yield the items of one search in document order.

    Maps have an item a key; a list is one item if all of it is scalars, else a list of searches
    (Sigma specification 2.1, "Search-Identifier").
    """
    if isinstance(definition, dict):
        for key, value in definition.items():
            step = key if isinstance(key, str | int) else str(key)
            yield WrittenItem((*place, step), key, value)
    elif isinstance(definition, list) and not all(isinstance(v, _SCALARS) for v in definition):
        for index, inner in enumerate(definition):
            yield from written_items(inner, (*place, index))
    else:
        yield WrittenItem(place, None, definition)


def searches(detection: Mapping[Any, Any]) -> Iterator[tuple[Place, Any]]:
    """Yield each search of a detection with its place; the condition is none."""
    for name, definition in detection.items():
        if name != "condition":
            step = name if isinstance(name, str | int) else str(name)
            yield ("detection", step), definition


def built_items(detection: SigmaDetection) -> Iterator[SigmaDetectionItem]:
    """Yield what pySigma made of a search, in the order of ``written_items``."""
    for item in detection.detection_items:
        if isinstance(item, SigmaDetectionItem):
            yield item
        else:
            yield from built_items(item)


def leaves(value: SigmaType) -> Iterator[SigmaType]:
    """Yield a value, or what it expands to."""
    if isinstance(value, SigmaExpansion):
        for inner in value.values:
            yield from leaves(inner)
    else:
        yield value
