# SPDX-License-Identifier: GPL-3.0-or-later
"""People and tokens in files: read again when they change, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.adapters.people import PeopleFiles, TokenFile
from storewarden.config.people import read_people
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.testing.ledger import ManualClock

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = """\
people:
  zhang.wei: {name: 张伟, roles: [operations_lead, it], language: zh}
  li.na: {name: Li Na, roles: [security_lead]}
"""


class Files:
    """A people file and a tokens file."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.people = folder / "people.yml"
        self.tokens = folder / "tokens.json"
        self.write(PEOPLE)

    def write(self, text: str) -> None:
        self.people.write_text(text)
        self.people.chmod(0o644)

    def open(self, zone: str = "Asia/Shanghai") -> PeopleFiles:
        return PeopleFiles(
            self.people, self.tokens, read=read_people, clock=self.clock, zone=ZoneInfo(zone)
        )

    def issue(self, person: str, lifetime: timedelta = 60 * DAY) -> str:
        book = TokenFile(self.tokens, clock=self.clock)
        issued = book.prepare(person, lifetime, "test")
        book.keep(issued)
        return issued.token


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def refused(people: PeopleFiles, token: str) -> str:
    with pytest.raises(Refused) as caught:
        people.authenticate(token)
    return str(caught.value)


def test_a_token_is_its_persons(files: Files) -> None:
    people = files.open()
    zhang, li = files.issue("zhang.wei"), files.issue("li.na")
    found = people.authenticate(zhang)
    assert (found.id, found.name, found.language) == ("zhang.wei", "张伟", "zh")
    assert found.roles == {"operations_lead", "it"}
    assert people.authenticate(li).id == "li.na"


def test_every_token_that_does_not_count_is_refused_in_the_same_words(files: Files) -> None:
    people = files.open()
    short, withdrawn, stranger = (
        files.issue("zhang.wei", DAY), files.issue("li.na"), files.issue("nobody"),
    )  # fmt: skip
    TokenFile(files.tokens, clock=files.clock).withdraw("li.na")
    files.clock.advance(DAY)
    unknown = "sw_zhang.wei_" + "0" * 64
    cases = [short, withdrawn, stranger, unknown, "", "x", "\udcff", short[:-1], "a" * 100_000]
    assert len({refused(people, token) for token in cases}) == 1


def test_a_token_lives_until_it_expires_and_no_longer(files: Files) -> None:
    people, token = files.open(), files.issue("li.na", DAY)
    files.clock.advance(DAY - timedelta(microseconds=1))
    assert people.authenticate(token).id == "li.na"
    files.clock.advance(timedelta(microseconds=1))
    refused(people, token)


def test_only_digests_are_stored_in_a_file_of_ones_own(files: Files) -> None:
    token = files.issue("zhang.wei")
    secret = token.rsplit("_", 1)[1]
    assert len(secret) == 64
    assert secret not in files.tokens.read_text()
    assert stat.S_IMODE(files.tokens.stat().st_mode) == 0o600
    assert token not in repr(TokenFile(files.tokens, clock=files.clock).prepare("li.na", DAY, "x"))


def test_root_leaves_the_file_to_whom_it_belongs(files: Files, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(tmp_path, 1234, 1234)
    files.issue("zhang.wei")
    assert (files.tokens.stat().st_uid, files.tokens.stat().st_gid) == (1234, 1234)
    files.issue("li.na")
    assert files.tokens.stat().st_uid == 1234


def test_a_change_of_the_people_file_counts_at_once(files: Files) -> None:
    people, token = files.open(), files.issue("li.na")
    files.write(PEOPLE.replace("[security_lead]", "[security_lead, it]"))
    assert people.authenticate(token).roles == {"security_lead", "it"}
    files.write(PEOPLE.replace("  li.na", "  li.nb"))
    refused(people, token)
    assert people.person("li.na") is None
    assert [person.id for person in people.everybody()] == ["li.nb", "zhang.wei"]


def test_who_left_is_gone_from_that_day_on_in_the_sites_zone(files: Files) -> None:
    files.write(PEOPLE.replace("[security_lead]", "[security_lead], left: 2026-06-03"))
    people, token = files.open(), files.issue("li.na")
    files.clock.advance(datetime(2026, 6, 2, 15, 59, tzinfo=UTC) - START)
    assert people.authenticate(token).id == "li.na"
    files.clock.advance(timedelta(minutes=1))  # midnight in Shanghai
    refused(people, token)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("people:\n  zhang.wei: {name: 张伟, roles: [", "people.yml:2"),
        ("people:\n  li.na: {name: A}\n  li.na: {name: B}\n", "people.yml:3: li.na: given twice"),
        ("people: {li.na: {roles: [it]}}", "li.na.name: is not there"),
        ("people: {li.na: {name: A, role: it}}", "li.na.role: unknown key"),
        ("people: {li.na: {name: A, roles: it}}", "must be a list"),
        ("people: {li.na: {name: A, roles: [Chief]}}", "small letters"),
        ("people: {storewarden: {name: A}}", "the program itself"),
        ("people: {Li Na: {name: A}}", "small letters"),
        ("people: {li.na: {name: A, left: soon}}", "left"),
        ("people: {li.na: {name: A, email: nowhere}}", "name@example.com"),
        ("people: {li.na: {name: A, left: 2026-02-30}}", "not valid YAML"),
        ('people: {li.na: {name: A, roles: !!int "a"}}', "not valid YAML"),
        ("people: !!bool x", "not valid YAML"),
        ("people: " + "9" * 5000, "not valid YAML"),
        ("[" * 5000, "nested too deep"),
        ('people: {li.na: {name: "A\\x9b31m"}}', "printable"),
        ('people: {li.na: {name: "A\\u202eB"}}', "printable"),
        (
            "people:\n  li.na: {name: A, email: l@x.cn}\n  li.nb: {name: B, email: L@x.cn}\n",
            "people.yml:3: people.li.nb.email: is the address of li.na",
        ),
        ("", "people.yml:1: must begin with people:"),
        ("- li.na", "people.yml:1: must begin with people:"),
        ("people: [li.na]", "people: must be keys with values"),
        ("people: {li.na: {nmae: A}}", "li.na.name: is not there (nmae is no key here)"),
        ("people: {li.na: {name: A, rank: 1}}", "unknown key (known: name, roles,"),
        ("people: {li.na: {name: 8}}", "must be text (put it in quotes)"),
        ("people: {li.na: {name: A, left: 31.05.2026}}", "must be a day like 2026-05-31"),
        ('people: {li.na: {name: A, left: "2026-05-32"}}', "no day of the calendar"),
    ],
)
def test_a_broken_file_is_one_line_and_the_last_good_one_stays(
    files: Files, text: str, said: str
) -> None:
    people, token = files.open(), files.issue("li.na")
    assert people.trouble() == ""
    files.write(text)
    assert people.authenticate(token).id == "li.na"
    assert said in people.trouble()
    assert "\n" not in people.trouble()
    files.write(PEOPLE)
    assert people.trouble() == ""
    files.write(text)
    with pytest.raises(ConfigInvalid):
        files.open()


