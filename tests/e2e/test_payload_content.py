# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed libraries on real hosts: what proves is put in place whole, all else leaves no trace.

A daemon stands for the scanner: it reads the library at reload and writes down what it read.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.payload_scenes import APPLY, JUDGE, PREFLIGHT, Scenes
from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab, LabHost
from tests.unit.plugins.signing import Gpg, Minisigner
from tests.unit.plugins.tar_bench import Member, link, packed

pytestmark = [pytest.mark.lab, pytest.mark.slow]

TARGET = "/etc/scanner/rules"
READ = "/run/scanner.read"
UNIT = f"""[Service]
ExecStart=/bin/sh -c 'find -L {TARGET} -type f | sort | xargs cat > {READ}; exec sleep infinity'
ExecReload=/bin/sh -c 'find -L {TARGET} -type f | sort | xargs cat > {READ}'
"""
PLACES = ("/etc/scanner", "/var/lib/storewarden/content", "/var/cache")
# The time that minisign signs, so that the second library is newer than the first.
OLD, NOW, LATER = 1_690_000_000, 1_700_000_000, 1_710_000_000


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[list[RestoreHost]]:
    """Three hosts with the daemon and a rule of their own, fresh afterwards."""
    found = [RestoreHost(host=host) for host in lab.hosts[:3]]
    for one in found:
        one.host.write("/etc/systemd/system/scanner.service", UNIT, mode=0o644)
        one.sh(
            f"mkdir -p {TARGET}; echo own > {TARGET}/own.rule; systemctl daemon-reload;"
            "systemctl start scanner"
        )
    yield found
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.reset, (one.host for one in found)))


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    if shutil.which("gpg") is None or shutil.which("gpgv") is None:
        pytest.skip("gpg and gpgv are needed on the controller")
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        made = Gpg(Path(folder) / "home")
        yield made
        made.stop()


def rules(version: str, *more: Member) -> bytes:
    return packed(
        [Member("a.rule", f"a {version}\n".encode()), Member("SERIAL", version.encode()), *more]
    )


def options(source: Path, data: bytes, signature: bytes, key: str, **more: Any) -> dict[str, Any]:
    source.write_bytes(data)
    beside = source.with_name(source.name + ".sig")
    beside.write_bytes(signature)
    given = {
        "name": "rules",
        "source": str(source),
        "signature": str(beside),
        "key": key,
        "target": TARGET,
        "unit": "scanner.service",
        "mode": "0640",
    }
    return {**given, **more}


def test_libraries_come_only_when_they_prove(
    hosts: list[RestoreHost], gpg: Gpg, tmp_path: Path
) -> None:
    till, other, third = hosts
    scenes = _scenes(till, tmp_path / "scenes")
    signer = Minisigner()
    first = rules("4.7", Member("sub/b.rule", b"b\n"), link("latest.rule", "a.rule"))
    user = gpg.key("publisher")
    signatures = b"signature 1\nsignature 2\n"
    (tmp_path / "daily.db").write_bytes(signatures)
    key = tmp_path / "publisher.asc"
    key.write_bytes(gpg.public(user))
    proof = gpg.sign(tmp_path / "daily.db", user)
    given = options(tmp_path / "rules-1.tar.gz", first, signer.sign(first, time=NOW), signer.line)
    played = scenes.play(
        "GMBG-20260301-021",
        [PREFLIGHT, APPLY, JUDGE],
        {
            till.host: given,
            third.host: given,
            other.host: options(
                tmp_path / "daily.db",
                signatures,
                proof,
                str(key),
                validate=["grep", "-rq", "signature 2", "%s"],
            ),
        },
    )
    for one in hosts:
        reports = [played.of(one.host, phase)["report"] for phase in (PREFLIGHT, APPLY, JUDGE)]
        assert reports == ["ready", "applied", "verified"], played.said
    lock = played.of(till.host, PREFLIGHT)["detail"]["lock"]
    assert (lock["key"], lock["signed_at"]) == ("0807060504030201", NOW)
    assert till.sh(f"cat {READ}; stat -c '%a %U' {TARGET}/sub {TARGET}/sub/b.rule") == (
        "4.7a 4.7\na 4.7\nown\nb\n750 root\n640 root\n"
    )
    assert other.sh(f"cat {TARGET}/daily.db {TARGET}/own.rule") == "signature 1\nsignature 2\nown\n"
    second = rules("4.8", Member("new.rule", b"new\n"))
    newer = options(
        tmp_path / "rules-2.tar.gz", second, signer.sign(second, time=LATER), signer.line
    )
    cases = _refused_cases(tmp_path, signer, second, newer)
    with ThreadPoolExecutor() as pool:
        at_once = [
            pool.submit(_fails_its_check, till, newer, tmp_path / "check"),
            pool.submit(_asked_all, third, cases, tmp_path / "cases"),
        ]
    for future in at_once:
        future.result()


