# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does it work? Small questions that every payload asks in the same words.

A check is ``{name, kind, ...}``; its answer is a probe ``{name, ok, detail: {en, zh}}``. A bad
answer is an answer: only a check that cannot be meant is an error. Neither headers nor the body
of an answer are told, for they may hold what nobody should read.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

Check = dict[str, Any]
_BODY = 64 * 1024  # bytes of an answer, or of a program's output, that are searched
_PAUSE = 0.5
_WORST = 200  # characters of a complaint


class BadCheck(Exception):
    """A check that cannot be meant; one line."""


class Answer(NamedTuple):
    """Whether it is good, and why, in both languages."""

    ok: bool
    en: str
    zh: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def probes(host: Host, given: list[Any], within: float = 0.0) -> list[dict[str, Any]]:
    """An answer per check, in order. What is not good is asked again until ``within`` seconds
    have passed; a check that has once been good is not asked again."""
    checks = checked(given)
    end = time.monotonic() + within
    found: dict[int, Answer] = {}
    while True:
        for number, check in enumerate(checks):
            if number not in found or not found[number].ok:
                found[number] = KINDS[check["kind"]].ask(host, check)
        if all(one.ok for one in found.values()) or time.monotonic() >= end:
            break
        time.sleep(_PAUSE)
    return [
        {"name": check["name"], "ok": found[number].ok, "detail": _told(found[number])}
        for number, check in enumerate(checks)
    ]


def _told(answer: Answer) -> dict[str, str]:
    return {"en": answer.en, "zh": answer.zh}


def checked(given: list[Any]) -> list[Check]:
    """The checks with all their fields; BadCheck for one that cannot be meant."""
    return [_checked(number, one) for number, one in enumerate(given, 1)]


def _checked(number: int, one: Any) -> Check:
    where = "check {0}".format(number)
    if not isinstance(one, dict):
        raise BadCheck("{0}: a mapping is meant".format(where))
    kind = one.get("kind")
    if kind not in KINDS:
        raise BadCheck("{0}: kind {1!r} is none of {2}".format(where, kind, ", ".join(KINDS)))
    fields = KINDS[kind].fields
    strange = sorted(set(one) - {"name", "kind", *fields})
    if strange:
        raise BadCheck("{0}: {1} is no field of a check of kind {2}".format(
            where, strange[0], kind
        ))  # fmt: skip
    missing = [name for name, default in fields.items() if default is _MUST and not one.get(name)]
    if missing:
        raise BadCheck("{0}: {1} is missing".format(where, missing[0]))
    check = {**fields, **one}
    check["name"] = str(one.get("name") or _named(check))
    try:
        _fitted(check)
    except (TypeError, ValueError, re.error) as error:
        raise BadCheck("{0} ({1}): {2}".format(where, check["name"], error)) from None
    return check


def _named(check: Check) -> str:
    """What it looks at stands for a name that is not given."""
    for key in ("url", "unit", "port"):
        if key in check:
            return "{0} {1}".format(check["kind"], check[key])
    return "command {0}".format(check["argv"][0])


def _fitted(check: Check) -> None:
    """Numbers as numbers, lists as lists; ValueError, TypeError or re.error otherwise."""
    for name, fit in _FIT.items():
        if name in check:
            check[name] = fit(check[name])


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 < seconds <= 3600:
        raise ValueError("seconds: above 0 and at most 3600 are meant")
    return seconds


def _numbers(value: Any) -> list[int]:
    return [int(one) for one in (value if isinstance(value, list) else [value])]


def _pattern(value: Any) -> Any:
    return re.compile(str(value), re.MULTILINE) if value else None


def _argv(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("argv: a list of words is meant")
    return [str(one) for one in value]


def _headers(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("headers: a mapping is meant")
    return value


def _url(value: Any) -> str:
    if urllib.parse.urlsplit(str(value)).scheme not in ("http", "https"):
        raise ValueError("url: http or https is meant")
    return str(value)


_FIT: dict[str, Callable[[Any], Any]] = {
    **{"seconds": _seconds, "status": _numbers, "accept": _numbers, "port": int},
    **{"match": _pattern, "argv": _argv, "headers": _headers, "url": _url},
}


# -- the kinds -----------------------------------------------------------------------------------


def _http(_host: Host, check: Check) -> Answer:
    try:
        status, body = _fetched(check)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = _why(error)
        return Answer(False, "no answer: {0}".format(why), "无应答：{0}".format(why))
    if status not in check["status"]:
        return Answer(False, "status {0}".format(status), "状态码 {0}".format(status))
    if check["match"] and not check["match"].search(body):
        return Answer(
            False,
            "status {0}, but the text that is looked for is not in it".format(status),
            "状态码 {0}，但未找到所需文本".format(status),
        )
    return Answer(True, "status {0}".format(status), "状态码 {0}".format(status))


def _fetched(check: Check) -> tuple[int, str]:
    context = ssl.create_default_context()
    if not check["verify_tls"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        # The site's proxy has nothing to do with whether this host works.
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=context),
        _NoRedirect(),
    )
    headers = {str(name): str(value) for name, value in check["headers"].items()}
    request = urllib.request.Request(str(check["url"]), headers=headers)
    try:
        with opener.open(request, timeout=check["seconds"]) as answer:
            return answer.status, answer.read(_BODY).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_BODY).decode("utf-8", "replace")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(str(said).split())[:_WORST]


def _tcp(_host: Host, check: Check) -> Answer:
    place = (str(check["host"]), check["port"])
    try:
        with socket.create_connection(place, check["seconds"]):
            pass
    except OSError as error:
        why = _why(error)
        return Answer(False, "no connection: {0}".format(why), "无法连接：{0}".format(why))
    return Answer(True, "takes connections", "可以连接")


def _unit(host: Host, check: Check) -> Answer:
    if not host.has_systemd():
        return Answer(False, "systemd does not run this host", "本机未由 systemd 管理")
    done = host.run(["systemctl", "is-active", "--", str(check["unit"])])
    state = done.out.strip() or "unknown"
    return Answer(state == check["state"], "is {0}".format(state), "状态为 {0}".format(state))


def _command(host: Host, check: Check) -> Answer:
    done = host.run(check["argv"], check["seconds"])
    if done.code not in check["accept"]:
        why = done.last[:_WORST] if done.code in (124, 127) else ""
        more = ": " + why if why else ""
        return Answer(
            False,
            "exit status {0}{1}".format(done.code, more),
            "退出状态 {0}{1}".format(done.code, more.replace(": ", "：", 1)),
        )
    if check["match"] and not check["match"].search((done.out + done.err)[:_BODY]):
        return Answer(
            False,
            "the text that is looked for is not in what it printed",
            "输出中未找到所需文本",
        )
    return Answer(True, "exit status {0}".format(done.code), "退出状态 {0}".format(done.code))


class Kind(NamedTuple):
    """``fields`` with their defaults (``_MUST`` for those that must be given), and the question."""

    fields: dict[str, Any]
    ask: Callable[[Host, Check], Answer]


_MUST = object()

KINDS: dict[str, Kind] = {
    "http": Kind(
        {
            **{"url": _MUST, "status": [200], "match": None, "seconds": 5},
            **{"headers": {}, "verify_tls": True},
        },
        _http,
    ),
    "tcp": Kind({"host": "127.0.0.1", "port": _MUST, "seconds": 3}, _tcp),
    "unit": Kind({"unit": _MUST, "state": "active"}, _unit),
    "command": Kind({"argv": _MUST, "accept": [0], "match": None, "seconds": 10}, _command),
}
