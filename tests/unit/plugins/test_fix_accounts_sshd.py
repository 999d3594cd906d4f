# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of sshd on imagined hosts: our file comes first, and what would win over it gives way."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.sshd_files import OURS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from tests.unit.plugins.fix_bench import planned, told
from tests.unit.plugins.fix_hosts import ImaginedHost

MAIN = "/etc/ssh/sshd_config"
SITE = "/etc/ssh/sshd_config.d/50-site.conf"
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"
OUTSIDE = "user=cashier,host=outside.invalid,addr=192.0.2.10"
TRIES: dict[str, Any] = {
    "kind": "sshd",
    "specs": [OUTSIDE],
    "settings": {"MaxAuthTries": "5"},
    "good": {"MaxAuthTries": {"all_ge": 1, "all_le": 5}},
}


def made(sshd: Any, fix: dict[str, Any], **files: str) -> ImaginedHost:
    """The host after the fix. ``sshd`` is what it answers by now, as in a case."""
    host = ImaginedHost(
        sshd=sshd,
        files={MAIN: INCLUDE, "/lib/systemd/system/ssh.service": "", "/usr/sbin/sshd": "", **files},
    )
    planned(host.case, **fix).act(host)
    return host


def step(sshd: Any, fix: dict[str, Any], **files: str) -> Any:
    return planned(
        {"sshd": sshd, "files": {MAIN: INCLUDE, "/lib/systemd/system/ssh.service": "", **files}},
        **fix,
    )


def lines(host: ImaginedHost, path: str = OURS) -> list[str]:
    return [one for one in host.text(path).splitlines() if not one.startswith("# Written")]


def test_our_file_is_written_for_root_alone_and_sshd_is_reloaded() -> None:
    host = made("maxauthtries 6\n", TRIES)
    assert lines(host) == ["MaxAuthTries 5"]
    assert host.case["files"][OURS]["mode"] == "0600"
    found = step("maxauthtries 6\n", TRIES)
    assert told(found) == [(OURS + ": MaxAuthTries", "6", "5")]
    assert found.reloads == ("ssh.service",)
    assert found.checks == (("sshd", "-t"),)
    assert {"kind": "unit", "name": "ssh.service", "after_restore": "reload"} in found.items
    # the folder is not there yet, so an undo has to take it away again
    assert {"kind": "tree", "path": "/etc/ssh/sshd_config.d"} in found.items


def test_lines_of_other_controls_stay_in_our_file() -> None:
    host = made("maxauthtries 6\n", TRIES, **{OURS: "X11Forwarding no\nMaxAuthTries 9\n"})
    assert lines(host) == ["X11Forwarding no", "MaxAuthTries 5"]


@pytest.mark.parametrize("sshd", ["maxauthtries 3\n", "maxauthtries 5\n"])
def test_a_stricter_host_stays_as_it_is(sshd: str) -> None:
    assert step(sshd, TRIES, **{SITE: "MaxAuthTries 3\n"}).changes == ()


def test_only_the_match_block_that_is_worse_gives_way() -> None:
    """The rest of the host allows three, and is not raised to five."""
    site = (
        "MaxAuthTries 3\nMatch User ops\n  MaxAuthTries 2\nMatch User cashier\n  MaxAuthTries 10\n"
    )
    sshd = {"": "maxauthtries 3\n", OUTSIDE: "maxauthtries 10\n"}
    host = made(sshd, TRIES, **{SITE: site})
    assert OURS not in host.written
    assert host.text(SITE) == site.replace("  MaxAuth", "# off, storewarden:   MaxAuth", 2).replace(
        "# off, storewarden:   MaxAuthTries 2", "  MaxAuthTries 2"
    )
    assert told(step(sshd, TRIES, **{SITE: site})) == [
        (SITE + ": MaxAuthTries (Match)", "10", None)
    ]


@pytest.mark.parametrize(
    ("main", "after"),
    [
        # before the folder is read
        ("MaxAuthTries 10\n" + INCLUDE, "# off, storewarden: MaxAuthTries 10\n" + INCLUDE),
        ("maxauthtries=10\n" + INCLUDE, "# off, storewarden: maxauthtries=10\n" + INCLUDE),
        # behind it sshd does not listen any more
        (INCLUDE + "MaxAuthTries 10\n", INCLUDE + "MaxAuthTries 10\n"),
        # never read, or for some connections only
        ("Port 22\n", f"Include {OURS}\nPort 22\n"),
        ("MaxAuthTries 10\n", f"Include {OURS}\nMaxAuthTries 10\n"),
        (
            "Match User ops\n" + INCLUDE,
            f"Include {OURS}\nMatch User ops\n" + INCLUDE,
        ),
        # "Match all" ends a block
        ("Match User ops\nMatch all\n" + INCLUDE, "Match User ops\nMatch all\n" + INCLUDE),
        ('Include "sshd_config.d/*.conf"\n', 'Include "sshd_config.d/*.conf"\n'),
    ],
)
def test_where_our_file_is_read(main: str, after: str) -> None:
    host = made("maxauthtries 10\n", TRIES, **{MAIN: main})
    assert host.text(MAIN) == after
    assert lines(host) == ["MaxAuthTries 5"]


