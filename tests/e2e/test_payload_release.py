# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of a real application on real hosts: put in place, kept, taken back, refused.

The application is a small web server under systemd that tells its version from a file of its
release. It runs from the link, so what it answers is what really runs. What is refused is asked on
a host of its own meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.payload_scenes import APPLY, JUDGE, PREFLIGHT, Phases, Scenes
from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab, LabHost
from tests.unit.plugins.signing import Minisigner
from tests.unit.plugins.tar_bench import Member, link, packed

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ROOT = "/opt/till"
PORT = 8431
UNIT = f"""[Service]
ExecStart=/usr/bin/python3 -I -S -B {ROOT}/current/bin/serve
User=cashier
Restart=always
RestartSec=100ms
"""
SERVE = f"""import http.server, pathlib
here = pathlib.Path(__file__).resolve().parents[1]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int((here / "health").read_text()))
        self.end_headers()
        self.wfile.write((here / "VERSION").read_bytes())
http.server.HTTPServer(("127.0.0.1", {PORT}), Answer).serve_forever()
"""
ASK = (
    "python3 -c \"import http.client as h; c = h.HTTPConnection('127.0.0.1', "
    f"{PORT}); c.request('GET', '/'); print(c.getresponse().read().decode())\""
)
RUNNING = "systemctl show -p InvocationID till"
# A unit that could be enabled, and is not: the standby of a pair.
STANDBY = UNIT + "[Install]\nWantedBy=multi-user.target\n"
NOT_THE_ARCHIVES = ("name", "settle", "probes", "within", "keep")


def application(version: str, health: int = 200) -> list[Member]:
    return [
        Member("till/bin/serve", SERVE.encode(), mode=0o755),
        Member("till/VERSION", version.encode()),
        Member("till/health", str(health).encode()),
        link("till/run", "bin/serve"),
    ]


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[list[RestoreHost]]:
    """Four hosts with the application's unit, fresh afterwards; on the third it is on standby."""
    found = [RestoreHost(host=host) for host in lab.hosts[:4]]
    for number, one in enumerate(found):
        unit = STANDBY if number == 2 else UNIT
        one.host.write("/etc/systemd/system/till.service", unit, mode=0o644)
        one.sh("systemctl daemon-reload")
    yield found
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.reset, (one.host for one in found)))


@pytest.fixture(scope="module")
def refused(
    hosts: list[RestoreHost], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[None]]:
    """Goes on beside the other tests of this file."""
    folder = tmp_path_factory.mktemp("refused")
    with ThreadPoolExecutor() as pool:
        yield pool.submit(_what_is_refused, hosts[3], folder)


def options(folder: Path, version: str, data: bytes, **more: Any) -> dict[str, Any]:
    archive = folder / f"till-{hashlib.sha256(data).hexdigest()[:12]}.tar.gz"
    archive.write_bytes(data)
    given = {
        "name": "till",
        "version": version,
        "archive": str(archive),
        "sha256": hashlib.sha256(data).hexdigest(),
        "strip": 1,
        "unit": "till.service",
        "settle": 1,
        "probes": [{"name": "health", "kind": "http", "url": f"http://127.0.0.1:{PORT}/"}],
        "within": 120,
    }
    return {**given, **more}


