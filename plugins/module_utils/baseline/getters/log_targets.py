# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where this host sends its logs, and whether a listener on the line could read them.

rsyslog has three ways to write the same thing over several lines and files, so its configuration
is taken apart here as a whole: comments and quotes, included files, the condition in front of an
action. A sender that does not run sends nothing; a target on loopback is no second place.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import UNIT
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    drop_ins,
)

_CONFIG = "/etc/rsyslog.conf"
_UPLOAD = [
    "/etc/systemd/journal-upload.conf",
    "/etc/systemd/journal-upload.conf.d/*.conf",
    "/run/systemd/journal-upload.conf.d/*.conf",
    "/usr/lib/systemd/journal-upload.conf.d/*.conf",
]
_DEPTH = 10  # includes of includes; rsyslog itself has no use for more
_TLS_DRIVERS = ("gtls", "ossl", "mbedtls")
_VERIFYING = ("x509/name", "x509/fingerprint", "x509/certvalid")
_LOOPBACK = re.compile(r"^(127\.|::1$|localhost(\.|$))", re.I)
_OBJECT = re.compile(r"\b(action|global|include|ruleset|call)\b\s*(\(|[\w.-]+)", re.I)
_PARAMETER = re.compile(r"([\w.]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\")]+)")
_SELECTOR = re.compile(r"[\w*,.;=!-]+\.[\w*,.;=!-]+$")
_LEGACY = re.compile(
    r"^[ \t]*(?P<selector>\S+)[ \t]+(?P<at>@@?)(?:\([^)]*\))?"
    r"(?P<host>\[[^\]]+\]|[^\s:;\[\]]+)(?::(?P<port>\w+))?(?:;\S*)?[ \t]*$"
)
_DIRECTIVE = re.compile(r"^[ \t]*\$(\w+)[ \t]+(.*?)[ \t]*$")
_LOGIN_PRIORITIES = ("*", "debug", "info")


class _Defaults:
    """What the lines so far have set for the actions that follow."""

    def __init__(self) -> None:
        self.driver = ""
        self.mode = ""
        self.auth = ""


class _Action(NamedTuple):
    """One network action: its parameters (names in lower case) and the condition in front of it."""

    parameters: dict[str, str]
    condition: str


