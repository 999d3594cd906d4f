# SPDX-License-Identifier: GPL-3.0-or-later
"""The senders of DingTalk, WeCom and Feishu against robots that answer 200 to everything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from storewarden.adapters.notify import connect_sender, dingtalk, feishu
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.notifications import Message, Sender
from storewarden.testing.conformance_notify import TEXT, TITLE, SenderConformance, failure
from storewarden.testing.loopback import Mishap
from storewarden.testing.notify import ChatRobot, DingTalkRobot, FeishuBot, WeComRobot
from storewarden.testing.secrets import MemorySecrets

URL, SECRET = "file:/etc/storewarden/robot-url", "vault:secret/robot#sign"
HELLO = Message(title=TITLE, text=TEXT)


class RobotInbox:
    """A robot's group as the suite wants it."""

    def __init__(self, robot: ChatRobot) -> None:
        self.robot = robot

    def texts(self) -> Sequence[str]:
        return [f"{each.title}\n{each.text}" for each in self.robot.shown]

    def down(self) -> AbstractContextManager[None]:
        return self.robot.down()

    def busy(self) -> AbstractContextManager[None]:
        return self.robot.busy()

    def refusing(self) -> AbstractContextManager[None]:
        return self.robot.refusing()

    def secrets(self) -> Sequence[str]:
        return (self.robot.token, self.robot.secret)


def secrets_of(robot: DingTalkRobot | WeComRobot | FeishuBot) -> MemorySecrets:
    return MemorySecrets({URL: robot.webhook() + "\n", SECRET: robot.secret + "\n"})


def sender_of(robot: ChatRobot, **keys: object) -> Sender:
    assert isinstance(robot, DingTalkRobot | WeComRobot | FeishuBot)
    kind = {DingTalkRobot: "dingtalk", WeComRobot: "wecom", FeishuBot: "feishu"}[type(robot)]
    values: dict[str, object] = {"url": URL, "timeout_seconds": 60.0, **keys}
    if kind != "wecom":
        values.setdefault("secret", SECRET)
    return connect_sender("operations", kind, values, secrets_of(robot))


@pytest.fixture(params=[DingTalkRobot, WeComRobot, FeishuBot])
def robot(request: pytest.FixtureRequest) -> Iterator[ChatRobot]:
    with request.param() as service:
        yield service


@pytest.fixture
def inbox(robot: ChatRobot) -> RobotInbox:
    return RobotInbox(robot)


@pytest.fixture
def sender(robot: ChatRobot) -> Iterator[Sender]:
    made = sender_of(robot)
    yield made
    made.shut()


class TestRobots(SenderConformance):
    """All three keep what every channel promises."""


def test_the_robots_own_words_come_back(sender: Sender) -> None:
    assert sender.send(HELLO) in ("errcode 0 ok", "code 0 success")


class TestLies:
    """A 200 is not yet a message."""

    @pytest.mark.parametrize(
        ("answer", "retryable"),
        [
            (b"", True),
            (b"<html><title>Sign in</title></html>", True),
            (b"[]", True),
            (b'{"ok": true}', True),
            (b'{"errcode": "0", "code": "0"}', True),
            (b'{"errcode": false, "code": false}', True),
            (b'{"errcode": 99999, "errmsg": "new", "code": 99999, "msg": "new"}', False),
        ],
    )
    def test_only_a_zero_is_a_yes(
        self, robot: ChatRobot, sender: Sender, answer: bytes, retryable: bool
    ) -> None:
        robot.suffer_answer(200, answer)
        assert failure(lambda: sender.send(HELLO)).retryable is retryable

    @pytest.mark.parametrize("kind", [Mishap.BROKEN, Mishap.BUSY])
    def test_a_gateway_in_trouble_is_retryable(
        self, robot: ChatRobot, sender: Sender, kind: Mishap
    ) -> None:
        robot.suffer(kind)
        error = failure(lambda: sender.send(HELLO))
        assert error.retryable
        assert error.retry_after == (timedelta(seconds=7) if kind is Mishap.BUSY else None)

    def test_an_answer_that_was_lost_is_retryable(self, robot: ChatRobot, sender: Sender) -> None:
        robot.suffer(Mishap.LOST)
        assert failure(lambda: sender.send(HELLO)).retryable
        assert len(robot.shown) == 1  # told twice is better than not told

    def test_a_redirect_is_not_followed(self, robot: ChatRobot, sender: Sender) -> None:
        robot.suffer_answer(302, b"", {"Location": f"{robot.url}/elsewhere"})
        assert not failure(lambda: sender.send(HELLO)).retryable
        assert len(robot.requests) == 1

    def test_the_limit_per_minute_is_retryable(self, robot: ChatRobot, sender: Sender) -> None:
        robot.per_minute = 2
        sender.send(HELLO)
        sender.send(HELLO)
        assert failure(lambda: sender.send(HELLO)).retryable
        assert len(robot.shown) == 2


