"""Puts documents into Elasticsearch in bulk requests, and settles each by its own answer.

A request that fails, or whose answer is lost or cut, may have been carried out, in part or whole.
Which of its documents are there is asked first, by their ids alone, and the others are sent again.
After such a failure, and while nothing is taken, one document is sent at a time, then twice as many
after each success: so a fault makes few repetitions, however often it comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from elastic_transport import TransportError
from elasticsearch import ApiError

from luytre.core.errors import NeighbourError
from luytre.core.log import get_logger
from luytre.core.metrics import ALERTS_REPEATED
from luytre.store.elastic_client import never_arrived, reason_of
from luytre.store.elastic_documents import Item
from luytre.store.elastic_verdict import BAD_REQUEST, TOO_LARGE, Verdict, judge, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from elasticsearch import Elasticsearch

    from luytre.core.clock import Clock

DOCUMENTS_MAX = 200
"""More are not faster (measured with 100 to 1,000), and as many are in doubt when a node dies."""
BYTES_MAX = 4 * 2**20
PATIENCE_S = 5.0
"""How long one call goes on without any document settled before its caller is told."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.25, 2.0

log = get_logger("elastic")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a document."""

    item: Item
    verdict: Verdict
    reason: str = ""


@dataclass(slots=True)
class _Round:
    """One call's documents that wait, who hears of their fate, and the indices it made."""

    waiting: deque[Item]
    settle: Callable[[Settled], None]
    make: Callable[[str], bool]
    made: dict[str, bool] = field(default_factory=dict)


