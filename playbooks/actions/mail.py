"""`send-mail` and `notify-organisation`: a mail through the configured server, always over TLS."""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from playbooks.actions.action import (
    Action,
    ActionFailedError,
    ActionUnclearError,
    Effect,
    Order,
    Outcome,
    Plan,
)
from playbooks.actions.kinds import Arguments, Line, Mail, Text, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import ContactConfig, MailConfig


class MailArguments(Arguments):
    """Who is told what."""

    to: list[Mail] = Field(min_length=1, max_length=20)
    subject: Line
    text: Text


class NoticeArguments(Arguments):
    """Which organisation is told what."""

    organization: Word
    subject: Line
    text: Text


class Mailer:
    """Speaks to the mail server."""

    def __init__(self, settings: MailConfig) -> None:
        self._settings = settings

    def check(self, to: Sequence[str]) -> None:
        """Refuse recipients that are not allowed; raises ``ActionFailedError``."""
        if not self._settings.host:
            raise ActionFailedError("no mail server is configured (playbooks.mail.host)")
        for address in to:
            domain = "@" + address.rsplit("@", 1)[-1].lower()
            allowed = {each.lower() for each in self._settings.recipients}
            if address.lower() not in allowed and domain not in allowed:
                raise ActionFailedError(f"{address} may not be written to")

    def send(self, to: Sequence[str], subject: str, text: str, key: str) -> None:
        """Send one mail; its Message-ID tells a repetition by its key."""
        self.check(to)
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(to)
        message["Subject"] = subject
        message["Date"] = formatdate()
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{name}@{self._settings.sender.rsplit('@', 1)[-1]}>"
        message.set_content(text)
        with contextlib.ExitStack() as stack:
            server = self._connect(stack)
            refused = _send(server, message)
        if refused:
            raise ActionUnclearError(f"some recipients were refused: {', '.join(refused)}")

    def _connect(self, stack: contextlib.ExitStack) -> smtplib.SMTP:
        """Return a connection with TLS and login, which ``stack`` closes."""
        settings = self._settings
        ca_file = str(settings.ca_file) if settings.ca_file else None
        context = ssl.create_default_context(cafile=ca_file)
        at, wait = (settings.host, settings.port), settings.timeout_s
        try:
            server: smtplib.SMTP
            if settings.security == "tls":
                server = smtplib.SMTP_SSL(*at, timeout=wait, context=context)
            else:
                server = smtplib.SMTP(*at, timeout=wait)
            stack.callback(server.close)
            if settings.security == "starttls":
                # Raises where the server has no STARTTLS: a mail never goes in the clear.
                server.starttls(context=context)
            if settings.user and settings.password_file:
                server.login(settings.user, settings.password_file.read_text().strip())
        except (smtplib.SMTPException, OSError) as error:
            raise ActionFailedError(f"the mail server was not reached: {error}") from error
        return server


def _send(server: smtplib.SMTP, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Send a message and return who was refused."""
    try:
        return server.send_message(message)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        raise ActionFailedError(f"the mail server refused the mail: {error}") from error
    except (smtplib.SMTPException, OSError) as error:
        # From here on it may lie in a queue already.
        raise ActionUnclearError(f"the mail server did not say: {error}") from error


class SendMail(Action[MailArguments]):
    """Sends one mail to allowed recipients."""

    name = "send-mail"
    arguments = MailArguments
    effect: ClassVar[Effect] = "tells"

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    def plan(self, given: MailArguments) -> Plan:
        self._mailer.check(given.to)
        who = ", ".join(given.to)
        return Plan(f"mail {who}: {given.subject}", f"gửi thư cho {who}: {given.subject}")

    def run(self, given: MailArguments, order: Order) -> Outcome:
        self._mailer.send(given.to, given.subject, given.text, order.key)
        return Outcome(f"mailed {', '.join(given.to)}")


class NotifyOrganisation(Action[NoticeArguments]):
    """Sends a mail to the contact of an organisation."""

    name = "notify-organisation"
    arguments = NoticeArguments
    effect: ClassVar[Effect] = "tells"

    def __init__(self, mailer: Mailer, contacts: Sequence[ContactConfig]) -> None:
        self._mailer = mailer
        self._contacts = {contact.organization: contact.mail for contact in contacts}

    def plan(self, given: NoticeArguments) -> Plan:
        to = self._contact(given)
        return Plan(
            f"mail {given.organization} ({to}): {given.subject}",
            f"báo cho {given.organization} ({to}): {given.subject}",
        )

    def run(self, given: NoticeArguments, order: Order) -> Outcome:
        to = self._contact(given)
        self._mailer.send([to], given.subject, given.text, order.key)
        return Outcome(f"told {given.organization} at {to}")

    def _contact(self, given: NoticeArguments) -> str:
        to = self._contacts.get(given.organization)
        if to is None:
            raise ActionFailedError(f"{given.organization} has no contact (playbooks.contacts)")
        self._mailer.check([to])
        return to