class TestMarkup:
    """What somebody typed stays text."""

    def test_a_summary_makes_no_link_and_calls_nobody(
        self, robot: ChatRobot, sender: Sender
    ) -> None:
        typed = "![x](http://evil/x.png) [log in](http://evil) <@all> <at user_id='all'></at> @all"
        sender.send(Message(title=typed, text=typed))
        (seen,) = robot.shown
        assert seen.called == ()
        if not isinstance(robot, FeishuBot):  # its text parts are not read as markup
            assert "](" not in seen.title.replace(typed, "") + seen.text
            assert "<" not in seen.text

    @pytest.mark.parametrize("urgent", [True, False])
    def test_people_are_called_for_urgent_news_only(self, robot: ChatRobot, urgent: bool) -> None:
        key = "at_mobiles" if isinstance(robot, DingTalkRobot) else "at_users"
        sender_of(robot, **{key: ["13800000000"]}).send(
            Message(title=TITLE, text="字" * 30_000, urgent=urgent)
        )
        assert robot.shown[0].called == (("13800000000",) if urgent else ())

    def test_everybody_is_called_when_the_site_wants_it(self) -> None:
        with DingTalkRobot() as robot:
            sender = sender_of(robot, at_all_when_urgent=True)
            sender.send(Message(title=TITLE, text=TEXT, urgent=True))
            sender.send(HELLO)
            assert [each.called for each in robot.shown] == [("all",), ()]

    def test_lines_stay_lines_in_dingtalk(self) -> None:
        with DingTalkRobot() as robot:
            sender_of(robot).send(HELLO)
            assert robot.shown[0].text == "\n\n".join((f"### {TITLE}", *TEXT.splitlines()))


class TestSizes:
    """Counted as the other side counts, in bytes."""

    @pytest.mark.parametrize("length", [3990, 4000, 4010, 1300, 1340, 1366, 5000])
    @pytest.mark.parametrize("letter", ["x", "字", "😀", '"'])
    def test_near_the_limit_nothing_is_refused(
        self, robot: ChatRobot, sender: Sender, letter: str, length: int
    ) -> None:
        sender.send(Message(title=TITLE, text=letter * length))
        seen = robot.shown[0].text
        assert seen.count(letter) > 800
        assert seen.count(letter) == length or "cut here" in seen

    def test_a_cut_is_made_at_the_end_of_a_line(self, robot: ChatRobot, sender: Sender) -> None:
        text = "\n".join(f"line {n:05d} ends." for n in range(3000))
        sender.send(Message(title=TITLE, text=text))
        lines = [line for line in robot.shown[0].text.splitlines() if line.startswith("line")]
        assert all(line.endswith("ends.") for line in lines)


class TestSigning:
    """The signatures, against values worked out by the services' own descriptions."""

    def test_dingtalk_signs_with_the_secret_as_key(self) -> None:
        code = hmac.new(b"SECabc", b"1795292118409\nSECabc", hashlib.sha256).digest()
        assert dingtalk.signature("1795292118409", "SECabc") == base64.b64encode(code).decode()

    def test_feishu_signs_nothing_with_both_as_key(self) -> None:
        code = hmac.new(b"1599360473\nabc", b"", hashlib.sha256).digest()
        assert feishu.signature("1599360473", "abc") == base64.b64encode(code).decode()

    def test_dingtalk_gets_its_signature_encoded_once(self) -> None:
        with DingTalkRobot() as robot:
            sender = sender_of(robot)
            for _ in range(12):  # a signature with + and / in it is among them
                robot.state.recent.clear()
                sender.send(HELLO)
            signs = [request.query["sign"] for request in robot.requests]
            assert all("%" not in sign and sign.endswith("=") for sign in signs)

    @pytest.mark.parametrize("skew", [timedelta(hours=2), timedelta(hours=-2)])
    @pytest.mark.parametrize("kind", [DingTalkRobot, FeishuBot])
    def test_a_clock_that_is_off_is_named(self, kind: type[ChatRobot], skew: timedelta) -> None:
        with kind() as robot:
            robot.skew = skew
            error = failure(lambda: sender_of(robot).send(HELLO))
            assert not error.retryable
            assert "clock" in str(error)

    @pytest.mark.parametrize("kind", [DingTalkRobot, FeishuBot])
    def test_a_wrong_secret_is_permanent_and_not_shown(self, kind: type[ChatRobot]) -> None:
        with kind() as robot:
            sender = sender_of(robot)
            robot.secret = "SEC-another"
            error = failure(lambda: sender.send(HELLO))
            assert not error.retryable
            assert "secret" in error.hint

    def test_a_robot_without_signature_gets_none(self) -> None:
        with DingTalkRobot() as robot:
            robot.signed = False
            sender = connect_sender("o", "dingtalk", {"url": URL}, secrets_of(robot))
            sender.send(HELLO)
            assert set(robot.requests[0].query) == {"access_token"}


