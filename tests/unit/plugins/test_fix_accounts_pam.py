# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of PAM stacks on imagined hosts: profiles where the tool manages them, lines elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    pam_profiles,
    pam_stack,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem
from tests.unit.plugins.fix_bench import done, left, planned, told
from tests.unit.plugins.fix_hosts import ImaginedHost

LIB = "/lib/x86_64-linux-gnu/security/"
HEAD = '# here are the per-package modules (the "Primary" block)\n'
FALLBACK = "# here's the fallback if no module succeeds\n"
MORE = '# and here are more per-package modules (the "Additional" block)\n'
END = "# end of pam-auth-update config\n"
UNIX = {
    "auth": "[success=end default=ignore]\tpam_unix.so nullok",
    "account": "[success=end new_authtok_reqd=done default=ignore]\tpam_unix.so",
    "password": "[success=end default=ignore]\tpam_unix.so obscure yescrypt",
    "session": "required\tpam_unix.so",
}


def common(kind: str, primary: str) -> str:
    deny = f"{kind}\trequisite\t\t\tpam_deny.so\n{kind}\trequired\t\t\tpam_permit.so\n"
    return HEAD + primary + FALLBACK + deny + MORE + END


def debian(**changed: str) -> dict[str, Any]:
    """Files of a Debian host whose stacks pam-auth-update wrote; ``changed``: path -> text."""
    files: dict[str, Any] = {
        "/usr/sbin/pam-auth-update": "",
        "/etc/pam.d/su": "auth sufficient pam_rootok.so\n@include common-auth\n",
        "/etc/pam.d/sshd": "@include common-auth\n@include common-account\n",
        "/etc/pam.d/login": "@include common-auth\n@include common-account\n",
        "/etc/pam.d/passwd": "@include common-password\n",
        LIB + "pam_faillock.so": "",
        LIB + "pam_pwhistory.so": "",
    }
    for kind, line in UNIX.items():
        block = f"{kind}\t{line}\n".replace("end", "1")
        for name in (kind, kind + "-noninteractive") if kind == "session" else (kind,):
            files["/etc/pam.d/common-" + name] = common(kind, block)
            files["/var/lib/pam/" + name] = f"Module: unix\n{line}\n"
    return {"files": {**files, **changed}}


FAILLOCK: dict[str, Any] = {
    "kind": "pam",
    "services": ["sshd", "login"],
    "profile": "storewarden-faillock",
    "stack": [
        {"type": "auth", "side": "before", "line": "requisite pam_faillock.so preauth"},
        {"type": "auth", "side": "after", "line": "[default=die] pam_faillock.so authfail"},
        {
            "type": "auth",
            "side": "after",
            "line": "sufficient pam_faillock.so authsucc",
            "optional": True,
        },
        {"type": "account", "side": "before", "line": "required pam_faillock.so"},
    ],
}
HISTORY: dict[str, Any] = {
    "kind": "pam",
    "services": ["passwd"],
    "profile": "storewarden-pwhistory",
    "stack": [
        {
            "type": "password",
            "side": "before",
            "line": "requisite pam_pwhistory.so remember=10 use_authtok",
        }
    ],
}


def test_a_managed_stack_gets_profiles_and_the_tool_is_called() -> None:
    host = ImaginedHost(**debian())
    step = planned(host.case, **FAILLOCK)
    assert [what for what, _before, _after in told(step)] == [
        *["/etc/pam.d/common-auth: auth pam_faillock.so"] * 3,
        "/etc/pam.d/common-account: account pam_faillock.so",
    ]
    assert step.items == ({"kind": "pam_profile"},)
    assert step.checks == (("su", "-s", "/bin/true", "root"),)
    with pytest.raises(FixFailed, match="pam-auth-update did not put pam_faillock"):
        step.act(host)  # nobody plays the tool here
    assert host.ran[0] == (
        "env DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable"
        " storewarden-faillock-before storewarden-faillock-after"
    )
    assert host.text("/usr/share/pam-configs/storewarden-faillock-after") == (
        "Name: storewarden-faillock, after pam_unix\nDefault: no\nPriority: 0\n"
        "Auth-Type: Primary\nAuth:\n"
        "\t[default=die] pam_faillock.so authfail\n\tsufficient pam_faillock.so authsucc\n"
        "Auth-Initial:\n"
        "\t[default=die] pam_faillock.so authfail\n\tsufficient pam_faillock.so authsucc\n"
    )
    assert sorted(host.written) == [
        "/usr/share/pam-configs/storewarden-faillock-after",
        "/usr/share/pam-configs/storewarden-faillock-before",
    ]


