"""`send-message`: a message to a configured chat (Telegram, Teams, Zalo) or another webhook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from playbooks.actions.action import Action, ActionFailedError, Effect, Order, Outcome, Plan
from playbooks.actions.door import Door, Resolve, expect, system_resolve
from playbooks.actions.kinds import Arguments, Text, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import ChannelConfig
    from playbooks.actions.door import Answer


CHARACTERS_MAX = {"telegram": 4_096, "zalo": 2_000}
"""What a bot may say at once."""


class MessageArguments(Arguments):
    """Which channel is told what."""

    channel: Word
    text: Text


class SendMessage(Action[MessageArguments]):
    """Posts one message, in the form that the chat takes.

    Telegram: core.telegram.org/bots/api#sendmessage (1 to 4,096 characters; ``ok`` in the answer).
    Zalo: docs.zaloplatforms.com/docs/BOT/apis/sendMessage (1 to 2,000 characters; an error may come
    with HTTP 200 and ``ok: false``). Teams: learn.microsoft.com/connectors/teams, a workflow "when
    a webhook request is received" takes a message with an adaptive card.
    """

    name = "send-message"
    arguments = MessageArguments
    effect: ClassVar[Effect] = "tells"

    def __init__(
        self, channels: Sequence[ChannelConfig], resolve: Resolve = system_resolve
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._resolve = resolve

    def plan(self, given: MessageArguments) -> Plan:
        channel = self._channel(given)
        return Plan(
            f"tell {channel.name} ({channel.kind}): {given.text}",
            f"nhắn vào {channel.name} ({channel.kind}): {given.text}",
        )

    def run(self, given: MessageArguments, order: Order) -> Outcome:
        channel = self._channel(given)
        url, bare = _addressed(channel)
        door = Door([bare], self._resolve)
        headers = {"Idempotency-Key": order.key}
        answer = expect(door.send("POST", url, _form(channel, given.text), headers), channel.name)
        _agreed(answer, channel)
        return Outcome(f"told {channel.name}")

    def _channel(self, given: MessageArguments) -> ChannelConfig:
        channel = self._channels.get(given.channel)
        if channel is None:
            raise ActionFailedError(f"no channel is named {given.channel} (playbooks.channels)")
        return channel


def _addressed(channel: ChannelConfig) -> tuple[str, ChannelConfig]:
    """Return a channel's URL with its secret in it, and the channel without a header for it."""
    if "{token}" not in channel.url or channel.token_file is None:
        return channel.url, channel
    try:
        token = channel.token_file.read_text().strip()
    except OSError as error:
        raise ActionFailedError(f"{channel.token_file}: {error.strerror}") from error
    url = channel.url.replace("{token}", token)
    return url, channel.model_copy(update={"url": url, "token_file": None})


def _agreed(answer: Answer, channel: ChannelConfig) -> None:
    """Raise ``ActionFailedError`` if a bot's platform took the request and refused the message."""
    if channel.kind not in CHARACTERS_MAX:
        return
    try:
        said = json.loads(answer.body)
    except ValueError:
        return
    if isinstance(said, dict) and said.get("ok") is False:
        raise ActionFailedError(f"{channel.name} refused it: {str(said.get('error_code'))[:40]}")


def _form(channel: ChannelConfig, text: str) -> dict[str, Any]:
    match channel.kind:
        case "telegram" | "zalo":
            most = CHARACTERS_MAX[channel.kind]
            shown = text if len(text) <= most else text[: most - 1] + "…"
            return {"chat_id": channel.chat, "text": shown}
        case "teams":
            card = {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [{"type": "TextBlock", "text": text, "wrap": True}],
            }
            kind = "application/vnd.microsoft.card.adaptive"
            return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
        case "generic":
            return {"text": text}