def _log_targets(system: Any, _query: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    if _runs(system, "rsyslog.service"):
        found += [_described(action) for action in _rsyslog(system)]
    if _runs(system, "systemd-journal-upload.service"):
        found += _uploads(system)
    return [one for one in found if not _LOOPBACK.match(one["target"])]


def _runs(system: Any, unit: str) -> bool:
    return "ActiveState=active" in system.ask([*UNIT, unit]).split("\n")


# -- journal-upload -------------------------------------------------------------------------------


def _uploads(system: Any) -> list[dict[str, Any]]:
    url = ""
    for path in drop_ins(system, _UPLOAD):
        for line in system.lines(path):
            match = re.match(r"\s*URL\s*=\s*(.*?)\s*$", line)
            url = match.group(1) if match else url
    # without a scheme it is https (systemd-journal-upload(8))
    match = re.match(r"(?:(https?)://)?(\[[^\]]+\]|[^/:]+)(?::(\d+))?", url)
    if not match:
        return []
    scheme = match.group(1) or "https"
    return [
        {
            "sender": "journal-upload",
            "target": match.group(2).strip("[]"),
            "port": match.group(3) or "19532",
            "tls": scheme == "https",
            "verified": scheme == "https",
            "logins": True,
        }
    ]


# -- rsyslog --------------------------------------------------------------------------------------


def _described(action: _Action) -> dict[str, Any]:
    get = action.parameters.get
    relp = get("type") == "omrelp"
    driver = get("streamdriver", "").lower()
    by_tls = get("streamdrivermode") == "1" and driver in _TLS_DRIVERS
    tls = get("tls", "").lower() == "on" if relp else by_tls and get("protocol") == "tcp"
    auth = (get("tls.authmode") if relp else get("streamdriverauthmode")) or ""
    return {
        "sender": "rsyslog",
        "target": get("target", "").strip("[]"),
        "port": get("port") or "514",
        "tls": tls,
        "verified": tls and auth.lower() in (*_VERIFYING, "name", "fingerprint", "certvalid"),
        "logins": _has_logins(action.condition),
    }


def _rsyslog(system: Any) -> list[_Action]:
    """Every network action of the configuration as rsyslog would read it."""
    text = _flattened(system, _CONFIG, 0)
    defaults = _Defaults()
    found: list[_Action] = []
    called: dict[str, str] = {}
    for condition, line, parameters in _statements(text):
        if parameters is None:
            if not _directive(line, defaults):
                found += _legacy(line, defaults, found)
        elif line == "global":
            defaults.driver = parameters.get("defaultnetstreamdriver", defaults.driver)
        elif line == "call":
            called[parameters.get("name", "")] = condition
        elif line == "action" and parameters.get("type", "").lower() in ("omfwd", "omrelp"):
            found.append(_Action(_completed(parameters, defaults), condition))
    return [one._replace(condition=_through_call(one.condition, called)) for one in found]


def _completed(parameters: dict[str, str], defaults: _Defaults) -> dict[str, str]:
    full = {"streamdriver": defaults.driver, "protocol": "udp"}
    full.update(parameters)
    for name in ("type", "protocol"):
        full[name] = full[name].lower()
    return full


def _through_call(condition: str, called: dict[str, str]) -> str:
    """A ruleset of its own sees only what `call` hands to it."""
    match = re.match(r"ruleset (\S+)$", condition)
    return called.get(match.group(1), "never called") if match else condition


def _directive(line: str, defaults: _Defaults) -> bool:
    match = _DIRECTIVE.match(line)
    if not match:
        return False
    name, value = match.group(1).lower(), match.group(2).strip("\"'")
    if name == "defaultnetstreamdriver":
        defaults.driver = value
    elif name == "actionsendstreamdrivermode":
        defaults.mode = value
    elif name == "actionsendstreamdriverauthmode":
        defaults.auth = value
    return True


def _legacy(line: str, defaults: _Defaults, before: list[_Action]) -> list[_Action]:
    match = _LEGACY.match(line)
    if not match:
        return []
    selector = match.group("selector")
    if selector == "&":  # the same messages as the action above
        selector = before[-1].condition if before else "*.*"
    parameters = {
        "type": "omfwd",
        "target": match.group("host"),
        "port": match.group("port") or "",
        "protocol": "tcp" if match.group("at") == "@@" else "udp",
        "streamdriver": defaults.driver,
        "streamdrivermode": defaults.mode,
        "streamdriverauthmode": defaults.auth,
    }
    return [_Action(parameters, selector)]


def _has_logins(condition: str) -> bool:
    """Whether messages of auth and authpriv get past the condition in front of an action."""
    text = condition.strip()
    if not text:
        return True
    if not _SELECTOR.match(text):
        return (
            bool(re.search(r"\bauth(priv)?\b|\bsshd\b|syslogfacility", text)) and "!=" not in text
        )
    covered = False
    for part in text.split(";"):
        facilities, _dot, priority = part.rpartition(".")
        named = re.split(r",", facilities)
        if "*" in named or "authpriv" in named or "auth" in named:
            covered = priority in _LOGIN_PRIORITIES if priority != "none" else False
    return covered


# -- taking the text apart ------------------------------------------------------------------------


def _flattened(system: Any, path: str, depth: int) -> str:
    """The file with its comments gone and its includes in place."""
    if depth > _DEPTH:
        return ""
    text = _uncommented("\n".join(system.lines(path)))

    def included(match: Any) -> str:
        return "\n".join(
            _flattened(system, one, depth + 1) for one in system.glob(match.group("file"))
        )

    text = re.sub(r"(?im)^[ \t]*\$IncludeConfig[ \t]+(?P<file>\S+)[ \t]*$", included, text)
    return re.sub(r"(?i)\binclude\s*\(\s*file\s*=\s*\"(?P<file>[^\"]+)\"[^)]*\)", included, text)


def _uncommented(text: str) -> str:
    """Comments out; a # inside quotes stays. A backslash at a line's end joins it to the next."""
    text = re.sub(r"\\\n", " ", text)
    pattern = r"(\"(?:[^\"\\\n]|\\.)*\")|/\*.*?\*/|(?<![^\s(])#[^\n]*"
    return re.sub(pattern, lambda match: match.group(1) or "", text, flags=re.S)


def _statements(text: str) -> Any:
    """(condition, keyword, parameters) for objects and calls, ("", line, None) for other lines."""
    stack: list[str] = []
    position, start = 0, 0  # start: where the words in front of the next object begin
    while position < len(text):
        char = text[position]
        match = (
            _OBJECT.match(text, position) if not text[position - 1 : position].isalnum() else None
        )
        if match:
            end = _object_end(text, match)
            name = match.group(1).lower()
            parameters = _parameters(match, text[match.start(2) : end])
            head = text[start : match.start()].strip()
            position, start = end, end
            if name == "ruleset":
                start = match.start()
            else:
                yield _condition(stack, head), name, parameters
        elif char == "{":
            stack.append(text[start:position].strip())
            position, start = position + 1, position + 1
        elif char == "}":
            stack = stack[:-1]
            position, start = position + 1, position + 1
        elif char == "\n" and not _goes_on(text[start:position]):
            yield "", text[start:position], None
            position, start = position + 1, position + 1
        else:
            position += 1
    yield "", text[start:], None


def _goes_on(head: str) -> bool:
    """A condition may stand on lines of its own before its action or its brace."""
    return bool(re.match(r"\s*(if|ruleset|else)\b", head)) and "@" not in head


def _object_end(text: str, match: Any) -> int:
    """Behind the closing bracket (brackets inside quotes do not count), or behind a call's name."""
    if match.group(2) != "(":
        return int(match.end())
    quoted = ""
    for position in range(match.end(), len(text)):
        char = text[position]
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "\"'":
            quoted = char
        elif char == ")":
            return position + 1
    return len(text)


def _parameters(match: Any, body: str) -> dict[str, str]:
    if match.group(2) != "(":
        return {"name": match.group(2)}
    return {name.lower(): value.strip("\"'") for name, value in _PARAMETER.findall(body)}


def _condition(stack: list[str], head: str) -> str:
    """The innermost condition; inside a ruleset of its own, that ruleset."""
    for outer in stack:
        match = re.match(r"ruleset\s*\(.*?name\s*=\s*\"([^\"]+)\"", outer, re.S | re.I)
        if match:
            return "ruleset " + match.group(1)
    inner = [one for one in [*stack, head] if one]
    return re.sub(r"^if\s+|\s+then$", "", " ".join(inner[-1].split())) if inner else ""


GETTERS = (Getter("log_targets", _log_targets),)