class Bulk:
    """Sends documents until each is settled."""

    def __init__(self, client: Elasticsearch, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._width = DOCUMENTS_MAX
        self._problem = ""
        self._stopped = False
        # What was sent and is not settled, also by a call that gave up; and of that, what may be
        # there already.
        self._sent: set[str] = set()
        self._unsure: set[str] = set()

    def send(
        self,
        items: Iterable[Item],
        settle: Callable[[Settled], None],
        make: Callable[[str], bool],
    ) -> None:
        """Send documents and call ``settle`` for each, as its fate becomes known.

        ``make`` is called for an index that is missing: it makes it and says True, or False if
        there must be none any more. What is settled is NEW, KNOWN, MISSING or REFUSED.

        Raises:
            NeighbourError: nothing was settled for ``PATIENCE_S``; the rest is still unsettled.
        """
        round_ = _Round(deque(items), settle, make)
        pause_s, quiet_s = PAUSE_FIRST_S, self._clock.monotonic_s()
        while round_.waiting:
            part = self._take(round_.waiting)
            left, progress = self._turn(part, round_)
            round_.waiting.extendleft(reversed(left))
            if progress:
                pause_s, quiet_s = PAUSE_FIRST_S, self._clock.monotonic_s()
            if not left:
                self._stopped = False
                self._width = min(self._width * 2, DOCUMENTS_MAX)
                continue
            if self._clock.monotonic_s() - quiet_s >= PATIENCE_S:
                raise NeighbourError(f"Elasticsearch takes no alerts: {self._problem}")
            if not progress:
                self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
        self._sent.clear()
        self._unsure.clear()

    def _take(self, waiting: deque[Item]) -> list[Item]:
        """Take the documents of one request: those that may be there already by themselves."""
        part: list[Item] = []
        while waiting and self._is_unsure(waiting[0]) and len(part) < DOCUMENTS_MAX:
            part.append(waiting.popleft())
        if part:
            return part
        size = 0
        while waiting and len(part) < self._width and not self._is_unsure(waiting[0]):
            size += waiting[0].size
            if part and size > BYTES_MAX:
                break
            part.append(waiting.popleft())
        return part

    def _is_unsure(self, item: Item) -> bool:
        return item.id in self._unsure and not item.replaces

    def _turn(self, part: Sequence[Item], round_: _Round) -> tuple[list[Item], bool]:
        """Send a part once; return what is left of it, in order, and whether anything was won."""
        if self._is_unsure(part[0]):
            return self._look(part, round_)
        try:
            answers = self._post(part)
        except ApiError as error:
            return self._whole(part, error, round_)
        except TransportError as error:
            if not never_arrived(error):
                self._sent.update(item.id for item in part)
                self._unsure.update(item.id for item in part)
            self._shrink(reason_of(error))
            return list(part), False
        self._sent.update(item.id for item in part)
        known = len(round_.made)
        left = [
            item
            for item, answer in zip(part, answers, strict=True)
            if not self._settle(item, answer, round_)
        ]
        return left, len(left) < len(part) or len(round_.made) > known

    def _look(self, part: Sequence[Item], round_: _Round) -> tuple[list[Item], bool]:
        """Settle what is there already of documents that may be, and return the rest."""
        try:
            kept = self._are_kept(part)
        except (ApiError, TransportError) as error:
            self._shrink(reason_of(error))
            return list(part), False
        self._unsure.difference_update(item.id for item in part)
        for item in part:
            if item.id in kept:
                round_.settle(Settled(item, Verdict.KNOWN))
        return [item for item in part if item.id not in kept], bool(kept)

    def _are_kept(self, items: Sequence[Item]) -> set[str]:
        """Return the ids of those documents that are there: also what no search finds yet."""
        asked = [{"_index": item.index, "_id": item.id} for item in items]
        answer = self._client.options(max_retries=1).mget(docs=asked, source=False)
        return {doc["_id"] for doc in answer["docs"] if doc.get("found")}

    def _settle(self, item: Item, answer: tuple[int, Any], round_: _Round) -> bool:
        """Settle a document by its answer, or return False."""
        status, error = answer
        verdict = judge(status, error)
        if verdict is Verdict.MISSING and self._is_made(item.index, told(status, error), round_):
            return False
        if verdict is Verdict.AGAIN:
            self._problem = told(status, error)
            return False
        if verdict is Verdict.WAIT:
            self._shrink(told(status, error))
            return False
        round_.settle(Settled(item, verdict, told(status, error)))
        return True

    def _is_made(self, index: str, problem: str, round_: _Round) -> bool:
        """Make a missing index; return False if there must be none, so that it stays missing."""
        self._problem = problem
        if index not in round_.made:
            try:
                round_.made[index] = round_.make(index)
            except NeighbourError as error:
                self._shrink(str(error))
                return True
        return round_.made[index]

    def _whole(
        self, part: Sequence[Item], error: ApiError, round_: _Round
    ) -> tuple[list[Item], bool]:
        """Judge an answer that is about the request as a whole."""
        if error.status_code not in {BAD_REQUEST, TOO_LARGE}:
            self._shrink(reason_of(error))
            return list(part), False
        if len(part) == 1:
            round_.settle(Settled(part[0], Verdict.REFUSED, reason_of(error)))
            return [], True
        # One of them is at fault: halves, until it stands alone.
        self._width, self._problem = len(part) // 2, reason_of(error)
        return list(part), True

    def _shrink(self, problem: str) -> None:
        if not self._stopped:
            log.warning("Elasticsearch takes nothing now", reason=problem)
        self._width, self._problem, self._stopped = 1, problem, True

    def _post(self, part: Sequence[Item]) -> list[tuple[int, Any]]:
        """Return status and error of each document.

        Raises:
            TransportError: no answer, or one that cannot be read.
            ApiError: the answer is about the whole request.
        """
        # The client sends lines that are bytes as they are; its types know of mappings only.
        ALERTS_REPEATED.inc(sum(item.id in self._sent for item in part))
        lines = [line for item in part for line in (item.action, item.source)]
        answer = self._client.bulk(
            operations=cast("Sequence[Mapping[str, Any]]", lines),
            filter_path=["items.*.status", "items.*.error"],
        )
        try:
            items = [next(iter(item.values())) for item in answer.body["items"]]
            found = [(int(item["status"]), item.get("error")) for item in items]
        except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise TransportError(f"an answer that is none: {str(answer.body)[:100]}") from error
        if len(found) != len(part):
            raise TransportError(f"an answer of {len(found)} items for {len(part)}")
        return found
