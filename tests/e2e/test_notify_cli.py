# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden notify`: the real command line, robots that lie like the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.testing.notify import DingTalkRobot
from tests.e2e.audit_cli import Done, Place

pytestmark = pytest.mark.slow

SETTINGS = """\
site: {name: 示例连锁, language: zh, timezone: Asia/Shanghai}
notifications:
  channels:
    operations:
      type: dingtalk
      url: file:robot.url
      secret: file:robot.secret
      severities: [warning, urgent]
      quiet_hours: "00:00-24:00"
"""
BROKEN = """\
    night:
      type: wecom
      url: file:none
      colour: red
"""


@pytest.fixture
def robot() -> Iterator[DingTalkRobot]:
    with DingTalkRobot() as running:
        yield running


def site(folder: Path, robot: DingTalkRobot, more: str = "") -> Place:
    place = Place(folder)
    place.settings(SETTINGS + more)
    for name, text in (("robot.url", robot.webhook()), ("robot.secret", robot.secret)):
        place.write(name, text + "\n").chmod(0o600)
    return place


def run(place: Place, robot: DingTalkRobot, *argv: str) -> Done:
    """What is secret never shows, whatever happens."""
    done = place.run("notify", *argv)
    for secret in (robot.token, robot.secret):
        assert secret not in done.out + done.err
    assert "Traceback" not in done.err
    return done


def test_a_test_arrives_at_once_and_the_robots_own_words_are_told(
    tmp_path: Path, robot: DingTalkRobot
) -> None:
    """Neither quiet hours nor another channel that is broken are in the way."""
    done = run(site(tmp_path, robot, BROKEN), robot, "test", "operations")
    assert (done.code, done.out.strip()) == (0, "operations: taken: errcode 0 ok")
    (shown,) = robot.shown
    assert "[示例连锁] 通知渠道 operations 测试" in shown.title
    assert "无需操作" in shown.text
    assert "(Asia/Shanghai)" in shown.text or "（Asia/Shanghai）" in shown.text
    assert not (tmp_path / "state/ledger.sqlite").exists()  # nothing of it is recorded


def test_a_robot_that_does_not_take_it_says_why(tmp_path: Path, robot: DingTalkRobot) -> None:
    place = site(tmp_path, robot)
    place.write("robot.secret", "SEC-another\n")
    done = run(place, robot, "test", "operations")
    assert (done.code, done.out, len(done.lines)) == (5, "", 1)
    assert "refused with errcode 310000: sign not match" in done.err
    assert robot.shown == []
    with robot.down():
        away = run(place, robot, "test", "operations")
    assert (away.code, "not reached" in away.err) == (5, True)


def test_a_channel_that_is_none_is_named_with_those_that_are(
    tmp_path: Path, robot: DingTalkRobot
) -> None:
    done = run(site(tmp_path, robot), robot, "test", "operation")
    assert (done.code, len(done.lines)) == (2, 1)
    assert "operation: no such channel (known: operations)" in done.err


def test_the_list_names_what_cannot_be_used_and_sends_nothing(
    tmp_path: Path, robot: DingTalkRobot
) -> None:
    good = run(site(tmp_path, robot), robot, "list")
    assert (good.code, good.err) == (0, "")
    assert good.out.splitlines()[1].split() == ["operations", "dingtalk", "zh", "urgent,warning",
                                               "ok"]  # fmt: skip
    bad = run(site(tmp_path, robot, BROKEN), robot, "list", "--json")
    assert bad.code == 1
    first, second = json.loads(bad.out)["channels"]
    assert (first["channel"], first["trouble"]) == ("operations", "")
    assert "notifications.channels.night.colour: unknown key" in second["trouble"]
    assert robot.requests == []


def test_without_channels_it_says_that_nobody_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.settings()
    done = place.run("notify", "list")
    assert (done.code, "nobody is told" in done.out) == (0, True)
