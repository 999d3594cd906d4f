# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a configuration, what is the same, what it is called, and what people see of it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.backup.device_config import (
    ConfigFile,
    Platform,
    Version,
    against,
    config_file,
    difference,
    next_file,
    same,
    shown,
)

IOS = """Building configuration...

Current configuration : 1234 bytes
! Last configuration change at 10:00:00 UTC Mon Jun 1 2026 by admin
version 15.2
hostname Router-A
interface GigabitEthernet0/1
 ip address 10.0.0.1 255.255.255.0
snmp-server community s3cret RO
line vty 0 4
 transport input ssh
end
"""
VRP = """!Software Version V200R019C10
#
sysname Switch-B
#
interface Vlanif1
 ip address 10.0.0.2 255.255.255.0
#
return
"""


@pytest.mark.parametrize(
    ("text", "platform"), [(IOS, Platform.CISCO_IOS), (VRP, Platform.HUAWEI_VRP)]
)
def test_a_whole_configuration_is_taken(text: str, platform: Platform) -> None:
    assert against(text, platform) is None
    assert against(text.replace("\n", "\r\n"), platform, text) is None


@pytest.mark.parametrize(
    ("text", "platform", "told"),
    [
        ("", Platform.CISCO_IOS, "only 0 lines"),
        ("% Invalid input detected at '^' marker.", Platform.CISCO_IOS, "only 1 lines"),
        ("% Authorization failed\n" + IOS, Platform.CISCO_IOS, "an error text: %"),
        ("Error: Unrecognized command\n" + VRP, Platform.HUAWEI_VRP, "an error text: Error:"),
        (IOS.replace("hostname", "!ostname"), Platform.CISCO_IOS, "names no device"),
        (IOS.replace("end\n", ""), Platform.CISCO_IOS, "does not end with end"),
        (VRP.replace("return\n", ""), Platform.HUAWEI_VRP, "does not end with return"),
    ],
)
def test_what_does_not_prove_itself_is_refused(text: str, platform: Platform, told: str) -> None:
    refusal = against(text, platform)
    assert refusal is not None
    assert told in refusal.en


def test_one_that_shrank_by_a_third_is_refused() -> None:
    big = IOS.replace("line vty", " description x\n" * 30 + "line vty")
    refusal = against(IOS, Platform.CISCO_IOS, big)
    assert refusal is not None
    assert "smaller than the last one" in refusal.en
    assert against(big, Platform.CISCO_IOS, IOS) is None


def test_what_a_device_writes_anew_by_itself_is_no_change() -> None:
    later = IOS.replace("10:00:00", "11:30:00").replace("1234", "1240").replace("\n", "\r\n")
    assert same(IOS, later, Platform.CISCO_IOS)
    assert not same(IOS, IOS.replace("10.0.0.1", "10.0.0.9"), Platform.CISCO_IOS)
    assert difference(IOS, later, Platform.CISCO_IOS, ("a", "b")) == ""


def test_the_captured_configurations_are_configurations(project_root: Path) -> None:
    folder = project_root / "tests/network_configs"
    for name, platform in (("ios", Platform.CISCO_IOS), ("vrp", Platform.HUAWEI_VRP)):
        for state in ("good", "bad"):
            text = (folder / f"{name}-switch-{state}.cfg").read_text()
            text = re.split("(?m)^<?SW-", text)[0]  # the session goes on behind it
            assert against(text, platform) is None, (name, state)


def test_a_name_is_read_from_the_right() -> None:
    file = ConfigFile(device="Router-A", day=date(2024, 12, 1), version=Version())
    assert file.name == "Router-A-20241201-v1.0.cfg"
    assert config_file(file.name) == file
    assert config_file("Router-A-20241301-v1.0.cfg") is None
    assert config_file("notes.txt") is None


names = st.from_regex(r"[A-Za-z][A-Za-z0-9.-]{0,20}", fullmatch=True)


@given(names, st.dates(date(1970, 1, 1)), st.integers(1, 9), st.integers(0, 999))
def test_any_name_comes_back(device: str, day: date, major: int, minor: int) -> None:
    file = ConfigFile(device=device, day=day, version=Version(major=major, minor=minor))
    assert config_file(file.name) == file


def test_each_change_is_one_version_more() -> None:
    day = date(2026, 6, 1)
    first = next_file("R", day, ())
    second = next_file("R", day, [first])
    ninth = ConfigFile(device="R", day=day, version=Version(minor=9))
    assert [str(each.version) for each in (first, second)] == ["v1.0", "v1.1"]
    assert str(next_file("R", day, [first, ninth, second]).version) == "v1.10"


@pytest.mark.parametrize(
    "line",
    [
        "enable secret 5 hunter2",
        "username admin privilege 15 secret 9 hunter2",
        "snmp-server community hunter2 RO",
        " key-string 7 hunter2",
        "local-user admin password irreversible-cipher hunter2",
        "snmp-agent community read cipher hunter2",
        "crypto isakmp key hunter2 address 10.0.0.1",
        "neighbor 10.0.0.1 password hunter2",
        "tacacs-server key 7 hunter2",
        " ip ospf message-digest-key 1 md5 7 hunter2",
        " standby 1 authentication md5 key-string 7 hunter2",
        " standby 1 authentication hunter2",
        "ntp authentication-key 1 md5 hunter2 7",
        "snmp-server host 10.0.0.1 version 2c hunter2",
        "enable secret level 15 5 hunter2",
        " pre-shared-key local hunter2",
        "snmp-agent target-host trap params securityname hunter2 v2c",
        " wpa-psk ascii 0 hunter2",
        "snmp-server user u g v3 auth sha hunter2 priv aes 128 hunter2",
    ],
)
def test_no_secret_is_shown(line: str) -> None:
    assert "hunter2" not in shown(line)


def test_what_is_no_secret_stays() -> None:
    told = difference(IOS, IOS.replace("10.0.0.1", "10.0.0.9"), Platform.CISCO_IOS, ("a", "b"))
    assert "+ ip address 10.0.0.9 255.255.255.0" in shown(told)