def test_a_file_that_sorts_before_ours_gives_way() -> None:
    early = "/etc/ssh/sshd_config.d/00-early.conf"
    host = made("maxauthtries 10\n", TRIES, **{early: "MaxAuthTries 10\n"})
    assert host.text(early) == "# off, storewarden: MaxAuthTries 10\n"


def test_an_option_of_the_daemon_goes_and_the_daemon_is_restarted() -> None:
    options = '# SSHD_OPTS=\nSSHD_OPTS="-4 -o MaxAuthTries=10 -o Banner=none"\n'
    files = {"/etc/default/ssh": options}
    host = made("maxauthtries 10\n", TRIES, **files)
    assert host.text("/etc/default/ssh") == '# SSHD_OPTS=\nSSHD_OPTS="-4 -o Banner=none"\n'
    found = step("maxauthtries 10\n", TRIES, **files)
    assert (found.reloads, found.restarts) == ((), ("ssh.service",))


def test_another_configuration_file_is_left_and_named() -> None:
    with pytest.raises(FixFailed, match="configuration file of its own"):
        step("maxauthtries 10\n", TRIES, **{"/etc/default/ssh": 'SSHD_OPTS="-f /srv/sshd"\n'})


def test_algorithms_of_the_system_wide_policy_are_left_and_named() -> None:
    policy = {
        "/etc/crypto-policies/back-ends/opensshserver.config": "CRYPTO_POLICY='-oCiphers=a-cbc'\n"
    }
    fix = {"kind": "sshd", "settings": {"Ciphers": "b"}}
    with pytest.raises(FixFailed, match="update-crypto-policies"):
        step("ciphers a-cbc\n", fix, **policy)


def test_of_several_values_the_first_accepted_one_is_taken() -> None:
    fix: dict[str, Any] = {
        "kind": "sshd",
        "settings": {"PermitRootLogin": ["prohibit-password", "no"]},
        "good": {"PermitRootLogin": {"all_in": ["no"]}},
    }
    assert lines(made("permitrootlogin yes\n", fix)) == ["PermitRootLogin no"]


def test_a_good_default_is_written_down_beside_a_bad_setting_and_a_good_list_is_not() -> None:
    fix: dict[str, Any] = {
        "kind": "sshd",
        "settings": {"ClientAliveInterval": "300", "ClientAliveCountMax": "9", "MACs": "a,b"},
        "good": {
            "ClientAliveInterval": {"all_ge": 1},
            "ClientAliveCountMax": {"all_le": 9},
            "MACs": {"all_in": ["a", "b"]},
        },
    }
    sshd = "clientaliveinterval 0\nclientalivecountmax 3\nmacs a\n"
    assert lines(made(sshd, fix)) == ["ClientAliveInterval 300", "ClientAliveCountMax 3"]


def test_a_host_without_sshd_has_nothing_to_fix() -> None:
    assert planned({"files": {}}, **TRIES).changes == ()


SOURCES: dict[str, Any] = {"kind": "sshd", "specs": [], "sources": ["10.20.0.0/16", "fd00::/32"]}


@pytest.mark.parametrize(
    ("allowed", "after"),
    [
        ([], "*@10.20.0.0/16 *@fd00::/32"),
        (["ops"], "ops@10.20.0.0/16 ops@fd00::/32"),
        (
            ["ops@10.20.30.0/24", "mei@10.0.0.0/8"],
            "ops@10.20.30.0/24 mei@10.20.0.0/16 mei@fd00::/32",
        ),
        (["*@10.20.*", "!old"], "*@10.20.0.0/16 *@fd00::/32 !old"),
    ],
)
def test_every_user_is_bound_to_the_management_networks(allowed: list[str], after: str) -> None:
    sshd = "port 22\n" + "".join(f"allowusers {one}\n" for one in allowed)
    site = "AllowUsers {}\nMatch User x\n  AllowUsers all\n".format(" ".join(allowed) or "x")
    host = made(sshd, SOURCES, **{SITE: site})
    assert lines(host) == [f"AllowUsers {after}"]
    # all lines of this key count together
    assert [one for one in host.text(SITE).split("\n") if "AllowUsers" in one] == [
        "# off, storewarden: " + one for one in site.split("\n") if "AllowUsers" in one
    ]


def test_without_management_networks_nobody_is_shut_out() -> None:
    with pytest.raises(FixFailed, match="set baseline_ssh_mgmt_nets first"):
        step("port 22\n", {**SOURCES, "sources": []})