def _scenes(till: RestoreHost, folder: Path) -> Scenes:
    return Scenes(lab=till.host.lab, payload="content", folder=folder)


def _fails_its_check(till: RestoreHost, newer: dict[str, Any], folder: Path) -> None:
    """Newer and well signed, but the host's own check refuses it once it is in place."""
    before = till.files(*PLACES)
    read = till.sh(f"stat -c %y {READ}")
    played = _scenes(till, folder).play(
        "GMBG-20260301-022",
        [PREFLIGHT, APPLY],
        {
            till.host: {**newer, "validate": ["sh", "-c", f"! test -e {TARGET}/new.rule"]},
        },
    )
    refused = played.of(till.host, APPLY)
    assert refused["report"] == "restored", (refused, played.said)
    assert "does not pass its check" in refused["reason"]["en"]
    assert till.files(*PLACES) == before
    assert till.sh(f"stat -c %y {READ}") == read


def _asked_all(till: RestoreHost, cases: list[tuple[dict[str, Any], str]], folder: Path) -> None:
    """Each is refused with its reason, and leaves nothing."""
    before = till.files(*PLACES)
    stage = {"stage": "/var/cache/storewarden/refused"}
    asked = [{**given, **stage} for given, _why in cases]
    answers = _scenes(till, folder).asked("storewarden.ops.signed_content", till.host, asked)
    for answer, (_given, why) in zip(answers, cases, strict=True):
        assert answer["preflight"]["ready"] is False, why
        assert why in answer["preflight"]["reason"]["en"], answer
        assert not answer["preflight"]["reason"]["zh"].isascii()
    till.sh("rm -rf /var/cache/storewarden")
    assert till.files(*PLACES) == before


def _refused_cases(
    folder: Path, signer: Minisigner, good: bytes, newer: dict[str, Any]
) -> list[tuple[dict[str, Any], str]]:
    def other(name: str, data: bytes, signature: bytes, **more: Any) -> dict[str, Any]:
        return options(folder / f"{name}.tar.gz", data, signature, signer.line, **more)

    signature = signer.sign(good, time=LATER)
    old = rules("4.6")
    return [
        (other("tampered", _tampered(good), signature), "not what was signed"),
        (other("resigned", good, signature.replace(b"timestamp:17", b"timestamp:18")), "comment"),
        (other("stranger", good, Minisigner(id=signer.id).sign(good)), "not what was signed"),
        (other("unknown", good, Minisigner(id=b"stranger").sign(good)), "trusted key"),
        (other("torn", good[:-100], signature), "not what was signed"),
        ({**other("unsigned", good, b""), "signature": ""}, "not signed"),
        ({**other("nobody", good, signature), "key": ""}, "no key"),
        (other("stale", old, signer.sign(old, time=OLD)), "older"),
        (other("checked", good, signature, validate=["grep", "-rq", "nothing", "%s"]), "check"),
        ({**newer, "lock": {"sha256": "0" * 64}}, "than the canary got"),
    ]


def _tampered(data: bytes) -> bytes:
    """A whole archive of the same length and form, with one byte of a rule changed."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for about in archive:
            content = archive.extractfile(about)
            members.append(Member(about.name, content.read() if content else b""))
    members[0] = members[0]._replace(content=members[0].content.replace(b"a", b"b"))
    return packed(members)