def test_the_first_of_a_stack_asks_for_the_password_itself() -> None:
    text = pam_profiles.texts("p", [pam_stack.wanted(HISTORY["stack"][0])])["p-before"]
    assert "Password:\n\trequisite pam_pwhistory.so remember=10 use_authtok\n" in text
    assert "Password-Initial:\n\trequisite pam_pwhistory.so remember=10\n" in text


def test_another_profile_of_the_same_module_is_switched_off_and_a_stray_line_goes() -> None:
    """Two lines that count failures would lock an account after half as many."""
    stray = "auth required pam_faillock.so authfail deny=9\n"
    saved = "Module: faillock\noptional pam_faillock.so authfail\nModule: unix\n"
    host = ImaginedHost(
        **debian(
            **{
                "/etc/pam.d/common-auth": common("auth", "auth\t" + UNIX["auth"] + "\n") + stray,
                "/var/lib/pam/auth": saved + UNIX["auth"] + "\n",
            }
        )
    )
    with pytest.raises(FixFailed):
        planned(host.case, **FAILLOCK).act(host)
    assert "--disable faillock --enable storewarden-faillock-before" in host.ran[0]
    assert host.text("/etc/pam.d/common-auth").endswith("# off, storewarden: " + stray)


@pytest.mark.parametrize(
    ("primary", "known"),
    [
        ("auth\t[success=1 default=ignore]\tpam_unix.so nullok\n", True),
        ("auth\t[success=7 default=ignore]\tpam_unix.so\n", True),  # arguments and jumps may differ
        ("", True),  # a line may be missing
        ("auth\t[success=1 default=ignore]\tpam_sss.so\n", False),
        ("auth\tsufficient\tpam_unix.so nullok\n", False),
    ],
)
def test_which_changes_the_tool_would_take_for_its_own(primary: str, known: bool) -> None:
    given = debian(**{"/etc/pam.d/common-auth": common("auth", primary)})
    assert pam_profiles.untouched(CaseSystem(given)) is known


@pytest.mark.parametrize("mark", [HEAD, FALLBACK, MORE, END])
def test_without_one_of_its_marks_the_tool_writes_nothing(mark: str) -> None:
    text = common("auth", "auth\t" + UNIX["auth"] + "\n").replace(mark, "")
    assert not pam_profiles.untouched(CaseSystem(debian(**{"/etc/pam.d/common-auth": text})))


HAND_MADE = """\
# ours
auth optional pam_faillock.so authfail
auth [success=2 default=ignore] pam_unix.so nullok  # local
auth [success=1 default=ignore] pam_sss.so
auth requisite pam_deny.so
auth required pam_permit.so
"""


def test_a_hand_made_stack_gets_the_lines_and_all_jumps_lead_where_they_led() -> None:
    host = done(debian(**{"/etc/pam.d/common-auth": HAND_MADE}), **FAILLOCK)
    assert host.text("/etc/pam.d/common-auth") == (
        "# ours\n"
        "auth\trequisite pam_faillock.so preauth\n"
        "auth [success=4 default=ignore] pam_unix.so nullok  # local\n"
        "auth [success=3 default=ignore] pam_sss.so\n"
        "auth\t[default=die] pam_faillock.so authfail\n"
        "auth\tsufficient pam_faillock.so authsucc\n"
        "auth requisite pam_deny.so\n"
        "auth required pam_permit.so\n"
    )
    assert host.ran == []


