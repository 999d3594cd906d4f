# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in a bucket of S3, with and without locks, with SeaweedFS, rclone and restic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
    BackupFailure,
    BadCredentials,
    Unfit,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Place
from ansible_collections.storewarden.ops.plugins.module_utils.backup.places import (
    canary,
    pull,
    push,
    remove,
    restic_repository,
    trial,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_bucket import prepare
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import Bucket, Key
from ansible_collections.storewarden.ops.plugins.module_utils.backup.undelete import undelete
from tests.contract.backup_copies import HOST, POLICY, RULES, Target, restic, seen_commands, told
from tests.servers.backup_tools import search_path
from tests.servers.seaweedfs import ADMIN, STORE, ObjectStore, object_store, weed
from tests.servers.thin_line import ThinLine

pytestmark = pytest.mark.slow
_TREE = f"copies/{HOST}/{POLICY}"


@pytest.fixture(autouse=True, scope="module")
def _tools() -> Iterator[None]:
    found = search_path(["restic", "rclone"])
    if found is None or weed() is None:
        pytest.skip("restic, rclone and SeaweedFS cannot be had here")
    before = os.environ["PATH"]
    os.environ["PATH"] = found
    yield
    os.environ["PATH"] = before


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(scope="module")
def first() -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="swt-", dir="/var/tmp") as folder:
        yield Target(Path(folder))


@pytest.fixture
def target(first: Target, tmp_path: Path) -> Target:
    return first.twin(tmp_path / "target")


@pytest.fixture
def secrets(store: ObjectStore, tmp_path: Path) -> dict[str, Path]:
    """The store's key; with ``away_delete_*`` the administrator's."""
    return {
        "away_ca": store.ca,
        "away_key_id": _file(tmp_path / "id", STORE[0]),
        "away_secret_key": _file(tmp_path / "key", STORE[1]),
    }


@pytest.fixture
def plain(store: ObjectStore, request: pytest.FixtureRequest) -> str:
    name = "plain-" + str(time.monotonic_ns())
    _bucket(store, name).must("PUT")
    return name


@pytest.fixture
def locked(store: ObjectStore) -> str:
    name = "locked-" + str(time.monotonic_ns())
    prepare(_bucket(store, name), 3)
    return name


def test_a_copy_in_a_bucket_is_read_by_restic_in_place(
    target: Target, store: ObjectStore, plain: str, secrets: dict[str, Path], tmp_path: Path
) -> None:
    place = _away(store, plain)
    with seen_commands() as commands:
        work = target.work(place, secrets)
        pushed = push(work, str(target.repository), RULES)
        target.proven_at(work, tmp_path / "back")
    assert pushed.files == len(target.files())
    assert any("rclone copy" in each for each in commands)
    assert any("restic" in each and "restore" in each for each in commands)
    for secret in (STORE[1], STORE[0]):
        assert not any(secret in each for each in commands)
        assert secret not in told(work)
        assert not _holding(Path(work.folder), secret)
    assert push(target.work(place, secrets), str(target.repository), RULES) == (0, 0)
    assert pull(target.work(place, secrets), str(tmp_path / "fetched"), RULES) == pushed.bytes


def test_a_wrong_key_is_refused_and_not_told(
    target: Target, store: ObjectStore, plain: str, secrets: dict[str, Path], tmp_path: Path
) -> None:
    wrong = _file(tmp_path / "wrong", "wrong-secret-99aa")
    for name in ("push", "canary"):
        work = target.work(_away(store, plain), {**secrets, "away_secret_key": wrong})
        with pytest.raises(BadCredentials) as refused:
            if name == "push":
                push(work, str(target.repository), RULES)
            else:
                canary(work)
        assert "wrong-secret" not in refused.value.en + refused.value.zh


@pytest.mark.parametrize(
    "words",
    [
        {"endpoint": "http://127.0.0.1:1"},
        {"endpoint": "https://a:b@c"},
        {"bucket": "UP"},
        {"prefix": ".."},
    ],
)
def test_words_that_do_not_fit_are_refused_before_anything_is_sent(
    target: Target, store: ObjectStore, secrets: dict[str, Path], words: dict[str, str]
) -> None:
    place = _away(store, "plain")
    place = place._replace(words={**place.words, **words})
    with pytest.raises(Unfit, match="away"):
        push(target.work(place, secrets), str(target.repository), RULES)


def test_a_trial_proves_a_lock_and_disproves_what_only_looks_like_one(
    target: Target, store: ObjectStore, plain: str, locked: str, secrets: dict[str, Path]
) -> None:
    assert canary(target.work(_away(store, plain), secrets)) is False
    versioned = _bucket(store, "versioned-" + plain)
    versioned.must("PUT")
    text = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    versioned.must("PUT", query={"versioning": ""}, body=text.encode())
    # An administrator's key deletes the version itself: markers and newer versions are no lock.
    both = _as_admin(secrets)
    assert canary(target.work(_away(store, versioned.name), both)) is False
    work = target.work(_away(store, locked, lock_days=3), both)
    tried = trial(work)
    assert tried.kept and abs(tried.until - time.time() - 3 * 86400) < 3600
    assert work.notes == []
    work = target.work(_away(store, locked, lock_days=30), both)
    assert canary(work) is True
    assert "30" in work.notes[0]["en"] and "3.0" in work.notes[0]["zh"]


