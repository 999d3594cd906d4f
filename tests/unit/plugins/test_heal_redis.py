# SPDX-License-Identifier: GPL-3.0-or-later
"""The action redis: the protocol, where a server is found, and how its password is used."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.redis_line import (
    AUTH_FILE,
    RedisDown,
    RedisLine,
    RedisRefused,
    address,
    encoded,
    info_of,
    own_login,
    settings_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PATIENCE = 60.0
CONFIG = "/etc/redis/redis.conf"


def test_a_command_has_the_length_of_its_words_in_bytes() -> None:
    assert encoded(("GET", "é")) == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xa9\r\n"


@pytest.mark.parametrize(
    ("bind", "found"),
    [
        ("", "127.0.0.1"), ("* -::*", "127.0.0.1"), ("10.0.0.5 127.0.0.1", "127.0.0.1"),
        ("-::1 10.0.0.5", "::1"), ("10.0.0.5", "10.0.0.5"),
    ],
)  # fmt: skip
def test_where_a_server_is_asked(bind: str, found: str) -> None:
    assert address(bind) == found


def test_info_by_names() -> None:
    text = "# Memory\r\nused_memory:5\r\nexecutable:/usr/bin/a:b\r\n\r\n"
    assert info_of(text) == {"used_memory": "5", "executable": "/usr/bin/a:b"}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc/redis").mkdir(parents=True)
    (tmp_path / "etc/storewarden").mkdir(parents=True)
    return Host(str(tmp_path))


def write(host: Host, path: str, text: str, mode: int = 0o600) -> None:
    Path(host.at(path)).write_text(text)
    Path(host.at(path)).chmod(mode)


def test_settings_with_includes_quotes_and_renamed_commands(host: Host) -> None:
    write(host, "/etc/redis/more.conf", 'requirepass "a \\"b\\""\nrename-command CONFIG ""\n')
    write(host, CONFIG, "# port 1\nPORT 6380\nbind 10.0.0.5\ninclude /etc/redis/more.conf\n")
    found = settings_of(host, CONFIG)
    assert found.values["port"] == "6380"
    assert found.values["requirepass"] == 'a "b"'
    assert found.renamed == {"config": ""}


def test_a_password_file_that_others_may_read_is_refused(host: Host) -> None:
    assert own_login(host) == ()
    write(host, AUTH_FILE, "till secret\n", 0o644)
    with pytest.raises(RedisRefused, match="must belong to root alone"):
        own_login(host)
    if os.geteuid() == 0:
        Path(host.at(AUTH_FILE)).chmod(0o600)
        assert own_login(host) == ("till", "secret")


@contextlib.contextmanager
def server(host: Host, replies: list[bytes], config: str = "") -> Iterator[list[bytes]]:
    """A server that gives these replies one after the other, and what it was told."""
    heard: list[bytes] = []

    def serve(line: socket.socket) -> None:
        caller, _address = line.accept()
        with caller:
            for reply in replies:
                heard.append(caller.recv(4096))
                caller.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as line:
        write(host, CONFIG, f"port {line.getsockname()[1]}\n{config}")
        work = threading.Thread(target=serve, args=(line,), daemon=True)
        work.start()
        yield heard
        work.join(PATIENCE)


def test_texts_numbers_lists_and_nothing(host: Host) -> None:
    replies = [b"+PONG\r\n", b":7\r\n", b"*2\r\n$1\r\n0\r\n*-1\r\n", b"$-1\r\n"]
    with server(host, replies), RedisLine(host, CONFIG, PATIENCE) as line:
        assert [line.ask(word) for word in ("PING", "DBSIZE", "SCAN", "GET")] == [
            "PONG", 7, ["0", []], None,
        ]  # fmt: skip


def test_the_login_comes_first_and_a_renamed_command_by_its_new_name(host: Host) -> None:
    config = "requirepass hush\nrename-command CONFIG abc\n"
    with server(host, [b"+OK\r\n", b"*0\r\n"], config) as heard:
        line = RedisLine(host, CONFIG, PATIENCE)
        line.ask("CONFIG", "GET", "dir")
        line.close()
        assert heard[0] == encoded(("AUTH", "hush"))
        assert heard[1] == encoded(("abc", "GET", "dir"))


def test_a_wrong_password_is_not_told(host: Host) -> None:
    refusal = b"-WRONGPASS invalid username-password pair\r\n"
    with server(host, [refusal], "requirepass hush\n"), pytest.raises(RedisRefused) as refused:
        RedisLine(host, CONFIG, PATIENCE)
    assert "no password of this host is right" in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_server_without_a_password_lets_us_in_with_one(host: Host) -> None:
    refusal = b"-ERR AUTH <password> called without any password configured\r\n"
    replies = [refusal, b"+PONG\r\n"]
    with server(host, replies, "requirepass hush\n"), RedisLine(host, CONFIG, PATIENCE) as line:
        assert line.ask("PING") == "PONG"


def test_nobody_there_and_somebody_else_there(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as line:
        number = line.getsockname()[1]
    write(host, CONFIG, f"port {number}\n")
    with pytest.raises(RedisDown, match="refused"):
        RedisLine(host, CONFIG, PATIENCE)
    with server(host, [b"HTTP/1.1 400 Bad Request\r\n"]):
        other = RedisLine(host, CONFIG, PATIENCE)
        with pytest.raises(RedisDown, match="not Redis"):
            other.ask("PING")
        other.close()
