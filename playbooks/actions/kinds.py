"""Kinds of arguments: what an address, a host, an account may look like, checked at every use.

Values come out of logs, so they are hostile. Each kind lists what it allows; none allows a leading
hyphen (an option to a program), control characters, or a second way to write the same address.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63}){0,8}")
_ACCOUNT = re.compile(
    r"([a-z0-9][a-z0-9._-]{0,62}\\)?\w[\w.-]{0,63}\$?(@[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?)?",
    re.ASCII | re.IGNORECASE,
)
r"""``name``, ``DOMAIN\name`` or ``name@realm``; machines and services end in a dollar sign."""

_BUILT_IN = re.compile(
    r"((nt authority|nt service|nt virtual machine|builtin|window manager|font driver host"
    r"|iis apppool|autorite nt)\\.*|(.*\\)?(system|local service|network service|anonymous logon"
    r"|dwm-\d+|umfd-\d+)|s-1-5-(1[89]|20))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_MAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9]([a-z0-9-]{0,62}\.){1,8}[a-z]{2,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MACHINES6 = [ipaddress.ip_network(n) for n in ("2000::/3", "fc00::/7")]
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Arguments(BaseModel):
    """The arguments of an action: typed, none unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _address(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value[:60]!r} is no address") from None
    if str(address) != value:
        raise ValueError(f"{value[:60]!r} is not written as {address}")
    if isinstance(address, ipaddress.IPv6Address) and (
        not any(address in network for network in _MACHINES6) or address.sixtofour or address.teredo
    ):
        raise ValueError(f"{value[:60]!r} is, or hides, no address of a machine")
    if (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or (address.is_reserved and address.version == 4)  # noqa: PLR2004
    ):
        raise ValueError(f"{value[:60]!r} is the address of no single machine elsewhere")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value.lower()) or len(value) > 253:  # noqa: PLR2004
        raise ValueError(f"{value[:60]!r} is no host name")
    return value


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:60]!r} is no {what}")
        return value

    return AfterValidator(check)


def is_built_in(account: str) -> bool:
    """Say whether an account belongs to Windows itself: no directory has it to disable."""
    return _BUILT_IN.fullmatch(account) is not None


def _account(value: str) -> str:
    if is_built_in(value):
        raise ValueError(f"{value[:60]!r} is built into the machine: no directory has it")
    if not _ACCOUNT.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no account name")
    return value


def _mail(value: str) -> str:
    if not _MAIL.fullmatch(value.lower()):
        raise ValueError(f"{value[:60]!r} is no e-mail address")
    return value


def _text(value: str) -> str:
    if _CONTROL.search(value) or _SURROGATE.search(value):
        raise ValueError("holds control characters")
    return value


def _line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise ValueError("must be one line")
    return _text(value)


Address = Annotated[str, Field(max_length=45), AfterValidator(_address)]
Host = Annotated[str, Field(max_length=253), AfterValidator(_host)]
Account = Annotated[str, Field(max_length=190), AfterValidator(_account)]
Word = Annotated[str, Field(max_length=128), _matching(_WORD, "name")]
Mail = Annotated[str, Field(max_length=254), AfterValidator(_mail)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
Text = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_text)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Hash = Annotated[str, _matching(re.compile(r"[0-9a-fA-F]{32,128}"), "hash")]

KINDS = {"address": Address, "host": Host, "account": Account, "word": Word, "hash": Hash}
"""The kinds that a local command's arguments may have."""