def test_a_locked_bucket_that_was_emptied_comes_back(
    target: Target, store: ObjectStore, locked: str, secrets: dict[str, Path], tmp_path: Path
) -> None:
    place = _away(store, locked)
    push(target.work(place, secrets), str(target.repository), RULES)
    time.sleep(1.1)  # the server tells whole seconds
    began = time.time()
    time.sleep(1.1)
    name, env, options = restic_repository(target.work(place, secrets), True)
    restic(
        name, target.password, *options, "forget", "--prune", "--keep-tag", "x", "latest", env=env
    )
    _spoil(_bucket(store, locked, STORE))
    gone, _, _ = restic_repository(target.work(place, secrets))
    restic(gone, target.password, *options, "--no-lock", "snapshots", env=env, rc=1)
    there = _bucket(store, locked)
    only = undelete(there, _TREE, since=began, dry=True)
    assert only.seen and only.covered == (f"{_TREE}/config",)
    assert undelete(there, _TREE, since=began) == only
    target.proven_at(target.work(place, secrets), tmp_path / "back")
    assert undelete(there, _TREE, since=began, dry=True).seen == ()


@pytest.mark.full
def test_an_outage_drops_nothing_and_says_what_is_missing(
    target: Target, store: ObjectStore, plain: str, secrets: dict[str, Path], tmp_path: Path
) -> None:
    with ThinLine(store.port) as line:
        place = _away(store, plain, endpoint=f"https://127.0.0.1:{line.port}")
        breaking = threading.Thread(target=_cut, args=(line, 600_000))
        breaking.start()
        with pytest.raises(BackupFailure, match="some are missing"):
            push(target.work(place, secrets), str(target.repository), RULES)
        breaking.join()
        there = _names(store, plain)
        assert not any("/snapshots/" in each for each in there), "the catalog goes last"
        line.mend()
        pushed = push(target.work(place, secrets), str(target.repository), RULES)
    assert pushed.files
    assert _names(store, plain) >= {f"{_TREE}/{name}" for name in target.files()}
    target.proven_at(target.work(_away(store, plain), secrets), tmp_path / "back")


@pytest.mark.full
def test_what_is_deleted_is_gone_with_the_key_that_deletes(
    target: Target, store: ObjectStore, plain: str, secrets: dict[str, Path]
) -> None:
    place = _away(store, plain)
    push(target.work(place, secrets), str(target.repository), RULES)
    assert remove(target.work(place, _as_admin(secrets, True)), ["snapshots", "index"])
    assert not any("/snapshots/" in each for each in _names(store, plain))


@pytest.mark.full
def test_a_bucket_gets_its_lock_once(store: ObjectStore, plain: str) -> None:
    there = _bucket(store, "fresh-" + plain)
    assert prepare(there, 5, dry=True) == (True, True)
    assert there.ask("HEAD").status == 404
    assert prepare(there, 5) == (True, True)
    assert prepare(there, 5) == (False, False)
    assert prepare(there, 7) == (False, True)
    with pytest.raises(BackupFailure, match="without locks"):
        prepare(_bucket(store, plain), 5)


def _away(store: ObjectStore, bucket: str, **words: object) -> Place:
    given = {"endpoint": store.endpoint, "bucket": bucket, "prefix": "copies", **words}
    return Place("away", "s3", given)


def _bucket(store: ObjectStore, name: str, key: tuple[str, str] = ADMIN) -> Bucket:
    return Bucket(store.endpoint, name, Key(*key), ca=str(store.ca))


def _as_admin(secrets: dict[str, Path], deleting: bool = False) -> dict[str, Path]:
    folder = secrets["away_key_id"].parent
    begin = "away_delete_" if deleting else "away_"
    return {
        **secrets,
        begin + "key_id": _file(folder / "admin-id", ADMIN[0]),
        begin + "secret_key": _file(folder / "admin-key", ADMIN[1]),
    }


def _spoil(there: Bucket) -> None:
    """What somebody does who has the store's key: hide everything, cover the rest."""
    for each in {one.key for one in there.versions("copies/") if one.latest and not one.marker}:
        if each.endswith("/config"):
            there.must("PUT", each, body=b"rubbish")
        else:
            there.must("DELETE", each)


def _names(store: ObjectStore, bucket: str) -> set[str]:
    found = _bucket(store, bucket).versions("copies/")
    return {each.key for each in found if each.latest and not each.marker}


def _cut(line: ThinLine, after: int) -> None:
    while line.moved < after:
        time.sleep(0.005)
    line.cut()


def _holding(folder: Path, secret: str) -> list[str]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return [str(each) for each in files if secret.encode() in each.read_bytes()]


def _file(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def test_the_module_locks_a_bucket_and_shows_what_was_hidden(
    store: ObjectStore, plain: str, tmp_path: Path, project_root: Path
) -> None:
    given = {
        "endpoint": store.endpoint, "bucket": "module-" + plain, "ca": str(store.ca),
        "key_id_file": str(_file(tmp_path / "id", ADMIN[0])),
        "secret_key_file": str(_file(tmp_path / "key", ADMIN[1])),
    }  # fmt: skip
    asked: dict[str, Any] = {**given, "word": "lock", "days": 2}
    assert _module(project_root, asked)["changed"] is True
    assert _module(project_root, asked)["changed"] is False
    there = _bucket(store, given["bucket"], STORE)
    there.must("PUT", "copies/a/b/one", body=b"1")
    there.must("DELETE", "copies/a/b/one")
    asked = {**given, "word": "undelete", "tree": "copies/a/b"}
    told = _module(project_root, {**asked, "_ansible_check_mode": True})
    assert told["back"]["seen"] == ["copies/a/b/one"]
    assert there.ask("GET", "copies/a/b/one").status == 404
    assert _module(project_root, asked)["changed"] is True
    assert there.must("GET", "copies/a/b/one").body == b"1"
    assert ADMIN[1] not in json.dumps(told)


_CALL = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.storewarden.ops.plugins.modules import backup_bucket
with patch_module_args(json.load(sys.stdin)):
    backup_bucket.main()
"""


def _module(root: Path, given: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _CALL], input=json.dumps(given), capture_output=True, text=True,
        cwd=root, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
