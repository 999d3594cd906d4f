# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries below a folder of the test: what is older, what goes where, and the whole way back."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.content import record as records
from ansible_collections.storewarden.ops.plugins.module_utils.content.library import (
    KEY,
    SIGNATURE,
    SOURCE,
    UNPACKED,
    Wanted,
    unpacked,
    validated,
)
from ansible_collections.storewarden.ops.plugins.module_utils.content.options import SPEC, wanted
from ansible_collections.storewarden.ops.plugins.module_utils.content.placing import Owner, Placing
from ansible_collections.storewarden.ops.plugins.module_utils.content.record import (
    Record,
    Serial,
    not_older,
    serial_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import differences
from ansible_collections.storewarden.ops.plugins.plugin_utils.signed_source import (
    local_file,
    trust,
)
from tests.amount import examples
from tests.unit.plugins.signing import Minisigner
from tests.unit.plugins.tar_bench import Member, folder, link, packed

MOST = 1 << 30
ME, MINE = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name


def nothing() -> None:
    """No beat is needed."""


def record(digest: str, serial: str = "", at: int = 100, target: str = "/srv/rules") -> Record:
    known = Serial("file", serial) if serial else Serial("time", str(at))
    return Record(digest, known, at, "key", target, {})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, record("a"), None),
        (record("a"), record("a"), None),
        (record("a", at=100), record("b", at=101), None),
        (record("a", at=100), record("b", at=99), "older"),
        (record("a", at=100), record("b", at=100), "other content"),
        (record("a", "4.9"), record("b", "4.10"), None),
        (record("a", "4.10"), record("b", "4.9", at=500), "older"),
        (record("a", "4.10"), record("b", "4.10.0", at=500), "other content"),
        (record("a", "4-1"), record("b", "4.2"), None),
        # The serial's source changed in between: only the signed time can tell.
        (record("a", "2026", at=100), record("b", at=99), "older"),
        (record("a", at=100), record("b", "1", at=101), None),
    ],
)
def test_what_is_older(old: Record | None, new: Record, expected: str | None) -> None:
    if expected is None:
        not_older(old, new, allow_older=False)
        return
    with pytest.raises(Unfit, match=expected) as raised:
        not_older(old, new, allow_older=False)
    assert not raised.value.reason()["zh"].isascii()
    if expected == "older":
        not_older(old, new, allow_older=True)


@pytest.mark.parametrize("line", ["", "abc", "1.x", "-1", "1..2", "9" * 19, "1 2"])
def test_serials_that_are_none(line: str) -> None:
    with pytest.raises(Unfit, match="no number"):
        serial_in(line)


