# SPDX-License-Identifier: GPL-3.0-or-later
"""An sshd of the tests' own on 127.0.0.1 that gives accounts of its own a folder over SFTP, as
docs/operators/backup-copies.md sets it up. It needs root: the accounts exist in its own mount
namespace only.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.backup_tools import package_folder, tool
from tests.servers.programs import free_port, serving

STORE, WARDEN = ("store-backup", 20_001), ("backup-warden", 20_002)
_DOCUMENT = Path(__file__).parents[2] / "docs/operators/backup-copies.md"
_GROUP = 20_000
_STICKY = 0o1770  # everybody of the group adds, nobody takes away what is another's


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpServer:
    """``root`` is what its accounts see as /; their keys and the file of its own key."""

    port: int
    root: Path
    key: Path
    delete_key: Path
    known_hosts: Path

    def folder(self) -> Path:
        """Where the store's account may write."""
        return self.root / "copies"


def can_serve() -> bool:
    """Whether there is an sshd, and root to run it."""
    return os.geteuid() == 0 and tool("sshd") is not None


@contextmanager
def sftp_server(folder: Path, refused: str, port: int = 0) -> Iterator[SftpServer]:
    """``refused``: requests that the store's account is not allowed (sftp-server's -P)."""
    port = port or free_port()
    server = _laid_out(folder, port)
    (folder / "sshd_config").write_text(_settings(folder, server, refused))
    script = (
        "mount --bind passwd /etc/passwd && mount --bind group /etc/group && "
        # sshd asks for folders that nobody else may write to, all the way up.
        "mount -t tmpfs -o mode=0755 none /run && mkdir -m 0755 /run/sshd /run/copies && "
        "mount --bind root /run/copies && cp authorized-* /run/ && "
        'exec "$0" -D -e -f "$1"'
    )
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    argv += [str(tool("sshd")), str(folder / "sshd_config")]
    with serving(
        argv, folder, {"LD_LIBRARY_PATH": _libraries()}, folder,
        lambda log: server if "Server listening" in log else None,
    ) as ready:  # fmt: skip
        yield ready


def documented() -> str:
    """Requests that docs/operators/backup-copies.md refuses to an account that stores."""
    (found,) = re.findall(r"internal-sftp -u 0027 -P (\S+)", _DOCUMENT.read_text("utf-8"))
    return str(found)


def sealed(server: SftpServer) -> None:
    """What the document's timer does, ten minutes later."""
    lines = re.findall(r"ExecStart=(/usr/bin/find .+)", _DOCUMENT.read_text("utf-8"))
    assert lines
    for line in lines:
        now = line.replace("/srv/backup", str(server.root.parent)).replace("-mmin +10 ", "")
        subprocess.run(shlex.split(now), check=True, timeout=60)


def _laid_out(folder: Path, port: int) -> SftpServer:
    for name in ("host", "store", "warden"):
        if not (folder / name).exists():
            _ssh_keygen(folder / name)
    root = folder / "root"
    (root / "copies").mkdir(parents=True, exist_ok=True)
    os.chown(root / "copies", 0, _GROUP)
    (root / "copies").chmod(_STICKY)
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    _accounts(folder)
    return SftpServer(
        port=port, root=root, key=folder / "store", delete_key=folder / "warden", known_hosts=known
    )


def _accounts(folder: Path) -> None:
    lines = [f"{name}:x:{number}:{_GROUP}::/:/bin/sh" for name, number in (STORE, WARDEN)]
    lines.append("sshd:x:19999:65534::/run/sshd:/usr/sbin/nologin")
    passwd = Path("/etc/passwd").read_text() + "\n".join(lines) + "\n"
    (folder / "passwd").write_text(passwd)
    (folder / "group").write_text(Path("/etc/group").read_text() + f"backups:x:{_GROUP}:\n")


def _settings(folder: Path, server: SftpServer, refused: str) -> str:
    keys = {STORE[0]: "store", WARDEN[0]: "warden"}
    for user, name in keys.items():
        shutil.copy(folder / f"{name}.pub", folder / f"authorized-{user}")
    lines = [
        f"Port {server.port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", "PidFile none",
        "AuthorizedKeysFile /run/authorized-%u", "StrictModes no", "UsePAM no",
        "PasswordAuthentication no", "Subsystem sftp internal-sftp", "AllowTcpForwarding no",
        "ChrootDirectory /run/copies", "X11Forwarding no", "LogLevel VERBOSE",
        f"Match User {STORE[0]}",
        f"ForceCommand internal-sftp -u 0027{refused and ' -P '}{refused}",
        f"Match User {WARDEN[0]}", "ForceCommand internal-sftp -u 0027",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _libraries() -> str:
    folder = package_folder("libwrap0")
    found = folder.glob("**/libwrap.so.0") if folder else ()
    return ":".join(str(each.parent) for each in found)


def _ssh_keygen(file: Path) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