class TestSecrets:
    """A robot's url is its password."""

    def test_a_rotated_url_is_found_without_a_restart(self) -> None:
        with WeComRobot() as robot:
            secrets = secrets_of(robot)
            sender = connect_sender("o", "wecom", {"url": URL}, secrets)
            sender.send(HELLO)
            robot.token = "another-0000000000000000"
            secrets.values[URL] = robot.webhook()
            sender.send(HELLO)
            assert len(robot.shown) == 2

    @pytest.mark.parametrize("value", ["", "not a url", "oapi.dingtalk.com/robot", "ftp://h/x"])
    def test_a_secret_that_is_no_url_is_not_repeated(self, value: str) -> None:
        sender = connect_sender("o", "wecom", {"url": URL}, MemorySecrets({URL: value}))
        with pytest.raises(ConfigInvalid) as caught:
            sender.send(HELLO)
        assert URL in str(caught.value)
        assert not value or value not in str(caught.value)

    def test_a_vault_that_is_away_is_retryable(self) -> None:
        secrets = MemorySecrets({URL: "http://127.0.0.1:1/x"})
        sender = connect_sender("o", "feishu", {"url": URL, "secret": SECRET}, secrets)
        secrets.away = True
        assert failure(lambda: sender.send(HELLO)).retryable

    def test_words_of_the_other_side_that_repeat_the_token_are_cleaned(self) -> None:
        with WeComRobot() as robot:
            told = json.dumps({"errcode": 93000, "errmsg": f"no robot {robot.token}\nfor you"})
            robot.suffer_answer(200, told.encode())
            with pytest.raises(AdapterError) as caught:
                sender_of(robot).send(HELLO)
            assert "no robot *** for you" in str(caught.value)


class TestSettings:
    """What is wrong is named by its key, and never repeated."""

    @pytest.mark.parametrize(
        ("values", "where", "what"),
        [
            ({}, "notifications.channels.ops.url", "missing"),
            ({"url": "https://oapi.dingtalk.com/robot/send?access_token=abc"}, "ops.url",
             "must be a reference"),
            ({"url": URL, "secret": "SECabc"}, "ops.secret", "must be a reference"),
            ({"url": URL, "secrit": SECRET}, "ops.secrit", "unknown key"),
            ({"url": URL, "at_mobiles": "138"}, "ops.at_mobiles", "must be a list"),
            ({"url": URL, "at_mobiles": ["1 <2>"]}, "ops.at_mobiles.0", "letters, digits"),
            ({"url": URL, "timeout_seconds": 0.0}, "ops.timeout_seconds", "above 0"),
            ({"url": URL, "ca_file": "/no/such/file"}, "ops.ca_file", "certificate"),
            ({"url": URL, "proxy": "socks9://x"}, "ops.proxy", "proxy"),
        ],
    )  # fmt: skip
    def test_one_line_names_the_key(self, values: dict[str, object], where: str, what: str) -> None:
        with pytest.raises(ConfigInvalid) as caught:
            connect_sender("ops", "dingtalk", values, MemorySecrets())
        line = str(caught.value)
        assert where in caught.value.where
        assert what in line
        assert "abc" not in line

    def test_a_key_that_was_nearly_right_is_suggested(self) -> None:
        with pytest.raises(ConfigInvalid, match="did you mean secret"):
            connect_sender("o", "dingtalk", {"url": URL, "secrit": SECRET}, MemorySecrets())

    def test_an_unknown_type_names_the_known_ones(self) -> None:
        with pytest.raises(ConfigInvalid, match="apprise, dingtalk, feishu, smtp, webhook, wecom"):
            connect_sender("o", "pager", {}, MemorySecrets())
