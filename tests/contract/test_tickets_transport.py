# SPDX-License-Identifier: GPL-3.0-or-later
"""What HTTP does to the adapters: certificates, redirects, silence, secrets that change."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storewarden.adapters.tickets.credentials import by_header
from storewarden.adapters.tickets.settings import RestSettings
from storewarden.adapters.tickets.transport import Access, Call, Transport
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.testing.loopback import Answer, LoopbackService, Mishap, Request

TOKEN = "tok-4711-geheim"


class Echo(LoopbackService):
    """Answers with what a test tells it to, else with what it was sent."""

    answer: Callable[[Request], Answer] | None = None

    def handle(self, request: Request) -> Answer:
        if self.answer is not None:
            return self.answer(request)
        return Answer(body={"path": request.path, "query": dict(request.query)})


@pytest.fixture
def service() -> Iterator[Echo]:
    with Echo(None) as service:
        yield service


@contextmanager
def transport(url: str, token: str = TOKEN, **settings: object) -> Iterator[Transport]:
    read = RestSettings(url=url, **settings)  # type: ignore[arg-type]
    opened = Transport("sample", read, lambda: _access(token))
    yield opened
    opened.close()


def _access(token: str) -> Access:
    return Access(headers={"Authorization": f"Bearer {token}"}, secrets=(Secret(token),))


def fails(call: Callable[[], object]) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        call()
    assert TOKEN not in str(caught.value)
    return caught.value


def test_redirects_are_not_followed(service: Echo) -> None:
    """The credentials would go along."""
    service.answer = lambda _: Answer(status=302, headers={"Location": f"{service.url}/other"})
    with transport(service.url) as line:
        assert not fails(lambda: line.get("x")).retryable
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, 0), (401, 0), (403, 0), (404, 0), (408, 1), (409, 0), (412, 0), (413, 0), (422, 0),
     (423, 1), (425, 1), (429, 1), (500, 1), (501, 0), (502, 1), (503, 1), (504, 1)],
)  # fmt: skip
def test_which_answers_are_worth_another_try(service: Echo, status: int, retryable: int) -> None:
    service.answer = lambda _: Answer(status=status, body={"token": TOKEN})
    with transport(service.url) as line:
        error = fails(lambda: line.get("x"))
        assert error.retryable == bool(retryable)
        assert f"sample: GET x: answered {status}" in str(error)
        assert line.send(Call(method="GET", path="x", accept=(status,))).status == status


def test_a_write_without_an_answer_is_not_repeated_too_soon(service: Echo) -> None:
    """It may be done a while later: who looks at once does not find it, and writes it twice."""
    release = threading.Event()

    def late(request: Request) -> Answer:
        release.wait(30)
        return Answer(body={})

    service.answer = late
    try:
        with transport(service.url, timeout_seconds=0.2) as line:
            written = fails(lambda: line.send(Call(method="POST", path="x", json={})))
            asked = fails(lambda: line.get("x"))
    finally:
        release.set()
    assert (written.retryable, asked.retryable) == (True, True)
    assert written.retry_after == datetime.timedelta(minutes=2)
    assert asked.retry_after is None
    service.answer = lambda _: Answer(status=504)
    with transport(service.url) as line:
        gateway = fails(lambda: line.send(Call(method="POST", path="x", json={})))
        assert gateway.retry_after == datetime.timedelta(minutes=2)
        assert fails(lambda: line.get("x")).retry_after is None


def test_the_query_of_a_path_is_sent_and_not_shown(service: Echo) -> None:
    with transport(f"{service.url}/base/") as line:
        assert line.get(f"/a/b?key={TOKEN}").json()["query"] == {"key": TOKEN}
        assert line.get("a", {"q": "ü &"}).json() == {"path": "/base/a", "query": {"q": "ü &"}}
        service.answer = lambda _: Answer(status=400)
        assert "?" not in str(fails(lambda: line.get(f"a?key={TOKEN}")))


def test_a_cut_line_and_a_page_are_retryable(service: Echo) -> None:
    with transport(service.url) as line:
        service.suffer(Mishap.LOST)
        assert fails(lambda: line.get("x")).retryable
        service.suffer(Mishap.PAGE)
        error = fails(lambda: line.get("x").json())
        assert error.retryable


def test_an_answer_that_drips_has_an_end() -> None:
    """Each packet comes in time, the whole never."""

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not stop.wait(0.05):
                    self.wfile.write(b" ")
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    stop = threading.Event()
    with _served(Dripping) as url, transport(url, timeout_seconds=0.2) as line:
        assert fails(lambda: line.get("x")).retryable
        stop.set()


@contextmanager
def _served(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Fine(BaseHTTPRequestHandler):
    """Says {}."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate of 127.0.0.1, trusted by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sample")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_certificates_are_checked(certificate: Path) -> None:
    """Not trusted: permanent, with the key to set. With the CA file, or unchecked, it works."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _served(Fine, context) as url:
        with transport(url) as line:
            error = fails(lambda: line.get("x"))
            assert not error.retryable
            assert "ca_file" in error.hint
        with transport(url, ca_file=certificate) as line:
            assert line.get("x").json() == {}
        with transport(url, verify_tls=False) as line:
            assert line.get("x").json() == {}


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("absent.pem", "empty.pem"):
        with pytest.raises(ConfigInvalid, match=rf"tickets\.sample\.ca_file: .*{name}"):
            Transport("sample", RestSettings(url="https://h", ca_file=tmp_path / name))


def test_proxies_of_the_environment_are_not_used(
    service: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the settings is."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with transport(service.url) as line:
        assert line.get("x").status == 200
    with transport("http://itsm.invalid", proxy=service.url) as line:
        assert line.get("x").status == 200
    assert service.requests[-1].headers["host"] == "itsm.invalid"


class Rotating:
    """Gives each secret once, the last for ever; an exception is raised."""

    def __init__(self, *values: str | Exception) -> None:
        self.values = list(values)

    def read(self, reference: str) -> Secret:
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, Exception):
            raise value
        assert reference == "file:/token"
        return Secret(value)


def _only(token: str) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        fine = request.headers["x-key"] == token
        return Answer(status=200 if fine else 401, body={"you sent": request.headers["x-key"]})

    return answer


def _keyed(url: str, secrets: Rotating) -> Transport:
    return Transport(
        "s", RestSettings(url=url), by_header(secrets, "file:/token", name="X-Key", prefix="")
    )


def test_tokens_may_be_any_text_of_one_line(service: Echo) -> None:
    """UTF-8 on the line; what cannot be a header is a refusal that does not show it."""
    service.answer = lambda request: Answer(body=[request.headers["authorization"]])
    with transport(service.url, "密钥-geheim") as line:
        (sent,) = line.get("x").json()
        assert sent.encode("latin-1").decode() == "Bearer 密钥-geheim"
    with transport(service.url, "two\nlines-密钥") as line:
        error = fails(lambda: line.get("x"))
        assert not error.retryable
        assert "lines" not in str(error)


def test_a_rotated_secret_is_read_again_once(service: Echo) -> None:
    service.answer = _only("new")
    line = _keyed(service.url, Rotating("old", "new"))
    assert line.get("x").status == 200
    line.close()
    line = _keyed(service.url, Rotating("old-secret"))
    with pytest.raises(AdapterError) as caught:
        line.get("x")
    assert "old-secret" not in str(caught.value)
    assert len(service.requests) == 3  # a secret that stayed the same is not sent again
    line.close()


def test_a_vault_that_is_away_at_the_start_is_asked_again(service: Echo) -> None:
    service.answer = _only("good")
    away = AdapterError("the vault is away", retryable=True)
    line = _keyed(service.url, Rotating(away, away, "good"))
    assert fails(lambda: line.get("x")).retryable
    assert line.get("x").status == 200
    line.close()


def test_a_reference_that_leads_nowhere_stops_the_start(service: Echo) -> None:
    with pytest.raises(ConfigInvalid, match="no such file"):
        _keyed(service.url, Rotating(ConfigInvalid("no such file", where="file:/token")))


def test_others_may_log_while_we_are_silent(
    service: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """The program around us keeps its own records of httpx."""
    with caplog.at_level(logging.DEBUG), transport(service.url) as line:
        line.get("ours")
        httpx.get(f"{service.url}/theirs", trust_env=False)
    assert "theirs" in caplog.text
    assert "ours" not in caplog.text
