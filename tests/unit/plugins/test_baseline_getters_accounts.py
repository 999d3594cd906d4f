# SPDX-License-Identifier: GPL-3.0-or-later
"""Getters behind the controls on accounts and SSH: what is in force, not what a file says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

_QUALITY = {
    "service": "passwd",
    "type": "password",
    "module": "pam_pwquality.so",
    "files": ["/etc/security/pwquality.conf.d/*.conf", "/etc/security/pwquality.conf"],
}


def _quality(bench: Bench, key: Any, **query: Any) -> Any:
    return bench.look("pam_setting", **{**_QUALITY, "key": key, **query})


@pytest.fixture
def stack(bench: Bench) -> Bench:
    return bench.files(
        {
            "/etc/pam.d/passwd": (
                "password requisite pam_pwquality.so retry=3\npassword required pam_unix.so\n"
            )
        }
    )


# -- pam_setting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ["8"]),
        ("# minlen = 12\n", ["8"]),
        ("minlen = 12\n", ["12"]),
        ("minlen 12\n", ["12"]),
        ("  MINLEN=12# ours\n", ["12"]),
        ("minlen = 9\nminlen = 12\n", ["12"]),
        ("minlen = 12\nnonsense = 1\nminlen = 20\n", ["12"]),
        ("minlen = 12x\nminlen = 20\n", ["8"]),
    ],
)
def test_file_is_read_as_libpwquality_reads_it(stack: Bench, text: str, value: list[str]) -> None:
    stack.files({"/etc/security/pwquality.conf": text})
    assert _quality(stack, "minlen", default="8") == value


def test_main_file_wins_over_its_drop_ins(stack: Bench) -> None:
    stack.files(
        {
            "/etc/security/pwquality.conf": "minlen = 12\n",
            "/etc/security/pwquality.conf.d/99-x.conf": "minlen = 6\nminclass = 3\n",
        }
    )
    assert _quality(stack, "minlen") == ["12"]
    assert _quality(stack, "minclass") == ["3"]


def test_bad_line_in_a_drop_in_hides_the_main_file(stack: Bench) -> None:
    stack.files(
        {
            "/etc/security/pwquality.conf": "minlen = 12\n",
            "/etc/security/pwquality.conf.d/10-x.conf": "minlenght = 12\n",
        }
    )
    assert _quality(stack, "minlen", default="8") == ["8"]


def test_argument_wins_over_the_file(bench: Bench) -> None:
    bench.files(
        {
            "/etc/pam.d/passwd": "password requisite pam_pwquality.so MinLen=6 enforce_for_root\n",
            "/etc/security/pwquality.conf": "minlen = 12\n",
        }
    )
    assert _quality(bench, "minlen") == ["6"]
    assert _quality(bench, "enforce_for_root", flag=True) == ["true"]
    assert _quality(bench, ["dcredit", "ucredit"], default="0") == ["0"]


def test_flag_counts_whatever_its_value(stack: Bench) -> None:
    stack.files({"/etc/security/pwquality.conf": "enforce_for_root = 0\n"})
    assert _quality(stack, "enforce_for_root", flag=True) == ["true"]
    assert _quality(stack, "local_users_only", flag=True) == [None]


def test_setting_that_no_line_loads_is_not_in_force(bench: Bench) -> None:
    bench.files(
        {
            "/etc/pam.d/passwd": "password required pam_unix.so\n",
            "/etc/security/pwquality.conf": "minlen = 12\n",
        }
    )
    assert _quality(bench, "minlen", default="8") == []


def test_each_line_has_its_own_answer_and_its_own_file(bench: Bench) -> None:
    bench.files(
        {
            "/etc/pam.d/sshd": (
                "auth required pam_faillock.so preauth deny=3\n"
                "auth [default=die] pam_faillock.so authfail conf=/etc/till.conf\n"
            ),
            "/etc/pam.d/login": "auth required pam_faillock.so preauth\n",
            "/etc/security/faillock.conf": "deny = 5\nDeny = 9\n",
            "/etc/till.conf": "deny = 20\n",
        }
    )
    query = {"type": "auth", "module": "pam_faillock.so", "key": "deny", "default": "3"}
    files = ["/etc/security/faillock.conf"]
    both = bench.look("pam_setting", service=["sshd", "login"], files=files, **query)
    assert both == ["3", "20", "5"]
    assert bench.look("pam_setting", service="sshd", with_arg=["preauth"], **query) == ["3"]


# -- pam --------------------------------------------------------------------------------------


def test_pam_lines_before_and_after_a_module(bench: Bench) -> None:
    bench.files(
        {
            "/etc/pam.d/sshd": "@include common-auth\n",
            "/etc/pam.d/common-auth": (
                "auth requisite pam_faillock.so preauth\n"
                "auth [success=1 default=ignore] pam_unix.so nullok\n"
                "auth [default=die] pam_faillock.so authfail\n"
            ),
        }
    )
    query = {"service": "sshd", "type": "auth", "module": "pam_faillock.so"}
    (before,) = bench.look("pam", before="pam_unix.so", **query)
    (after,) = bench.look("pam", after="pam_unix", **query)
    assert (before["args"], after["args"]) == (["preauth"], ["authfail"])
    assert bench.look("pam", after="pam_krb5.so", **query) == []
    assert len(bench.look("pam", before="pam_krb5.so", **query)) == 2
    assert bench.look("pam", control="^requisite$", **query) == [before]
    (nullok,) = bench.look("pam", service=["login", "sshd"], type="auth", with_arg=["nullok"])
    assert nullok["service"] == "sshd"


# -- accounts ---------------------------------------------------------------------------------

_SHADOW = (
    "root:*:20000:0:99999:7:::\n"
    "old:!$1$a$b:20000:0:90:7:::\n"
    "lin:$y$j9T$a$b:20000:0::7:::\n"
    "fitter:$6$a$b:20514:0:-1:7::20521:\n"
)


@pytest.fixture
def people(bench: Bench) -> Bench:
    passwd = "".join(
        f"{name}:x:{uid}:{gid}::/:/bin/sh\n"
        for name, uid, gid in [
            ("root", 0, 0),
            ("old", 1000, 1000),
            ("lin", 1001, 27),
            ("fitter", 1002, 900),
        ]
    )
    return bench.files(
        {
            "/etc/passwd": passwd,
            "/etc/group": "root:x:0:\nsudo:x:27:old\ntemp:x:900:\n",
            "/etc/shadow": _SHADOW,
        }
    )


def test_no_maximum_is_outside_every_range(people: Bench) -> None:
    found = people.look("users", select={"max_not_between": [1, 90]})
    assert [one["name"] for one in found] == ["root", "lin", "fitter"]


def test_hash_behind_a_lock_is_a_hash(people: Bench) -> None:
    found = people.look("users", select={"hashed": True})
    assert [one["hash_id"] for one in found] == ["1", "y", "6"]
    assert [one["name"] for one in people.look("users", select={"hashed": False})] == ["root"]


def test_temporary_account_lives_from_its_registered_start_to_its_expiry(people: Bench) -> None:
    register = [{"name": "fitter", "start": "2026-03-02"}, {"name": "gone", "start": "2026-03-02"}]
    query = {"group": "temp", "register": register}
    expected = {"name": "fitter", "start": "2026-03-02", "expires": "2026-03-09", "days": 7}
    assert people.look("temporary_accounts", **query) == [expected]
    assert people.look("temporary_accounts", longer_than=7, **query) == []
    assert people.look("temporary_accounts", longer_than=6, **query) == [expected]


def test_temporary_account_of_unknown_age_is_too_old(people: Bench) -> None:
    (found,) = people.look("temporary_accounts", group="temp", register=[], longer_than=7)
    assert (found["name"], found["start"], found["days"]) == ("fitter", None, None)
    (endless,) = people.look(
        "temporary_accounts",
        group="none",
        register=[{"name": "lin", "start": "2026-03-02"}],
        longer_than=7,
    )
    assert (endless["name"], endless["expires"]) == ("lin", None)


def test_register_with_a_start_that_is_no_day_is_an_error(people: Bench) -> None:
    with pytest.raises(ProbeError, match="2026-01-31"):
        people.look("temporary_accounts", group="temp", register=[{"name": "lin", "start": "soon"}])


def test_login_defs_takes_no_comment_behind_a_value(bench: Bench) -> None:
    bench.files({"/etc/login.defs": "PASS_MAX_DAYS\t90 # days\n"})
    query = {"files": ["/etc/login.defs"], "key": "PASS_MAX_DAYS", "sep": r"\s+"}
    assert bench.look("kv", **query) == "90"
    assert bench.look("kv", whole_line=True, **query) == "90 # days"


# -- ssh --------------------------------------------------------------------------------------


def _sshd(bench: Bench, plain: str, **for_user: str) -> Bench:
    """An sshd that answers ``plain``, and for ``-C user=NAME,..`` what is given for NAME."""
    special = "".join(
        f"*user={name},*) printf '{text}'; exit ;;\n" for name, text in for_user.items()
    )
    return bench.script("sshd", f"case \"$*\" in\n{special}esac\nprintf '{plain}'")


@pytest.mark.parametrize(
    ("answer", "open_to"),
    [
        ("port 22\\n", ["everybody"]),
        ("allowusers ops@10.20.1.5\\nallowusers *@10.20.8.0/24\\n", []),
        ("allowusers ops@10.20.1.5\\nallowusers lin\\n", ["lin"]),
        ("allowusers ops@10.20.*\\n", ["ops@10.20.*"]),
        ("allowusers 10.20.1.5\\n", ["10.20.1.5"]),  # a user of that name, from anywhere
        ("allowusers ops@head.example\\n", ["ops@head.example"]),
        ("allowusers ops@10.0.0.0/8\\n", ["ops@10.0.0.0/8"]),
        ("allowusers ops@fd00::5\\nallowusers !eve\\n", ["ops@fd00::5"]),
    ],
)
def test_ssh_sources_beyond_the_networks(bench: Bench, answer: str, open_to: list[str]) -> None:
    _sshd(bench, answer)
    assert bench.look("ssh_open_sources", nets=["10.20.0.0/16"]) == open_to


def test_ssh_sources_of_a_match_block_count(bench: Bench) -> None:
    _sshd(bench, "allowusers *@10.20.0.0/16\\n", lin="allowusers lin\\n")
    specs = ["user=lin,host=x.invalid,addr=192.0.2.10"]
    assert bench.look("ssh_open_sources", nets=["10.20.0.0/16"], specs=specs) == ["lin"]
    with pytest.raises(ProbeError, match="not an address or network"):
        bench.look("ssh_open_sources", nets=["head office"])


_MFA = {"groups": ["sudo"], "address": "192.0.2.10"}


@pytest.mark.parametrize(
    ("methods", "enough"),
    [
        ("any", False),
        ("publickey", False),
        ("publickey,publickey", False),
        ("password,keyboard-interactive", False),
        ("publickey,password", True),
        ("publickey,keyboard-interactive:pam publickey,password", True),
        ("publickey,password publickey", False),
    ],
)
def test_two_factors_are_a_key_and_a_secret(people: Bench, methods: str, enough: bool) -> None:
    _sshd(people, f"permitrootlogin no\\nauthenticationmethods {methods}\\n")
    expected = [] if enough else [f"old: {methods}", f"lin: {methods}"]
    assert people.look("ssh_one_factor", **_MFA) == expected


def test_administrators_are_asked_for_one_by_one(people: Bench) -> None:
    _sshd(people, "authenticationmethods any\\n", old="authenticationmethods publickey,password\\n")
    assert people.look("ssh_one_factor", **_MFA) == ["root: any", "lin: any"]
    assert people.look("ssh_one_factor", **_MFA, **{"except": ["lin", "root"]}) == []
