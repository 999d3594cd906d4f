# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved device configurations, as they come from the field, through the real getter."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.device_text import (
    shown_lines,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    evaluate_control,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    load_control,
    role_defaults,
)
from tests.unit.plugins.baseline_host import ROOT, Bench

CONFIGS = ROOT / "tests/network_configs"
VARIABLES = role_defaults()
CONTROLS = {
    path.stem: load_control(path, VARIABLES)
    for path in sorted((ROOT / "roles/baseline_network/controls").glob("*.yml"))
}
VIEWS = (
    *("protocols", "ssh_version", "http", "lockout", "idle", "secrets", "min_length", "log_hosts"),
    *("timestamps", "commands_recorded", "access_ports", "unguarded_ports", "open_sources"),
)


def saved(name: str) -> str:
    """The text of one of the stored configurations."""
    return (CONFIGS / f"{name}.cfg").read_text()


def look(bench: Bench, text: str | bytes, view: str, os_name: str = "auto", **query: Any) -> Any:
    """The view of a device that saved ``text``."""
    bench.files({"/srv/net/sw.cfg": text})
    device = {"os": os_name, "file": "/srv/net/sw.cfg", "max_age_days": 2}
    return bench.look("netcfg", device=device, view=view, **query)


def verdicts(bench: Bench, text: str) -> dict[str, str]:
    """Control -> verdict on a device that saved ``text``, by the real controls."""
    bench.files({"/srv/net/sw.cfg": text})
    values = {"os": "auto", "config": "/srv/net/sw.cfg"}
    nets = ["10.20.0.0/24", "2001:db8:20::/48"]
    return {
        name: evaluate_control(
            bench.system(),
            one.prepared(values | ({"nets": nets} if "nets" in one.variables else {})),
        )["verdict"]
        for name, one in CONTROLS.items()
    }


@pytest.mark.parametrize("name", ["ios-switch-good", "vrp-switch-good"])
def test_a_well_kept_switch_passes_every_control(bench: Bench, name: str) -> None:
    assert set(verdicts(bench, saved(name)).values()) == {"pass"}


@pytest.mark.parametrize("name", ["ios-switch-bad", "vrp-switch-bad"])
def test_a_neglected_switch_fails_every_control(bench: Bench, name: str) -> None:
    assert set(verdicts(bench, saved(name)).values()) == {"fail"}


@pytest.mark.parametrize("name", ["ios-switch-good", "vrp-switch-good"])
def test_no_piece_of_a_configuration_ever_passes(bench: Bench, name: str) -> None:
    """Cut anywhere before its end, it is an error of every control."""
    text = saved(name).rstrip()
    whole = max(text.rfind("\nend\n"), text.rfind("\nreturn\n"))
    lines = text[:whole].splitlines(keepends=True)
    for count in range(1, len(lines), 7):
        got = set(verdicts(bench, "".join(lines[:count])).values())
        assert got == {"error"}, f"cut behind line {count}: {got}"


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _carriage_returns(text: str) -> str:
    return text.replace("\n", "\r")


def _byte_order_mark(text: str) -> str:
    return "\ufeff" + text


def _cisco_pager(text: str) -> str:
    """Every 24th line came after a pager's mark that was wiped out with backspaces."""
    lines = text.split("\n")
    mark = " --More-- " + "\b" * 9 + " " * 8 + "\b" * 9
    return "\n".join(mark + one if n % 24 == 23 else one for n, one in enumerate(lines))


def _huawei_pager(text: str) -> str:
    lines = text.split("\n")
    mark = "  ---- More ----\x1b[42D" + " " * 42 + "\x1b[42D"
    return "\n".join(mark + one if n % 24 == 23 else one for n, one in enumerate(lines))


def _pager_on_lines_of_its_own(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f" --More-- \n{one}" if n % 24 == 23 else one for n, one in enumerate(lines))


@pytest.mark.parametrize(
    "spoil",
    [
        *(_crlf, _carriage_returns, _byte_order_mark),
        *(_cisco_pager, _huawei_pager, _pager_on_lines_of_its_own),
    ],
)
@pytest.mark.parametrize("name", [path.stem for path in sorted(CONFIGS.glob("*.cfg"))])
def test_what_a_terminal_leaves_behind_changes_nothing(
    bench: Bench, name: str, spoil: Callable[[str], str]
) -> None:
    clean, spoilt = saved(name), spoil(saved(name))
    assert spoilt != clean
    for view in VIEWS:
        assert look(bench, spoilt, view) == look(bench, clean, view), view