def test_lines_that_are_there_already_change_nothing() -> None:
    text = HAND_MADE.replace(
        "auth optional pam_faillock.so authfail", "auth requisite pam_faillock.so preauth"
    ).replace("auth requisite pam_deny", "auth [default=die] pam_faillock.so authfail\n&")
    text = text.replace("&", "auth requisite pam_deny").replace("success=2", "success=3")
    files = {
        "/etc/pam.d/common-auth": text,
        "/etc/pam.d/common-account": "account required pam_faillock.so\n"
        "account required pam_unix.so\n",
    }
    assert planned(debian(**files), **FAILLOCK).changes == ()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"/etc/pam.d/sshd": "auth required pam_unix.so\n@include common-account\n"},
            "/etc/pam.d/sshd: pam_unix is neither sufficient nor jumps on success",
        ),
        ({"/etc/pam.d/sshd": "auth required pam_ldap.so\n"}, "has pam_unix in no files"),
        ({"/etc/pam.d/login": "auth required \\\n pam_unix.so\n"}, "continued line"),
        (
            {"/etc/pam.d/sshd": "auth sufficient pam_unix.so\n@include common-auth\n"},
            "has pam_unix in 2 files",
        ),
        (
            {"/etc/authselect/authselect.conf": "sssd\n"},
            "run authselect enable-feature with-faillock",
        ),
    ],
)
def test_stacks_that_are_too_unusual_are_left_and_named(files: dict[str, str], reason: str) -> None:
    with pytest.raises(FixFailed, match=reason):
        planned(debian(**files), **FAILLOCK)


def test_a_module_that_is_not_there_is_never_named_in_a_stack() -> None:
    given = debian()
    del given["files"][LIB + "pam_faillock.so"]
    with pytest.raises(FixFailed, match=r"pam_faillock\.so is not on this host"):
        planned(given, **FAILLOCK)


def test_a_package_on_its_way_brings_its_profile_along() -> None:
    fix = {**HISTORY, "vendor": "pwquality"}
    fix["stack"] = [
        {"type": "password", "side": "before", "line": "requisite pam_pwquality.so retry=3"}
    ]
    host = ImaginedHost(**debian())
    with pytest.raises(FixFailed, match="did not put"):
        planned(host.case, **fix).act(host)
    assert host.ran[0].endswith("--enable pwquality")
    assert host.written == {}


# -- arguments and settings -------------------------------------------------------------------


def test_an_argument_goes_and_the_rest_of_its_line_stays() -> None:
    fix = {
        "kind": "pam_args", "services": ["su", "sshd"], "type": "auth", "module": "pam_unix.so",
        "args": ["nullok"],
    }  # fmt: skip
    own = "auth sufficient pam_unix.so   nullok try_first_pass # nullok was here\n"
    host = done(debian(**{"/etc/pam.d/su": own}), **fix)
    assert host.text("/etc/pam.d/su") == (
        "auth sufficient pam_unix.so try_first_pass # nullok was here\n"
    )
    assert "[success=1 default=ignore]\tpam_unix.so\n" in host.text("/etc/pam.d/common-auth")
    assert "nullok" in str(debian()["files"]["/var/lib/pam/auth"])


def test_a_weak_algorithm_is_replaced() -> None:
    fix = {
        "kind": "pam_args", "services": ["passwd"], "type": "password", "module": "pam_unix.so",
        "args": ["md5"], "instead": "yescrypt",
    }  # fmt: skip
    text = "password sufficient pam_unix.so obscure md5\n"
    host = done(debian(**{"/etc/pam.d/common-password": text}), **fix)
    assert host.text("/etc/pam.d/common-password") == (
        "password sufficient pam_unix.so obscure yescrypt\n"
    )


LIMITS: dict[str, Any] = {
    "kind": "pam_setting",
    "services": ["sshd"],
    "type": "auth",
    "module": "pam_faillock.so",
    "path": "/etc/security/faillock.conf",
    "settings": {"deny": "5", "unlock_time": "900"},
    "good": {
        "deny": {"all_ge": 1, "all_le": 5},
        "unlock_time": [{"all_ge": 900}, {"all_match": "^(0+|never)$"}],
    },
    "needs": "A08",
}
LOADED = "auth requisite pam_faillock.so preauth{}\nauth sufficient pam_unix.so\n"


def limits(conf: str, line: str = LOADED.format("")) -> str:
    files = {"/etc/pam.d/sshd": line, "/etc/security/faillock.conf": conf}
    return done(debian(**files), **LIMITS).text("/etc/security/faillock.conf")


@pytest.mark.parametrize("conf", ["deny = 3\nunlock_time = never\n", "deny=1\nunlock_time=3600\n"])
def test_stricter_settings_stay(conf: str) -> None:
    assert limits(conf) == conf


