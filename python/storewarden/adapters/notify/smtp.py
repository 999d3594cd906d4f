# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail over SMTP, with the report attached.

The connection is encrypted (``security: starttls`` or ``tls``) unless the site says ``none``,
and a password is never sent without. One connection per message: notifications are rare, and
a mail server closes idle ones. When some recipients are refused the others have the mail;
that is an error that a person has to look at, never a repetition to everybody.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Buffer
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from storewarden.adapters.http_client import authorities
from storewarden.adapters.notify.settings import ChannelSettings, key_of
from storewarden.adapters.notify.transport import said
from storewarden.adapters.notify.wording import headline, sendable
from storewarden.adapters.settings import ListOf, SecretRef, wrong
from storewarden.domain.errors import AdapterError
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secret, Secrets
from storewarden.ports.tickets import Attachment

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _address(value: str) -> str:
    if value.count("@") != 1 or any(c.isspace() or c in "<>,;" for c in value):
        raise wrong("must be a plain address like ops@example.com")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Settings(ChannelSettings):
    """``port`` 0 is the usual one of ``security``; ``to`` are told of everything, besides the
    people a message names; attachments above ``largest_attachments_mb`` together stay behind."""

    host: str
    port: int = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretRef | None = None
    sender: Address
    to: ListOf[Address] = ()
    ca_file: str = ""
    largest_attachments_mb: int = 10

    @model_validator(mode="after")
    def _login_is_whole_and_encrypted(self) -> Settings:
        if bool(self.user) != (self.password is not None):
            raise wrong("user and password go together")
        if self.user and self.security == "none":
            raise wrong("a password is not sent without starttls or tls")
        return self


class _Heard(smtplib.SMTP):
    """Keeps what the server says when it takes a mail: its queue's number, for who searches."""

    answer = ""

    def data(self, msg: Buffer | str) -> tuple[int, bytes]:
        """As the library's."""
        code, words = super().data(msg)
        self.answer = f"{code} {_text(words)}"
        return code, words


class _HeardTls(_Heard, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


class Smtp:
    """One mail server and its recipients."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Nothing is asked of the server yet. Raises ConfigInvalid for a bad CA file."""
        self.name = name
        self._settings = settings
        self._secrets = secrets
        self._where = f"{name} ({settings.host})"
        self._tls = authorities(key_of(name), settings.ca_file)

    def send(self, message: Message) -> str:
        """One mail to all; AdapterError unless the server took it for every recipient."""
        to = tuple(dict.fromkeys((*self._settings.to, *message.to)))
        if not to:
            raise AdapterError(
                "nobody to send it to", where=self._where, hint="set 'to' of this channel"
            )
        mail = self._mail(message, to)
        secret = self._secrets.read(self._settings.password) if self._settings.password else None
        hidden = (secret,) if secret else ()
        try:
            refused, answer = self._delivered(mail, to, secret)
        except (smtplib.SMTPException, OSError) as error:
            raise self._failure(error, hidden) from None
        if refused:
            names = ", ".join(sorted(refused))
            raise AdapterError(
                f"refused for {names}; the other recipients have it",
                where=self._where,
                hint=f"correct the address, then storewarden outbox skip notify:{self.name}",
            )
        return said(answer, hidden)

    def shut(self) -> None:
        """Nothing is held between two messages."""

    def _delivered(
        self, mail: EmailMessage, to: tuple[str, ...], secret: Secret | None
    ) -> tuple[dict[str, tuple[int, bytes]], str]:
        """Whom the server refused, and what it said to the mail itself."""
        settings = self._settings
        port = settings.port or _PORTS[settings.security]
        if settings.security == "tls":
            server: _Heard = _HeardTls(
                settings.host, port, timeout=settings.timeout_seconds, context=self._tls
            )
        else:
            server = _Heard(settings.host, port, timeout=settings.timeout_seconds)
        try:
            if settings.security == "starttls":
                server.starttls(context=self._tls)
            if secret is not None:
                server.login(settings.user, secret.reveal().strip())
            refused = server.send_message(mail, from_addr=settings.sender, to_addrs=to)
            return refused, server.answer
        finally:
            with suppress(smtplib.SMTPException, OSError):  # taken is taken, whatever comes now
                server.quit()
            server.close()

    def _mail(self, message: Message, to: tuple[str, ...]) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = headline(message.title)
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(to)
        mail["Date"] = formatdate(localtime=False)
        mail["Message-ID"] = make_msgid(domain=self._settings.sender.partition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # nobody's holiday answer comes back
        if message.urgent:
            mail["Importance"] = "high"
            mail["X-Priority"] = "1"
        kept = self._kept(message.attachments)
        text = sendable(message.text) + _left_out(message.attachments, kept) + "\n"
        mail.set_content(text, cte="base64")  # also for servers that know seven bits only
        for each in kept:
            main, _, sub = each.media_type.partition("/")
            mail.add_attachment(
                each.content,
                maintype=main or "application",
                subtype=sub.partition(";")[0] or "octet-stream",
                filename=each.name,
            )
        return mail

    def _kept(self, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        room = self._settings.largest_attachments_mb * 1024 * 1024
        kept = []
        for each in attachments:
            if len(each.content) <= room:
                room -= len(each.content)
                kept.append(each)
        return tuple(kept)

    def _failure(self, error: Exception, hidden: tuple[Secret, ...]) -> AdapterError:
        code, words = _answer(error)
        hint, retryable = "", code < 500
        if isinstance(error, ssl.SSLCertVerificationError):
            hint, retryable = "trust its authority with ca_file, or correct the host", False
        elif isinstance(error, smtplib.SMTPNotSupportedError):
            hint, retryable = "the server does not offer what 'security' or 'user' need", False
        elif isinstance(error, smtplib.SMTPAuthenticationError) and not retryable:
            hint = "user or password are wrong"
        return AdapterError(
            said(f"{code} {words}" if code else words, hidden),
            where=self._where,
            hint=hint,
            retryable=retryable,
        )


def _answer(error: Exception) -> tuple[int, str]:
    """The server's number (0: none came) and words."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        worst = max(error.recipients.values(), key=lambda answer: answer[0])
        names = ", ".join(sorted(error.recipients))
        return worst[0], f"{_text(worst[1])} (all recipients: {names})"
    if isinstance(error, smtplib.SMTPResponseException):
        return max(error.smtp_code, 0), _text(error.smtp_error)
    return 0, str(error) or type(error).__name__


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words


def _left_out(all_of_them: tuple[Attachment, ...], kept: tuple[Attachment, ...]) -> str:
    missing = [each.name for each in all_of_them if each not in kept]
    if not missing:
        return ""
    names = ", ".join(missing)
    return f"\n\n附件过大，未附上 · too large to attach: {names}"


def connect(name: str, settings: Settings, secrets: Secrets) -> Smtp:
    """The channel ``name``."""
    return Smtp(name, settings, secrets)