def test_a_pager_that_left_its_mark_in_front_of_a_line_is_an_error(bench: Bench) -> None:
    """How far the line was indented is lost, and with it to which block it belongs."""
    text = "hostname SW\nline vty 0 4\n --More--   transport input ssh\nend\n"
    with pytest.raises(ProbeError, match="line 3 holds a pager's mark"):
        look(bench, text, "protocols")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (" description a\bb", " description b"),
        ("abc\rX", "Xbc"),
        ("abc\x1b[2KX", "   X"),
        ("abc\x1b[1;31mdef\x1b[0m", "abcdef"),
        ("abc\x1b[2D\x1b[K", "a"),
        ("\x1b7x", "x"),
    ],
)
def test_a_line_is_what_a_screen_would_show(raw: str, shown: str) -> None:
    assert shown_lines(raw + "\nend") == [shown, "end"]


def test_banners_are_no_configuration_and_must_end(bench: Bench) -> None:
    spoken = "hostname SW\nbanner exec \x03\nip http server\n\x03\nno ip http server\nend\n"
    assert look(bench, spoken, "http") == "off"
    short = "hostname SW\nbanner motd $ip http server$\nno ip http server\nend\n"
    assert look(bench, short, "http") == "off"
    endless = "hostname SW\nbanner motd ^C\nno ip http server\nend\n"
    with pytest.raises(ProbeError, match="stops inside a banner"):
        look(bench, endless, "http")


def test_two_configurations_in_one_file_are_an_error(bench: Bench) -> None:
    with pytest.raises(ProbeError, match="two in one file"):
        look(bench, saved("ios-switch-bad") + saved("ios-switch-good"), "http")


def test_the_other_dialect_is_recognised_as_such(bench: Bench) -> None:
    with pytest.raises(ProbeError, match="cut off"):
        look(bench, saved("vrp-switch-good"), "http", "ios")
    with pytest.raises(ProbeError, match="no configuration of Cisco IOS"):
        look(bench, "set version 1\nend\n", "http", "ios")
    with pytest.raises(ProbeError, match="to be recognised"):
        look(bench, b"\xff\xfeh\x00o\x00s\x00t\x00", "http")
    with pytest.raises(ProbeError, match="to be recognised"):
        look(bench, "", "http")


def test_lines_of_a_site_s_own_interest(bench: Bench) -> None:
    text = saved("ios-switch-good")
    assert look(bench, text, "lines", match=r"^ntp server") == ["ntp server 10.9.0.9"]
    within = look(bench, text, "lines", section=r"^line vty", match=r"^exec-timeout")
    assert within == ["exec-timeout 10 0", "exec-timeout 10 0"]


def test_age_is_by_the_newest_file_and_never_in_the_future(bench: Bench) -> None:
    now = bench.system().now()
    good = "hostname SW\nno ip http server\nend\n"
    bench.files({"/net/R-20260301-v1.0.cfg": "junk", "/net/R-20260302-v1.0.cfg": good})
    folder = Path(bench.root) / "net"
    os.utime(folder / "R-20260301-v1.0.cfg", (now - 90000, now - 90000))

    def http(days: float, written: float) -> Any:
        os.utime(folder / "R-20260302-v1.0.cfg", (written, written))
        device = {"os": "ios", "file": "/net/R-*.cfg", "max_age_days": days}
        return bench.look("netcfg", device=device, view="http")

    assert http(1, now - 86300) == "off"
    with pytest.raises(ProbeError, match=r"older than 0\.5 days"):
        http(0.5, now - 43300)
    with pytest.raises(ProbeError, match="from the future"):
        http(1, now + 7200)


@pytest.mark.parametrize(
    ("file", "why"),
    [("", "set baseline_network_config"), ("sw.cfg", "begins with /"), ("/no", "at /no")],
)
def test_without_a_file_the_reason_says_what_to_do(bench: Bench, file: str, why: str) -> None:
    with pytest.raises(ProbeError, match=re.escape(why)):
        bench.look("netcfg", device={"os": "ios", "file": file, "max_age_days": 2}, view="http")


def test_no_password_and_no_hash_is_among_the_facts(bench: Bench) -> None:
    stored = re.compile(r"(?:secret|password|cipher|simple)(?: \d)? (\S*\d\S*)$", re.M)
    for name in (path.stem for path in CONFIGS.glob("*.cfg")):
        told = repr(look(bench, saved(name), "secrets"))
        hidden = [word for word in stored.findall(saved(name)) if len(word) > 5]
        assert hidden
        assert [word for word in hidden if word in told] == []