def test_who_came_back_has_the_address_they_had(files: Files) -> None:
    files.write(
        "people:\n  li.na: {name: A, email: l@x.cn, left: 2025-01-01}\n"
        "  li.na2: {name: A, email: l@x.cn}\n"
    )
    assert files.open().person("li.na2") is not None


def test_a_named_pipe_in_place_of_the_people_file_holds_nobody_up(files: Files) -> None:
    people, token = files.open(), files.issue("li.na")
    files.people.unlink()
    os.mkfifo(files.people, 0o600)
    assert people.authenticate(token).id == "li.na"
    assert "is no file" in people.trouble()


def test_files_that_others_could_use_are_refused(files: Files) -> None:
    files.issue("li.na")
    files.tokens.chmod(0o640)
    with pytest.raises(ConfigInvalid, match="read by others"):
        files.open()
    files.tokens.chmod(0o600)
    files.people.chmod(0o666)
    with pytest.raises(ConfigInvalid, match="written by anybody"):
        files.open()


def test_a_tokens_file_somebody_broke_keeps_the_last_good_one(files: Files) -> None:
    token = files.issue("li.na")
    people = files.open()
    for content in ("{", "[]", '{"tokens": [{}]}', '{"tokens": [1]}', "", '{"tokens": null}'):
        files.tokens.write_text(content)
        assert people.authenticate(token).id == "li.na"
        assert "is not a tokens file" in people.trouble()
    files.tokens.unlink()  # no tokens at all is a state, not damage
    refused(people, token)
    assert people.trouble() == ""


def test_a_half_written_people_file_never_gives_half_a_person(files: Files) -> None:
    """While somebody saves in place, again and again, a role may be missing but none appears."""
    people, token = files.open(), files.issue("zhang.wei")
    stop, seen = threading.Event(), set[frozenset[str]]()

    def save() -> None:
        while not stop.is_set():
            with files.people.open("w") as stream:
                for piece in (PEOPLE[:30], PEOPLE[30:60], PEOPLE[60:]):
                    stream.write(piece)
                    stream.flush()

    writer = threading.Thread(target=save)
    writer.start()
    try:
        for _ in range(300):
            try:
                seen.add(people.authenticate(token).roles)
            except Refused:
                seen.add(frozenset())
    finally:
        stop.set()
        writer.join()
    files.write(PEOPLE)
    assert people.authenticate(token).roles == {"operations_lead", "it"}
    assert seen <= {frozenset({"operations_lead", "it"}), frozenset()}


def test_many_who_issue_at_once_lose_no_token(files: Files) -> None:
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(files.issue("li.na"))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    people = files.open()
    assert {people.authenticate(token).id for token in tokens} == {"li.na"}
    assert len(json.loads(files.tokens.read_text())["tokens"]) == 12


def test_withdrawing_ends_all_of_one_persons_tokens_only(files: Files) -> None:
    people = files.open()
    mine, other, kept = files.issue("li.na"), files.issue("li.na"), files.issue("zhang.wei")
    book = TokenFile(files.tokens, clock=files.clock)
    assert len(book.withdraw("li.na")) == 2
    assert book.withdraw("li.na") == ()
    refused(people, mine)
    refused(people, other)
    assert people.authenticate(kept).id == "zhang.wei"


def test_a_site_without_people_knows_nobody(files: Files) -> None:
    token = files.issue("li.na")
    people = PeopleFiles(
        None, files.tokens, read=read_people, clock=files.clock, zone=ZoneInfo("UTC")
    )
    refused(people, token)
    assert people.everybody() == ()
