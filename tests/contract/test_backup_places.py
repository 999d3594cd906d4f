# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in a folder of another medium and over SFTP: rclone, restic and sshd are the real ones."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
    BackupFailure,
    BadCredentials,
    Interrupted,
    Unfit,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Place
from ansible_collections.storewarden.ops.plugins.module_utils.backup.places import (
    canary,
    pull,
    push,
    remote,
    remove,
    restic_repository,
)
from tests.contract.backup_copies import HOST, POLICY, RULES, Target, seen_commands
from tests.servers.backup_tools import search_path
from tests.servers.sftp import STORE, WARDEN, SftpServer, can_serve, documented, sealed, sftp_server
from tests.servers.thin_line import ThinLine

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _tools() -> Iterator[None]:
    found = search_path(["restic", "rclone"])
    if found is None:
        pytest.skip("restic and rclone are neither installed nor to be had from apt here")
    before = os.environ["PATH"]
    os.environ["PATH"] = found
    yield
    os.environ["PATH"] = before


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder that is not on the second medium."""
    with tempfile.TemporaryDirectory(prefix="swt-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def medium() -> Iterator[Path]:
    """A folder on a filesystem of its own; the mount itself is everybody's."""
    if not os.path.ismount("/dev/shm"):
        pytest.skip("no second filesystem here")
    with tempfile.TemporaryDirectory(prefix="storewarden-medium-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def first() -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="swt-", dir="/var/tmp") as folder:
        yield Target(Path(folder))


@pytest.fixture
def target(first: Target, disk: Path) -> Target:
    return first.twin(disk)


def _path(folder: Path, mounted: bool = False) -> Place:
    return Place("usb", "path", {"folder": str(folder), "mounted": mounted})


def test_a_copy_on_a_second_medium_is_read_by_restic_in_place(
    target: Target, medium: Path, disk: Path
) -> None:
    work = target.work(_path(medium), {})
    pushed = push(work, str(target.repository), RULES)
    assert pushed.files == len(target.files())
    assert pushed.bytes == sum((target.repository / name).stat().st_size for name in target.files())
    target.proven_at(work, disk / "back")
    assert push(target.work(_path(medium), {}), str(target.repository), RULES) == (0, 0)


def test_only_what_is_new_is_sent_and_locks_never(target: Target, medium: Path) -> None:
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    before = target.files()
    target.take(1)
    (target.repository / "locks").mkdir(exist_ok=True)
    (target.repository / "locks" / ("a" * 64)).write_text("{}")
    pushed = push(target.work(_path(medium), {}), str(target.repository), RULES)
    new = {name for name in target.files() - before if not name.startswith("locks/")}
    assert pushed.files == len(new)
    assert not list((medium / HOST / POLICY).glob("locks/*"))


def test_a_folder_without_its_disk_is_refused(target: Target, medium: Path) -> None:
    with pytest.raises(Unfit, match="nothing is mounted"):
        push(target.work(_path(medium, mounted=True), {}), str(target.repository), RULES)
    assert not list(medium.iterdir())


def test_the_repositorys_own_filesystem_is_no_second_medium(target: Target, disk: Path) -> None:
    with pytest.raises(Unfit, match="no second medium"):
        push(target.work(_path(disk), {}), str(target.repository), RULES)


def test_a_damaged_copy_is_told_and_not_written_over(target: Target, medium: Path) -> None:
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    name = next(each for each in sorted(target.files()) if each.startswith("data/"))
    copy = medium / HOST / POLICY / name
    spoilt = bytearray(copy.read_bytes())
    spoilt[100] ^= 1
    copy.chmod(0o600)
    copy.write_bytes(spoilt)
    with pytest.raises(BackupFailure, match="damaged") as told:
        push(target.work(_path(medium), {}), str(target.repository), RULES)
    assert name in told.value.en and "repository itself" not in told.value.en
    assert copy.read_bytes() == spoilt


def test_a_damaged_repository_spoils_no_copy(target: Target, medium: Path) -> None:
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    target.take(1)
    place = medium / HOST / POLICY
    old = next(
        each for each in sorted(target.files()) if (place / each).exists() and "data" in each
    )
    new = next(each for each in sorted(target.files()) if not (place / each).exists())
    good = (place / old).read_bytes()
    for name in (old, new):
        (target.repository / name).chmod(0o600)
        spoilt = bytearray((target.repository / name).read_bytes())
        spoilt[-1] ^= 1
        (target.repository / name).write_bytes(spoilt)
    with pytest.raises(BackupFailure, match="2 files of the repository itself are damaged") as told:
        push(target.work(_path(medium), {}), str(target.repository), RULES)
    assert old in told.value.en and new in told.value.en
    assert (place / old).read_bytes() == good and not (place / new).exists()


@pytest.mark.full
def test_our_own_unfinished_file_is_sent_again(target: Target, medium: Path) -> None:
    """A job that was killed in the middle of a file is no damage."""
    name = next(each for each in sorted(target.files()) if each.startswith("data/"))
    copy = medium / HOST / POLICY / name
    copy.parent.mkdir(parents=True)
    copy.write_bytes((target.repository / name).read_bytes()[:1000])
    journal = target.repository.parent / ".copying-repository-usb"
    journal.write_text(f'["{name}"]')
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    assert copy.read_bytes() == (target.repository / name).read_bytes()
    assert not journal.exists()


@pytest.mark.full
def test_a_copy_is_fetched_whole(target: Target, medium: Path, disk: Path) -> None:
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    size = pull(target.work(_path(medium), {}), str(disk / "fetched"), RULES)
    assert size == sum((target.repository / name).stat().st_size for name in target.files())
    with pytest.raises(BackupFailure, match="nothing is there"):
        shutil.rmtree(medium / HOST)
        pull(target.work(_path(medium), {}), str(disk / "again"), RULES)


def test_whoever_can_delete_is_told_so(target: Target, medium: Path) -> None:
    assert canary(target.work(_path(medium), {})) is False
    assert canary(target.work(Place("host"), {})) is False


@pytest.mark.full
def test_names_that_mean_more_than_themselves_are_not_removed(target: Target, medium: Path) -> None:
    push(target.work(_path(medium), {}), str(target.repository), RULES)
    for name in ("*", "../" + POLICY, "/", "", "data/**"):
        with pytest.raises(Unfit):
            remove(target.work(_path(medium), {}), [name])
    assert remove(target.work(_path(medium), {}), ["data", "nothing"]) == ["data"]
    left = {each.name for each in (medium / HOST / POLICY).iterdir()}
    assert "data" not in left and "config" in left


# --- SFTP ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    if not can_serve():
        pytest.skip("an sshd of the tests needs root")
    with sftp_server(tmp_path_factory.mktemp("sftp"), documented()) as started:
        yield started


@pytest.fixture
def clean(server: SftpServer) -> SftpServer:
    for each in server.folder().iterdir():
        shutil.rmtree(each)
    server.folder().chmod(0o1770)
    return server


def _sftp(server: SftpServer, **words: object) -> tuple[Place, dict[str, Path]]:
    place = Place("hub", "sftp", {
        "address": "127.0.0.1", "port": server.port, "user": STORE[0], "folder": "copies", **words,
    })  # fmt: skip
    return place, {"hub_key": server.key, "hub_known_hosts": server.known_hosts}


def test_a_copy_over_sftp_is_read_by_restic_in_place(
    target: Target, clean: SftpServer, disk: Path
) -> None:
    place, secrets = _sftp(clean)
    with seen_commands() as commands:
        work = target.work(place, secrets)
        pushed = push(work, str(target.repository), RULES)
    assert pushed.files == len(target.files())
    assert any("rclone" in each for each in commands)
    assert not any("PRIVATE KEY" in each for each in commands)
    target.proven_at(work, disk / "back")


@pytest.mark.full
def test_a_server_that_seals_lets_the_store_neither_delete_nor_write_over(
    target: Target, clean: SftpServer
) -> None:
    place, secrets = _sftp(clean)
    push(target.work(place, secrets), str(target.repository), RULES)
    assert canary(target.work(place, secrets)) is False, "it is not sealed yet"
    sealed(clean)
    assert canary(target.work(place, secrets)) is True
    with pytest.raises(BadCredentials, match="not deleted"):
        remove(target.work(place, secrets), ["data"])
    target.take(1)
    push(target.work(place, secrets), str(target.repository), RULES)


@pytest.mark.full
def test_only_the_key_that_deletes_deletes(target: Target, clean: SftpServer) -> None:
    place, secrets = _sftp(clean, delete_user=WARDEN[0])
    push(target.work(place, secrets), str(target.repository), RULES)
    for each in clean.folder().rglob("*"):
        os.chown(each, WARDEN[1], 20_000)
    os.chown(clean.folder(), WARDEN[1], 20_000)
    secrets["hub_delete_key"] = clean.delete_key
    assert remove(target.work(place, secrets), ["data"]) == ["data"]


def test_an_unknown_server_gets_nothing(target: Target, clean: SftpServer, disk: Path) -> None:
    place, secrets = _sftp(clean)
    other = disk / "known"
    other.write_text(clean.known_hosts.read_text().replace("AAAAC3", "AAAAC4"))
    other.write_text(f"[127.0.0.1]:{clean.port} {(clean.key.with_suffix('.pub')).read_text()}")
    with pytest.raises(BadCredentials, match="hub"):
        push(
            target.work(place, {**secrets, "hub_known_hosts": other}), str(target.repository), RULES
        )
    with pytest.raises(Unfit, match="hub_known_hosts"):
        push(target.work(place, {"hub_key": clean.key}), str(target.repository), RULES)
    assert not list(clean.folder().iterdir())


def test_a_wrong_key_is_named_as_such(target: Target, clean: SftpServer) -> None:
    place, secrets = _sftp(clean, user=WARDEN[0])
    with pytest.raises(BadCredentials):
        push(target.work(place, secrets), str(target.repository), RULES)


@pytest.mark.full
def test_a_line_that_stands_still_for_a_while_is_waited_for(
    target: Target, clean: SftpServer, disk: Path
) -> None:
    with ThinLine(clean.port) as line:
        place, secrets = _line(clean, line, disk)
        stopping = threading.Thread(target=_stalled, args=(line, 300_000, 20.0))
        stopping.start()
        pushed = push(target.work(place, secrets), str(target.repository), RULES)
        stopping.join()
    assert pushed.files == len(target.files())


@pytest.mark.full
def test_a_server_that_is_gone_ends_by_our_own_deadline(
    target: Target, clean: SftpServer, disk: Path
) -> None:
    with ThinLine(clean.port) as line:
        place, secrets = _line(clean, line, disk)
        threading.Thread(target=_stalled, args=(line, 300_000, 60.0), daemon=True).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            push(target.work(place, secrets, seconds=4.0), str(target.repository), RULES)
        assert time.monotonic() - began < 15.0
        line.cut()
    place, secrets = _sftp(clean)
    push(target.work(place, secrets), str(target.repository), RULES)
    assert target.files() == _there(clean)


@pytest.mark.full
def test_the_lines_limit_reaches_rclone_and_restic(target: Target, clean: SftpServer) -> None:
    place, secrets = _sftp(clean)
    work = target.work(place, secrets, kib=256)
    assert "--bwlimit=256k" in remote(work).args
    options = " ".join(restic_repository(work)[2])
    assert "--limit-download 256" in options and "--limit-upload 256" in options
    with seen_commands() as commands:
        push(work, str(target.repository), CLIPPED)
    assert any("rclone copy" in each and "--bwlimit=256k" in each for each in commands)


CLIPPED = RULES._replace(exclude=(*RULES.exclude, "data/**"))


def _line(server: SftpServer, line: ThinLine, disk: Path) -> tuple[Place, dict[str, Path]]:
    place, secrets = _sftp(server, port=line.port)
    known = disk / "known_hosts"
    text = server.known_hosts.read_text().replace(str(server.port), str(line.port))
    known.write_text(text)
    return place, {**secrets, "hub_known_hosts": known}


def _stalled(line: ThinLine, after: int, seconds: float) -> None:
    while line.moved < after:
        time.sleep(0.01)
    line.stall()
    time.sleep(seconds)
    line.mend()


def _there(server: SftpServer) -> set[str]:
    tree = server.folder() / HOST / POLICY
    return {str(each.relative_to(tree)) for each in tree.rglob("*") if each.is_file()}