@contextlib.contextmanager
def served(folder: Path, address: str) -> Iterator[str]:
    """The folder by HTTP, where hosts of the lab reach it."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def signed(folder: Path, data: bytes, signer: Minisigner) -> dict[str, Any]:
    path = folder / f"{hashlib.sha256(data).hexdigest()[:8]}.minisig"
    path.write_bytes(signer.sign(data))
    return {"signature": str(path), "key": signer.line}


@pytest.mark.usefixtures("refused")
def test_releases_come_stay_and_go(hosts: list[RestoreHost], tmp_path: Path) -> None:
    till, other, standby, _last = hosts
    scenes = Scenes(lab=till.host.lab, payload="release", folder=tmp_path / "scenes")
    first = packed(application("1.0"))
    played = scenes.play(
        "GMBG-20260301-011",
        [PREFLIGHT, APPLY, JUDGE],
        {
            till.host: options(tmp_path, "1.0", first, **signed(tmp_path, first, Minisigner())),
            other.host: options(tmp_path, "1.0", first),
            # Its probes would find nobody.
            standby.host: options(tmp_path, "1.0", first, standby_probes=[_version("1.0")]),
        },
    )
    for one in (till, other, standby):
        reports = [played.of(one.host, phase)["report"] for phase in (PREFLIGHT, APPLY, JUDGE)]
        assert reports == ["ready", "applied", "verified"], played.said
        assert one.sh(f"readlink {ROOT}/current") == "releases/1.0\n"
        assert one.sh("ls -A /var/cache/storewarden 2>/dev/null; true") == ""
    assert [one.sh(ASK) for one in (till, other)] == ["1.0\n"] * 2
    _left_stopped(standby, played)
    probes = played.of(till.host, JUDGE)["detail"]["probes"]
    assert [one["name"] for one in probes] == ["link", "files", "till.service", "health"]

    before, process = other.files(ROOT), other.sh(RUNNING)
    asleep = standby.files(ROOT)
    played = scenes.play(
        "GMBG-20260301-012",
        [PREFLIGHT, APPLY, JUDGE],
        {
            till.host: options(tmp_path, "2.0", packed(application("2.0")), keep=1),
            other.host: options(tmp_path, "2.0", packed(application("2.0", health=500)), within=3),
            standby.host: options(
                tmp_path,
                "2.0",
                packed(application("2.0")),
                standby_probes=[_version("2.1")],
                within=1,
            ),
        },
    )
    assert played.of(till.host, JUDGE)["report"] == "verified", played.said
    assert till.sh(ASK) == "2.0\n"
    # One release is to stay, but an undo of the second change needs the first.
    assert till.sh(f"ls {ROOT}/releases") == "1.0\n2.0\n"
    judged = played.of(other.host, JUDGE)
    assert judged["report"] == "restored", (judged, played.said)
    assert "health" in judged["reason"]["en"]
    assert other.files(ROOT) == before
    assert other.sees(f"{ASK} 2>/dev/null") == "1.0\n"
    assert other.sh(RUNNING) != process

    # The standby was switched and went back, and nobody has started it.
    judged = played.of(standby.host, JUDGE)
    assert judged["report"] == "restored", (judged, played.said)
    assert "version" in judged["reason"]["en"]
    assert standby.files(ROOT) == asleep
    _left_stopped(standby, played)


def _version(text: str) -> dict[str, Any]:
    """What can be asked where nothing runs."""
    argv = ["cat", f"{ROOT}/current/VERSION"]
    return {"name": "version", "kind": "command", "argv": argv, "match": f"^{text}$"}


def _left_stopped(standby: RestoreHost, played: Phases) -> None:
    """It was never started, and people are told."""
    started = "systemctl show -p ActiveState,ExecMainStartTimestamp --value till"
    assert standby.sh(started).split() == ["inactive"]
    assert played.of(standby.host, PREFLIGHT)["detail"]["changes"][-1] == {
        "what": "till.service",
        "before": "inactive",
        "after": "left stopped",
    }
    assert played.of(standby.host, APPLY)["detail"]["applied"]["unit"] == "left stopped"
    probes = played.of(standby.host, JUDGE)["detail"]["probes"]
    assert [one["name"] for one in probes] == ["link", "files", "till.service", "version"]
    assert probes[2]["detail"]["zh"] == "保持停止状态，与发布前一致"


def test_what_is_refused_never_reaches_the_application(refused: Future[None]) -> None:
    refused.result()


def _what_is_refused(till: RestoreHost, tmp_path: Path) -> None:
    scenes = Scenes(lab=till.host.lab, payload="release", folder=tmp_path / "scenes")
    good = packed(application("5.0"))
    forged = signed(tmp_path, good, Minisigner())
    path = tmp_path / "other.minisig"
    path.write_bytes(Minisigner().sign(b"other"))
    hostile = packed([*application("5.0"), link("till/lib", "../../../etc")])
    cases: list[tuple[dict[str, Any], str]] = [
        (options(tmp_path, "5.0", hostile), "leads out"),
        ({**options(tmp_path, "5.0", good), "sha256": "0" * 64}, "SHA-256"),
        (options(tmp_path, "5.0", good[:-200]), "cut off"),
        (options(tmp_path, "5.0", good, **{**forged, "key": Minisigner().line}), "signed"),
        (options(tmp_path, "5.0", good, **{**forged, "signature": str(path)}), "signed"),
        (options(tmp_path, "5.0", good, signature=forged["signature"]), "no key"),
        (options(tmp_path, "4.0", good), "another archive"),
        (options(tmp_path, "5.0", good, unit="none.service"), "no unit"),
        (options(tmp_path, "../5", good), "version"),
    ]
    with served(tmp_path, till.host.lab.plan.bridge_address) as address:
        fetched = options(tmp_path, "5.0", good)
        fetched["archive"] = f"{address}/{Path(fetched['archive']).name}"
        cases.append(({**fetched, "archive": f"{address}/none.tar.gz"}, "cannot be fetched"))
        cases.append((fetched, ""))
        _asked_all(scenes, till, cases)


def _asked_all(scenes: Scenes, till: RestoreHost, cases: list[tuple[dict[str, Any], str]]) -> None:
    """Each with its reason; the last one, which has none, is fit."""
    till.sh(f"mkdir -p {ROOT}/releases/4.0")
    before = till.files(ROOT, "/etc")
    asked = [
        {name: value for name, value in given.items() if name not in NOT_THE_ARCHIVES}
        | {"root": ROOT, "stage": "/var/cache/storewarden/refused"}
        for given, _why in cases
    ]
    answers = scenes.asked("storewarden.ops.release_archive", till.host, asked)
    for answer, (given, why) in zip(answers, cases, strict=True):
        found = answer["preflight"]
        assert found["ready"] is (why == ""), (given, answer)
        assert why in found["reason"]["en"], answer
        assert found["ready"] or not found["reason"]["zh"].isascii()
    assert [one["kind"] for one in found["items"]] == ["tree", "tree", "file", "unit"]
    assert till.files(ROOT, "/etc") == before
    till.sh("rm -r /var/cache/storewarden")
