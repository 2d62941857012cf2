"""The section of the configuration about response playbooks: where their actions may reach."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from luytre.core.config_section import Section

ArgumentKind = Literal["address", "host", "account", "word", "hash"]


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ipaddress.ip_network(value)
    return values


class DestinationConfig(Section):
    """Where HTTP requests may go."""

    url: str = Field(
        description="Requests to this URL and to what lies below it are allowed: scheme, host, port and path must be the same."
    )
    networks: tuple[str, ...] = Field(
        (),
        description="Networks that its addresses must lie in, as `10.0.0.0/8`; without any, only public addresses are connected to.",
    )
    token_file: Path | None = Field(
        None, description="A file with the secret that is sent along; playbooks never see it."
    )
    token_header: str = Field("Authorization", description="The header that carries the secret.")
    token_prefix: str = Field("Bearer ", description="What stands before the secret.")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the machine's."
    )
    deadline_s: float = Field(
        30, gt=0, le=300, description="Seconds that one whole exchange may take."
    )

    _networks = field_validator("networks")(_networks)


class ChannelConfig(DestinationConfig):
    """A chat or another webhook."""

    name: str = Field(description="How playbooks name it.")
    kind: Literal["telegram", "teams", "zalo", "generic"] = Field(
        "generic",
        description="Which form of message is sent. `telegram` and `zalo` are bots: `{token}` in the URL is replaced by the secret.",
    )
    chat: str = Field("", description="The chat's id, for `telegram` and `zalo`.")


class MailConfig(Section):
    """The mail server that playbooks send through."""

    host: str = Field("", description="The mail server; without one nothing is sent.")
    port: int = Field(587, gt=0, lt=2**16, description="Its port.")
    security: Literal["starttls", "tls"] = Field(
        "starttls", description="TLS is always used: after STARTTLS, or from the start."
    )
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the machine's."
    )
    user: str = Field("", description="The account to log in with; empty: none.")
    password_file: Path | None = Field(None, description="A file with its password.")
    sender: str = Field("", description="The address that mails come from.")
    recipients: tuple[str, ...] = Field(
        (), description="Who may be written to: addresses, or whole domains as `@example.gov.vn`."
    )
    timeout_s: float = Field(30, gt=0, description="Seconds to wait for the server.")


class FirewallConfig(DestinationConfig):
    """A FortiGate."""

    name: str = Field(description="How playbooks name it.")
    group: str = Field(
        "luytre-blocked",
        description="The address group that its administrator has made a policy deny.",
    )
    vdom: str = Field("root", description="The virtual domain.")


class NftablesConfig(Section):
    """The packet filter of this machine."""

    enabled: bool = Field(False, description="Let playbooks add and delete blocked addresses.")  # noqa: FBT003
    program: Path = Field(Path("/usr/sbin/nft"), description="The program `nft`.")
    table: str = Field("luytre", description="The table (family `inet`) with the two sets.")
    set4: str = Field("blocked4", description="The set of IPv4 addresses.")
    set6: str = Field("blocked6", description="The set of IPv6 addresses.")
    namespace: str = Field("", description="The network namespace it is in; empty: the machine's.")


class DirectoryConfig(Section):
    """A directory (Active Directory or LDAP) whose accounts may be disabled."""

    name: str = Field(description="How playbooks name it.")
    url: str = Field(description="`ldaps://host:port`, or `ldap://host:port`, which must STARTTLS.")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the machine's."
    )
    user: str = Field(description="The distinguished name that binds.")
    password_file: Path = Field(description="A file with its password.")
    search_in: str = Field(description="The distinguished name that accounts lie below.")
    account_attribute: str = Field(
        "sAMAccountName", description="The attribute that holds an account's name."
    )
    domains: tuple[str, ...] = Field(
        (),
        description="The names of its domain in accounts, as `MINHHA` of `MINHHA\\lan` and `minhha.example` of `lan@minhha.example`; an account of another domain is refused.",
    )
    kind: Literal["active-directory", "attribute"] = Field(
        "active-directory",
        description="How an account is disabled: a bit of `userAccountControl`, or an attribute that gets a value.",
    )
    attribute: str = Field(
        "pwdAccountLockedTime", description="For `attribute`: the attribute that is set."
    )
    disabled_value: str = Field("000001010000Z", description="For `attribute`: its value.")
    timeout_s: float = Field(15, gt=0, description="Seconds to wait for the server.")


class CommandConfig(Section):
    """A program of this machine that playbooks may run."""

    name: str = Field(description="How playbooks name it.")
    program: Path = Field(description="The program's absolute path; no shell is involved.")
    fixed: tuple[str, ...] = Field((), description="Arguments that always come first.")
    arguments: tuple[ArgumentKind, ...] = Field(
        (), description="The kinds of the arguments that a playbook gives, in order."
    )
    user: str = Field(
        "nobody", description="Whom it runs as; Luytre must be root to change, else be that user."
    )
    network: bool = Field(False, description="Let it reach the network.")  # noqa: FBT003
    repeats: bool = Field(False, description="Running it twice is as running it once.")  # noqa: FBT003
    approvals: int = Field(1, ge=0, le=5, description="How many people must agree before it runs.")
    timeout_s: float = Field(60, gt=0, le=3600, description="Seconds until it is killed.")
    memory_mib: int = Field(256, ge=16, description="MiB of address space.")
    processes_max: int = Field(64, ge=1, description="Processes of its user.")
    file_mib: int = Field(16, ge=1, description="MiB that a file it writes may have.")
    output_bytes_max: int = Field(65_536, ge=1, description="Bytes of its output that are kept.")

    @field_validator("program")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError("must be absolute")
        return value


class IsolationConfig(DestinationConfig):
    """The webhook of an EDR that isolates hosts."""

    name: str = Field(description="How playbooks name it.")


class TicketConfig(DestinationConfig):
    """The webhook of a ticket system."""

    name: str = Field(description="How playbooks name it.")


class NeverTouchConfig(Section):
    """What no playbook may block, disable, or isolate, whoever approves it."""

    addresses: tuple[str, ...] = Field((), description="Addresses and networks.")
    accounts: tuple[str, ...] = Field((), description="Account names.")
    hosts: tuple[str, ...] = Field((), description="Host names.")

    _networks = field_validator("addresses")(_networks)


class ContactConfig(Section):
    """Who is told at an organisation."""

    organization: str = Field(description="The organisation's id.")
    mail: str = Field(description="The address that notices go to.")


class ApprovalsConfig(Section):
    """How people are reminded of steps that wait for them. No step ever stops waiting."""

    channel: str = Field("", description="The channel that is told; without one, nobody is.")
    escalation_channel: str = Field(
        "", description="The channel that is told when it takes too long."
    )
    remind_after_minutes: int = Field(60, gt=0, description="Minutes between two reminders.")
    escalate_after_minutes: int = Field(240, gt=0, description="Minutes that are too long.")
    reminders_max: int = Field(24, gt=0, description="Reminders of one step at the most.")


class PlaybooksConfig(Section):
    """Response playbooks."""

    paths: tuple[Path, ...] = Field(
        (),
        description="More playbooks: files or folders of CACAO 2.0, YAML or JSON. One with the id of a playbook that comes with Luytre replaces it.",
    )
    never_touch: NeverTouchConfig = Field(
        default_factory=NeverTouchConfig,
        description="What no playbook may block, disable, or isolate.",
    )
    approvals: ApprovalsConfig = Field(
        default_factory=ApprovalsConfig, description="Reminders of what waits for people."
    )
    http: tuple[DestinationConfig, ...] = Field(
        (), description="Where the action `http-request` may reach; nowhere without."
    )
    channels: tuple[ChannelConfig, ...] = Field((), description="Chats and other webhooks.")
    mail: MailConfig = Field(default_factory=MailConfig, description="The mail server.")
    contacts: tuple[ContactConfig, ...] = Field((), description="Contacts of organisations.")
    fortigates: tuple[FirewallConfig, ...] = Field((), description="FortiGate firewalls.")
    nftables: NftablesConfig = Field(
        default_factory=NftablesConfig, description="The packet filter of this machine."
    )
    directories: tuple[DirectoryConfig, ...] = Field((), description="Directories of accounts.")
    isolation: tuple[IsolationConfig, ...] = Field((), description="EDR webhooks.")
    tickets: tuple[TicketConfig, ...] = Field((), description="Ticket systems.")
    commands: tuple[CommandConfig, ...] = Field((), description="Local programs.")
