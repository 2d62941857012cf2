"""`http-request`: one request to an allowed destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from playbooks.actions.action import Action, Effect, Order, Outcome, Plan
from playbooks.actions.door import expect
from playbooks.actions.kinds import Arguments, Line

if TYPE_CHECKING:
    from playbooks.actions.door import Door


class HttpArguments(Arguments):
    """What is asked of whom. ``body`` is sent as JSON."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    url: Line = Field(max_length=2048)
    body: dict[str, Any] | None = None


class HttpRequest(Action[HttpArguments]):
    """Sends one request. Everything but GET may change something, so it never goes out twice."""

    name = "http-request"
    arguments = HttpArguments
    effect: ClassVar[Effect] = "tells"

    def __init__(self, door: Door) -> None:
        self._door = door

    def plan(self, given: HttpArguments) -> Plan:
        self._door.allows(given.url)
        asked = f"{given.method} {given.url}"
        return Plan(f"send {asked}", f"gửi {asked}")

    def run(self, given: HttpArguments, order: Order) -> Outcome:
        headers = {"Idempotency-Key": order.key}
        answer = expect(self._door.send(given.method, given.url, given.body, headers), given.url)
        text = answer.body.decode(errors="backslashreplace")
        return Outcome(f"{given.url} answered {answer.status}", {"answer": text[:4096]})
