"""A firewall, an EDR and chats that keep what they were told, and people who answer runs."""

from typing import Any

from luytre.core.config_playbooks import PlaybooksConfig
from tests.playbooks.case import REMIND, ours, person
from tests.playbooks.servers import Recorder

LAN, NAM, MAI = person("lan"), person("nam"), person("mai")
HERE = ("127.0.0.0/8",)
BLOCK = ours("block-address", address="203.0.113.9", firewall="fw")
ISOLATE = ours("isolate-host", host="pc-1", edr="edr")
TELL = ours("send-message", channel="duty", text="look")


class World:
    """A firewall, an EDR, and chats, with everything they were told."""

    def __init__(self, firewall: Recorder, edr: Recorder, chat: Recorder) -> None:
        self.firewall, self.edr, self.chat = firewall, edr, chat

    def settings(self, **more: Any) -> PlaybooksConfig:
        return PlaybooksConfig.model_validate({
            "fortigates": ({"name": "fw", "url": self.firewall.url, "networks": HERE},),
            "isolation": ({"name": "edr", "url": f"{self.edr.url}/hook", "networks": HERE},),
            "channels": tuple({"name": n, "url": f"{self.chat.url}/{n}", "networks": HERE} for n in ("duty", "lead")),
            "approvals": REMIND.model_dump(),
            **more,
        })  # fmt: skip

    @property
    def blocked(self) -> int:
        return len(self.firewall.state.get("there", ()))