def test_a_record_that_cannot_be_read_hides_a_serial(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rules.json"
    assert records.read(str(path)) is None
    known = record("a", "4.9")._replace(entries={"x": ["file", 420, "d"]})
    records.write(str(path), known)
    assert records.read(str(path)) == known
    path.write_text("{}")
    with pytest.raises(Unfit, match="cannot be read"):
        records.read(str(path))


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b"])
def test_names_that_could_be_another_path(name: str) -> None:
    with pytest.raises(Unfit, match="name"):
        records.record_path(name)


class Stage:
    """A library as it arrived on a host, and the folder that it goes to."""

    def __init__(self, place: Path) -> None:
        self.signer = Minisigner()
        self.stage, self.target = place / "stage", place / "srv" / "rules"
        self.stage.mkdir()

    def arrive(
        self, data: bytes, name: str = "rules.tar.gz", time: int = 100, **more: Any
    ) -> Wanted:
        (self.stage / SOURCE).write_bytes(data)
        (self.stage / SIGNATURE).write_bytes(self.signer.sign(data, time=time))
        (self.stage / KEY).write_text(self.signer.line)
        return Wanted(
            name="rules", file_name=name, sha256="", stage=str(self.stage),
            target=str(self.target), **more,
        )  # fmt: skip

    def placing(self, mode: int = 0o640) -> Placing:
        owner = Owner(ME, MINE, mode)
        return Placing(str(self.target), str(self.stage / "before"), owner, nothing)

    def seen(self) -> list[tuple[str, int, str]]:
        """All below the folder of the test, as it is now."""
        top = self.target.parent
        return sorted(
            (str(one.relative_to(top)), one.lstat().st_mode, _content(one))
            for one in top.rglob("*")
        )


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return path.read_text() if path.is_file() else ""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_an_archive_and_a_file(stage: Stage) -> None:
    one = unpacked(stage.arrive(b"signatures\n", "daily.db"), MOST, nothing)
    assert list(one.entries) == ["daily.db"]
    assert one.serial == Serial("time", "100")
    data = packed([Member("VERSION", b"v4.7.1\nmore\n"), Member("a/b", b"x")])
    two = unpacked(stage.arrive(data, serial_file="VERSION"), MOST, nothing)
    assert two.serial == Serial("file", "4.7.1")
    assert sorted(two.entries) == ["VERSION", "a", "a/b"]


def test_what_does_not_prove_is_not_unpacked(stage: Stage) -> None:
    wanted = stage.arrive(packed([Member("a", b"x")]))
    (stage.stage / SOURCE).write_bytes(packed([Member("a", b"y")]))
    with pytest.raises(BadSignature):
        unpacked(wanted, MOST, nothing)
    assert not (stage.stage / UNPACKED).exists()
    with pytest.raises(BadSignature, match="SHA-256"):
        unpacked(wanted._replace(sha256="0" * 64), MOST, nothing)
    with pytest.raises(Unfit, match="no proper file name"):
        unpacked(stage.arrive(b"x", "..hidden"), MOST, nothing)
    with pytest.raises(Unfit, match="no NONE"):
        unpacked(stage.arrive(packed([Member("a", b"x")]), serial_file="NONE"), MOST, nothing)
    with pytest.raises(Unfit, match="leads out"):
        unpacked(stage.arrive(packed([Member("a", b"x"), link("l", "/etc")])), MOST, nothing)
    with pytest.raises(Unfit, match="no time"):
        data = b"x"
        bare = stage.arrive(data, "a.db")
        (stage.stage / SIGNATURE).write_bytes(stage.signer.sign(data, comment="no time"))
        unpacked(bare, MOST, nothing)


def test_the_sites_own_check(stage: Stage) -> None:
    wanted = stage.arrive(b"x", validate=("test", "-e", "%s/a"))
    assert wanted.validates_first
    with pytest.raises(Unfit, match="does not pass its check"):
        validated(wanted, Host(), str(stage.stage))
    (stage.stage / "a").touch()
    validated(wanted, Host(), str(stage.stage))
    missing = wanted._replace(validate=("no-such-program",))
    assert not missing.validates_first
    with pytest.raises(Unfit, match="not installed"):
        validated(missing, Host(), "/")


def test_put_and_replaced(stage: Stage) -> None:
    first = unpacked(
        stage.arrive(packed([Member("a", b"1"), Member("old/b", b"2"), link("l", "a")])),
        MOST,
        nothing,
    )
    placed = stage.placing().put(str(stage.stage / UNPACKED), first.entries, {})
    assert differences(str(stage.target), placed) == []
    (stage.target / "own").write_text("of the store")
    (stage.target / "a").chmod(0o777)
    second = unpacked(
        stage.arrive(packed([Member("a", b"3"), folder("new"), Member("new/c", b"4")])),
        MOST,
        nothing,
    )
    placed = stage.placing().put(str(stage.stage / UNPACKED), second.entries, placed)
    assert differences(str(stage.target), placed) == []
    assert [(name, oct(mode & 0o777)) for name, mode, _content in stage.seen()] == [
        ("rules", "0o750"),
        ("rules/a", "0o640"),
        ("rules/new", "0o750"),
        ("rules/new/c", "0o640"),
        ("rules/own", "0o644"),
    ]


def test_a_link_in_the_way_is_not_followed(stage: Stage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    stage.target.mkdir(parents=True)
    (stage.target / "sub").symlink_to(outside)
    (stage.target / "a").symlink_to(outside / "passwd")
    found = unpacked(
        stage.arrive(packed([Member("a", b"1"), Member("sub/b", b"2")])), MOST, nothing
    )
    before = stage.seen()
    placing = stage.placing()
    with pytest.raises(Unfit, match="a link to one"):
        placing.put(str(stage.stage / UNPACKED), found.entries, {})
    placing.back()
    assert stage.seen() == before
    assert list(outside.iterdir()) == []


_NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "f/g/h", "i"])
_FILES = st.dictionaries(_NAMES, st.sampled_from(["1", "2"]), min_size=1)


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=_FILES, second=_FILES, own=_FILES, mode=st.sampled_from([0o600, 0o644]))
def test_there_and_back_is_nothing_done(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, str], second: dict[str, str], own: dict[str, str], mode: int,
) -> None:  # fmt: skip
    stage = Stage(tmp_path_factory.mktemp("there"))
    _write(stage.target, own)
    old = stage.placing().put(*_library(stage, first), {})
    before = stage.seen()
    placing = stage.placing(mode)
    new = placing.put(*_library(stage, second), old)
    assert differences(str(stage.target), new) == []
    placing.back()
    assert stage.seen() == before


def _library(stage: Stage, files: dict[str, str]) -> tuple[str, dict[str, list[Any]]]:
    members: Sequence[Member] = [Member(name, text.encode()) for name, text in files.items()]
    found = unpacked(stage.arrive(packed(members, "")), MOST, nothing)
    return str(stage.stage / UNPACKED), found.entries


def _write(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "own")


@pytest.mark.parametrize("mode", ["416", "644", "4755", "rw", "0648"])
def test_modes_that_yaml_or_somebody_mistook(mode: str) -> None:
    given: dict[str, Any] = {name: spec.get("default", "x") for name, spec in SPEC.items()}
    assert wanted({**given, "mode": "0640"}, "", "x").mode == 0o640
    with pytest.raises(Unfit, match="octal digits in quotes"):
        wanted({**given, "mode": mode}, "", "x")


def test_a_source_on_the_controller_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="absolute"):
        local_file("source", "rules.tar.gz")
    with pytest.raises(Unfit, match="not there"):
        local_file("source", str(tmp_path / "none"))
    with pytest.raises(Unfit, match="not signed"):
        trust({"key": Minisigner().line, "signature": ""}, must=True)
    with pytest.raises(Unfit, match="no key"):
        trust({"key": "", "signature": "/x"}, must=False)
    assert trust({"key": "", "signature": ""}, must=False).asked is False
    line = Minisigner().line
    beside = tmp_path / "sig"
    beside.write_text("s")
    assert trust({"key": line, "signature": str(beside)}, must=True).key == line.encode()