def test_only_what_is_not_good_is_written_and_the_last_line_counts() -> None:
    assert limits("deny = 3 # site\nunlock_time = 60\nunlock_time = 100\n") == (
        "deny = 3 # site\n# off, storewarden: unlock_time = 60\nunlock_time = 900\n"
    )


def test_an_argument_on_the_line_would_win_so_it_goes() -> None:
    files = {
        "/etc/pam.d/sshd": LOADED.format(" deny=20 audit"),
        "/etc/security/faillock.conf": "deny = 4\nunlock_time = 0\n",
    }
    host = done(debian(**files), **LIMITS)
    assert host.text("/etc/pam.d/sshd") == LOADED.format(" audit")
    assert host.text("/etc/security/faillock.conf") == "deny = 4\nunlock_time = 0\n"


def test_a_file_named_on_the_line_is_the_one_to_write() -> None:
    host = done(debian(**{"/etc/pam.d/sshd": LOADED.format(" conf=/etc/lock.conf")}), **LIMITS)
    assert host.text("/etc/lock.conf").endswith("deny = 5\nunlock_time = 900\n")


def test_settings_of_a_module_that_nobody_loads_are_said_to_be_idle() -> None:
    assert left(planned(debian(), **LIMITS)) == (
        "no stack of sshd loads pam_faillock.so; that is fixed by A08"
    )


QUALITY: dict[str, Any] = {
    "kind": "pam_setting",
    "services": ["passwd"],
    "type": "password",
    "module": "pam_pwquality.so",
    "path": "/etc/security/pwquality.conf.d/50-storewarden.conf",
    "files": ["/etc/security/pwquality.conf.d/*.conf", "/etc/security/pwquality.conf"],
    "settings": {"minlen": "8", "enforce_for_root": True},
    "good": {"minlen": {"all_ge": 8}},
}
STACK = "password requisite pam_pwquality.so retry=3\npassword required pam_unix.so\n"


def test_files_that_win_over_ours_give_way_and_so_do_lines_that_end_the_reading() -> None:
    files = {
        "/etc/pam.d/passwd": STACK,
        "/etc/security/pwquality.conf": "# minlen = 9\nMinLen = 6\nretries = 3\ndifok = 2\n",
        "/etc/security/pwquality.conf.d/10-site.conf": "minclass = many\nminlen = 7\n",
    }
    host = done(debian(**files), **QUALITY)
    assert host.text("/etc/security/pwquality.conf") == (
        "# minlen = 9\n# off, storewarden: MinLen = 6\n# off, storewarden: retries = 3\ndifok = 2\n"
    )
    assert host.text("/etc/security/pwquality.conf.d/10-site.conf") == (
        "# off, storewarden: minclass = many\n# off, storewarden: minlen = 7\n"
    )
    assert host.text(QUALITY["path"]).endswith("minlen = 8\nenforce_for_root\n")


def test_our_own_file_is_never_made_weaker() -> None:
    """The administrators' length stays when the ordinary one was undermined elsewhere."""
    files = {
        "/etc/pam.d/passwd": STACK,
        "/etc/security/pwquality.conf": "minlen = 6\n",
        QUALITY["path"]: "minlen = 12\nenforce_for_root\n",
    }
    host = done(debian(**files), **QUALITY)
    assert host.text(QUALITY["path"]) == "minlen = 12\nenforce_for_root\n"
    assert host.text("/etc/security/pwquality.conf") == "# off, storewarden: minlen = 6\n"


@pytest.mark.parametrize(
    ("fix", "files", "reason"),
    [
        (
            {**LIMITS, "kind": "pam_args", "args": ["deny"]},
            {"/etc/pam.d/sshd": LOADED.format(" deny=9")},
            "take deny off the lines of pam_faillock.so in its profile",
        ),
        (LIMITS, {"/etc/pam.d/sshd": LOADED.format(" deny=9")}, "take deny, unlock_time off"),
        (HISTORY, {}, "run authselect enable-feature with-pwhistory"),
    ],
)
def test_lines_that_authselect_would_write_again_are_not_touched(
    fix: dict[str, Any], files: dict[str, str], reason: str
) -> None:
    with pytest.raises(FixFailed, match=reason):
        planned(debian(**{"/etc/authselect/authselect.conf": "sssd\n", **files}), **fix)
