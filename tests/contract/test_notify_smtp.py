# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail against a real SMTP server: encryption, login, Chinese, attachments, refusals."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from storewarden.adapters.notify import connect_sender
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.notifications import Message, Sender
from storewarden.ports.tickets import Attachment
from storewarden.testing.conformance_notify import TEXT, TITLE, SenderConformance, failure
from storewarden.testing.secrets import MemorySecrets
from tests.contract.mail_server import (
    PASSWORD,
    USER,
    Mailbox,
    mail_server,
    texts,
    write_certificates,
)

REFERENCE = "file:/etc/storewarden/mail-password"
SECRETS = MemorySecrets({REFERENCE: PASSWORD + "\n"})
HELLO = Message(title=TITLE, text=TEXT)
REPORT = Attachment(
    name="审计报告 2026-06-01.html",
    media_type="text/html",
    content="<!doctype html>\r\n<p>得分 97 %</p>\n".encode(),
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


def smtp(port: int, certificates: Path, secrets: MemorySecrets = SECRETS, **keys: object) -> Sender:
    values: dict[str, object] = {
        "host": "127.0.0.1", "port": port, "security": "starttls", "user": USER,
        "password": REFERENCE, "sender": "storewarden@example.com", "to": ["ops@example.com"],
        "ca_file": str(certificates / "ca.pem"), "timeout_seconds": 60.0, **keys,
    }  # fmt: skip
    return connect_sender("mail", "smtp", {k: v for k, v in values.items() if v != ""}, secrets)


class MailInbox:
    """The mailbox as the suite wants it."""

    def __init__(self, box: Mailbox) -> None:
        self.box = box

    def texts(self) -> Sequence[str]:
        return texts(self.box.mails)

    @contextmanager
    def _saying(self, words: str) -> Iterator[None]:
        self.box.at_data = words
        try:
            yield
        finally:
            self.box.at_data = ""

    def down(self) -> AbstractContextManager[None]:
        return self._saying("421 Service not available, closing channel")

    def busy(self) -> AbstractContextManager[None]:
        return self._saying("450 mailbox busy")

    def refusing(self) -> AbstractContextManager[None]:
        return self._saying("550 no such user here")

    def secrets(self) -> Sequence[str]:
        return (PASSWORD,)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def inbox(box: Mailbox) -> MailInbox:
    return MailInbox(box)


@pytest.fixture
def port(box: Mailbox, certificates: Path) -> Iterator[int]:
    with mail_server(box, certificates, "starttls") as port:
        yield port


@pytest.fixture
def sender(port: int, certificates: Path) -> Sender:
    return smtp(port, certificates)


class TestMail(SenderConformance):
    """Over STARTTLS with a login."""


def test_the_servers_own_words_come_back(sender: Sender) -> None:
    assert sender.send(HELLO) == "250 taken"


class TestHowAMailLooks:
    """What arrives at the reader."""

    def test_headers(self, sender: Sender, box: Mailbox) -> None:
        sender.send(Message(title=TITLE, text=TEXT, urgent=True, to=("li.na@example.com",)))
        (mail,) = box.mails
        assert mail["Subject"] == TITLE
        assert mail["To"] == "ops@example.com, li.na@example.com"
        assert box.recipients == [["ops@example.com", "li.na@example.com"]]
        assert mail["Importance"] == "high"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Message-ID"].endswith("@example.com>")
        assert mail["Date"]

    def test_an_address_named_twice_gets_one(self, sender: Sender, box: Mailbox) -> None:
        sender.send(Message(title=TITLE, text=TEXT, to=("ops@example.com",)))
        assert box.recipients == [["ops@example.com"]]

    def test_the_report_is_attached_byte_for_byte(self, sender: Sender, box: Mailbox) -> None:
        other = Attachment(name="b.bin", media_type="odd", content=bytes(range(256)))
        sender.send(Message(title=TITLE, text=TEXT, attachments=(REPORT, other)))
        first, second = box.mails[0].iter_attachments()
        assert first.get_filename() == REPORT.name
        assert first.get_content_type() == "text/html"
        assert first.get_payload(decode=True) == REPORT.content
        assert second.get_payload(decode=True) == other.content

    def test_what_is_too_large_stays_behind_and_is_named(
        self, port: int, certificates: Path, box: Mailbox
    ) -> None:
        large = Attachment(name="large.html", media_type="text/html", content=b"x" * 1_100_000)
        sender = smtp(port, certificates, largest_attachments_mb=1)
        sender.send(Message(title=TITLE, text=TEXT, attachments=(large, REPORT)))
        assert [part.get_filename() for part in box.mails[0].iter_attachments()] == [REPORT.name]
        assert "large.html" in texts(box.mails)[0]


class TestConnection:
    """Encryption and login."""

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_the_password_travels_encrypted(
        self, box: Mailbox, certificates: Path, security: str
    ) -> None:
        with mail_server(box, certificates, security) as port:
            smtp(port, certificates, security=security).send(HELLO)
        assert box.sessions[0].authenticated
        # aiosmtpd notes STARTTLS; with tls the server understands nothing else
        assert security == "tls" or box.sessions[0].ssl is not None

    def test_a_server_inside_may_need_neither(self, box: Mailbox, certificates: Path) -> None:
        with mail_server(box, certificates, "none", login=False) as port:
            plain = smtp(port, certificates, security="none", user="", password="")
            plain.send(HELLO)
        assert len(box.mails) == 1

    def test_a_certificate_of_nobody_is_permanent(self, port: int, certificates: Path) -> None:
        error = failure(lambda: smtp(port, certificates, ca_file="").send(HELLO))
        assert not error.retryable
        assert "ca_file" in error.hint

    def test_a_server_without_starttls_gets_nothing(self, box: Mailbox, certificates: Path) -> None:
        with mail_server(box, certificates, "none") as port:
            error = failure(lambda: smtp(port, certificates).send(HELLO))
        assert not error.retryable
        assert box.mails == []

    def test_a_wrong_password_is_permanent_and_not_shown(
        self, port: int, certificates: Path
    ) -> None:
        wrong = MemorySecrets({REFERENCE: "another-passw0rd"})
        error = failure(lambda: smtp(port, certificates, wrong).send(HELLO))
        assert not error.retryable
        assert "another-passw0rd" not in str(error)

    def test_nobody_listening_is_retryable(self, certificates: Path) -> None:
        with socket.socket() as taken:  # bound and not listening: refused
            taken.bind(("127.0.0.1", 0))
            sender = smtp(taken.getsockname()[1], certificates)
            assert failure(lambda: sender.send(HELLO)).retryable

    def test_a_mail_that_was_taken_is_taken_whatever_comes_after(
        self, sender: Sender, box: Mailbox
    ) -> None:
        box.at_quit = "421 in trouble"
        sender.send(HELLO)
        assert len(box.mails) == 1


class TestRecipients:
    """Who does not get it is told, and nobody gets it twice for that."""

    def test_one_refused_recipient_is_named_and_permanent(
        self, sender: Sender, box: Mailbox
    ) -> None:
        box.at_rcpt["gone@example.com"] = "550 no such user"
        error = failure(
            lambda: sender.send(Message(title=TITLE, text=TEXT, to=("gone@example.com",)))
        )
        assert not error.retryable
        assert "gone@example.com" in str(error)
        assert box.recipients == [["ops@example.com"]]

    @pytest.mark.parametrize(("words", "retryable"), [("450 later", True), ("550 no", False)])
    def test_all_refused(self, sender: Sender, box: Mailbox, words: str, retryable: bool) -> None:
        box.at_rcpt["*"] = words
        assert failure(lambda: sender.send(HELLO)).retryable is retryable

    def test_nobody_to_send_to(self, port: int, certificates: Path) -> None:
        error = failure(lambda: smtp(port, certificates, to=[]).send(HELLO))
        assert "'to'" in error.hint


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"user": ""}, "go together"),
        ({"security": "none"}, "not sent without"),
        ({"security": "ssl"}, "starttls"),
        ({"sender": "Ops <ops@example.com>"}, "plain address"),
        ({"to": ["a@b", "c d@e"]}, "plain address"),
        ({"ca_file": "/no/such/file"}, "certificate"),
        ({"password": "hunter2-hunter2"}, "must be a reference"),
    ],
)
def test_settings_that_are_wrong_are_one_line(
    certificates: Path, keys: dict[str, object], what: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        smtp(25, certificates, **keys)
    assert what in str(caught.value)
    assert caught.value.where.startswith("notifications.channels.mail")
    assert "hunter2" not in str(caught.value)
