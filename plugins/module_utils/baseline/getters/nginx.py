# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx serves, and how, by its own dump of the configuration.

The views answer with the findings, so an empty list is the good case. Every server block is
looked at, and every location that takes back what its server had.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nginx_config import (
    Scope,
    parsed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.source_networks import (
    Source,
    beyond,
    source,
)

_BLOCKS = ("location", "if", "limit_except")
_HSTS = "strict-transport-security"
_QUIET_LEVELS = ("crit", "alert", "emerg")  # an upstream that failed is an "error"
_STATUS = ("stub_status", "status", "vhost_traffic_status_display", "api", "check_status")
_REFUSED = ("403", "404", "410", "444")
# nginx 1.27.3 dropped TLSv1 and TLSv1.1 from its defaults
_MODERN = (1, 27, 3)
_OLD_DEFAULT = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class Listen(NamedTuple):
    """One ``listen``. ``loopback``: nobody from outside gets here."""

    port: str
    loopback: bool
    tls: bool


class Server(NamedTuple):
    """A server block. ``kind``: http or stream."""

    scope: Scope
    kind: str
    name: str
    listens: tuple[Listen, ...]


def _servers(main: Scope) -> list[Server]:
    found = []
    for kind in ("http", "stream", "mail"):
        for top in main.below(kind):
            found += [_server(scope, kind) for scope in top.below("server")]
    return found


def _server(scope: Scope, kind: str) -> Server:
    everything = [one.args for one in scope.own("listen") if one.args] or [("80",)]
    switched = any(one.args == ("on",) for one in scope.nearest("ssl"))  # before nginx 1.25
    listens = tuple(_listen(args, switched) for args in everything)
    names = [name for one in scope.own("server_name") for name in one.args if name not in ("", "_")]
    name = "{0}:{1}".format(names[0] if names else "*", everything[0][0].rpartition(":")[2])
    return Server(scope, kind, name, listens)


def _listen(args: tuple[str, ...], switched: bool) -> Listen:
    place = args[0]
    if place.startswith("unix:"):
        return Listen("", True, switched or "ssl" in args)
    match = re.match(r"(?:(.*):)?(\d+)$", place) if not place.endswith("]") else None
    address = (match.group(1) or "") if match else place
    inside = re.match(r"(127\.|\[?::1\]?$|localhost$)", address) is not None
    port = match.group(2) if match else "80"
    return Listen(port, inside, switched or "ssl" in args or "quic" in args)


def _tls_servers(main: Scope) -> list[Server]:
    return [one for one in _servers(main) if any(listen.tls for listen in one.listens)]


# -- TLS and its header ----------------------------------------------------------------------------


def _weak_tls(system: Any, main: Scope, query: dict[str, Any]) -> list[dict[str, Any]]:
    """TLS servers that speak a protocol outside ``protocols``."""
    good = " ".join(texts(query.get("protocols") or [])).split()
    found = []
    for server in _tls_servers(main):
        told = server.scope.nearest("ssl_protocols")
        spoken = told[-1].args if told else _default_protocols(system)
        weak = [one for one in spoken if one not in good]
        if weak:
            found.append({"server": server.name, "protocols": weak})
    return found


def _default_protocols(system: Any) -> tuple[str, ...]:
    result = system.run(["nginx", "-v"])
    match = re.search(r"/(\d+)\.(\d+)\.(\d+)", result.stderr + result.stdout)
    version = tuple(map(int, match.groups())) if match else (0, 0, 0)
    return _OLD_DEFAULT[2:] if version >= _MODERN else _OLD_DEFAULT


def _without_hsts(_system: Any, main: Scope, query: dict[str, Any]) -> list[dict[str, str]]:
    """Places of servers on port 443 from which browsers are not told to stay with HTTPS."""
    seconds = int(query.get("seconds") or 1)
    found = []
    for server in _tls_servers(main):
        if server.kind != "http" or not any(x.tls and x.port == "443" for x in server.listens):
            continue
        places = [server.scope]
        places += [one for one in server.scope.inside(*_BLOCKS) if one.own(*_HEADERS)]
        found += [
            {"server": server.name, "place": _place(one, server)}
            for one in places
            if not any(age >= seconds for age in _hsts_ages(one, main))
        ]
    return found


def _place(scope: Scope, server: Server) -> str:
    return "server" if scope is server.scope else scope.title


_HEADERS = ("add_header", "more_set_headers")


def _hsts_ages(scope: Scope, main: Scope) -> Iterator[int]:
    """Seconds of every HSTS header that is sent from here."""
    for one in _headers(scope):
        if one.name == "add_header":
            name, value = (*one.args, "", "")[:2]
        else:
            name, _colon, value = (one.args[-1] if one.args else "").partition(":")
        if name.strip().lower() == _HSTS:
            match = re.search(r"max-age\s*=\s*\"?(\d+)", _worked_out(value, main))
            yield int(match.group(1)) if match else 0


def _headers(scope: Scope) -> list[Any]:
    """``add_header_inherit merge`` (nginx 1.29.3) adds those of the levels above."""
    merged = any(one.args == ("merge",) for one in scope.nearest("add_header_inherit"))
    if not merged:
        return scope.nearest("add_header") + scope.nearest("more_set_headers")
    found: list[Any] = []
    level: Scope | None = scope
    while level is not None:
        found += level.own(*_HEADERS)
        level = level.above
    return found


def _worked_out(value: str, main: Scope) -> str:
    """The value, or what a map on $https or $scheme makes of it for a request over TLS."""
    match = re.match(r"\$\{?(\w+)\}?$", value.strip())
    if not match:
        return value
    for http in main.below("http"):
        for one in http.own("map"):
            if one.args[1:] == ("$" + match.group(1),) and one.args[0] in ("$https", "$scheme"):
                key = "on" if one.args[0] == "$https" else "https"
                entries = {row.name: (row.args or ("",))[0] for row in one.block or ()}
                return entries.get(key, entries.get("default", ""))
    return value


# -- logs ------------------------------------------------------------------------------------------


def _silent_places(_system: Any, main: Scope, query: dict[str, Any]) -> list[dict[str, str]]:
    """Places whose requests or errors are written nowhere, those in ``quiet`` left out."""
    quiet = texts(query.get("quiet") or [])
    found = []
    for server in _http_servers(main):
        locations = [
            one
            for one in server.scope.inside(*_BLOCKS)
            if one.own("access_log", "error_log") and _path_of(one) not in quiet
        ]
        for one in [server.scope, *locations]:
            why = ["no access log"] if _access_is_off(one) else []
            why += ["no error log"] if _errors_are_off(one) else []
            if why:
                entry = {"server": server.name, "place": _place(one, server)}
                found.append({**entry, "why": ", ".join(why)})
    return found


def _http_servers(main: Scope) -> list[Server]:
    return [one for one in _servers(main) if one.kind == "http"]


def _path_of(scope: Scope) -> str:
    """What a location is about, without ``=``, ``~`` and the like."""
    return scope.title.split()[-1]


def _access_is_off(scope: Scope) -> bool:
    told = scope.nearest("access_log")
    return bool(told) and all((one.args or ("off",))[0] in ("off", "/dev/null") for one in told)


def _errors_are_off(scope: Scope) -> bool:
    told = scope.nearest("error_log")
    return bool(told) and all(
        (one.args or ("/dev/null",))[0] == "/dev/null" or one.args[-1] in _QUIET_LEVELS
        for one in told
    )


def _logs_kept_here(system: Any, main: Scope, _query: dict[str, Any]) -> list[dict[str, str]]:
    """Logs of servers that neither go to the system's log nor to a file that rsyslog follows."""
    followed = _followed(system)
    found = []
    for server in _http_servers(main):
        for kind in ("access_log", "error_log"):
            told = [(one.args or ("",))[0] for one in server.scope.nearest(kind)]
            if not any(_leaves(one, followed) for one in told):
                entry = {"server": server.name, "log": kind}
                found += [] if entry in found else [entry]
    return found


def _leaves(target: str, followed: list[str]) -> bool:
    if target.startswith("syslog:") or target in ("stderr", "/dev/stderr", "/dev/stdout"):
        return True
    return any(fnmatch.fnmatchcase(target, one) for one in followed)


def _followed(system: Any) -> list[str]:
    """Files that rsyslog's imfile reads, with their wildcards."""
    found = []
    for pattern in ("/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf"):
        for path in system.glob(pattern):
            lines = [one for one in system.lines(path) if not one.lstrip().startswith("#")]
            text = "\n".join(lines)
            for one in re.findall(r"input\s*\(([^)]*)\)", text, re.I):
                if re.search(r"type\s*=\s*\"imfile\"", one, re.I):
                    found += re.findall(r"\bfile\s*=\s*\"([^\"]+)\"", one, re.I)
            found += re.findall(r"^\s*\$InputFileName\s+(\S+)", text, re.I | re.M)
    return found


# -- pages for administrators ----------------------------------------------------------------------


def _admin_places(main: Scope, query: dict[str, Any]) -> Iterator[tuple[Server, Scope]]:
    patterns = [re.compile(one) for one in texts(query.get("paths") or [])]
    for server in _http_servers(main):
        if server.scope.own(*_STATUS):
            yield server, server.scope
        for one in server.scope.inside("location"):
            if one.own(*_STATUS) or any(p.search(path) for p in patterns for path in _paths(one)):
                yield server, one


def _paths(scope: Scope) -> list[str]:
    """The path of a location; of a regular expression each of its words as one."""
    path = _path_of(scope)
    if not scope.title.startswith(("location ~ ", "location ~* ")):
        return [path]
    return ["/" + word for word in re.findall(r"[\w.-]+", path)]


def _admin_pages(_system: Any, main: Scope, query: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"server": server.name, "place": _place(one, server)}
        for server, one in _admin_places(main, query)
        if not _refuses(one)
    ]


def _refuses(scope: Scope) -> bool:
    """A location that only nginx itself can ask for, or that answers with a refusal."""
    closed = any((one.args or ("",))[0] in _REFUSED for one in scope.own("return"))
    return closed or bool(scope.own("internal"))


def _open_admin_pages(_system: Any, main: Scope, query: dict[str, Any]) -> list[dict[str, str]]:
    """Those that are open to others than ``nets``, or in the clear beyond this host."""
    nets = texts(query.get("nets") or [])
    found = []
    for server, one in _admin_places(main, query):
        if _refuses(one) or all(listen.loopback for listen in server.listens):
            continue
        sources = _let_in(one)
        local = all(x.net is not None and x.net.is_loopback for x in sources)
        why = ["lets in " + x for x in beyond(sources, nets)] if not local else []
        plain = [x for x in server.listens if not x.tls and not x.loopback]
        why += ["without TLS"] if plain and not local else []
        if why:
            entry = {"server": server.name, "place": _place(one, server)}
            found.append({**entry, "why": ", ".join(dict.fromkeys(why))})
    return found


def _let_in(scope: Scope) -> list[Source]:
    """Who gets past ``allow`` and ``deny``, of which the first that fits decides."""
    if any(one.args == ("any",) for one in scope.nearest("satisfy")):
        return [source("all")]  # a password opens it as well, from everywhere
    found = []
    for one in scope.nearest("allow", "deny"):
        who = (one.args or ("all",))[0]
        if one.name == "allow":
            found.append(source("127.0.0.1" if who == "unix:" else who))
        elif who == "all":
            return found
    return [*found, source("all")]


def _nginx(system: Any, query: dict[str, Any]) -> Any:
    view = chosen(query, "view", tuple(_VIEWS))
    main = system.remember(("nginx",), lambda: parsed(system.ask(["nginx", "-T"])))
    return _VIEWS[view](system, main, query)


def _names_of_tls(_system: Any, main: Scope, query: dict[str, Any]) -> list[str]:
    port = str(query.get("port") or "")
    return [
        one.name
        for one in _tls_servers(main)
        if not port or (one.kind == "http" and any(x.tls and x.port == port for x in one.listens))
    ]


def _names_of_http(_system: Any, main: Scope, _query: dict[str, Any]) -> list[str]:
    return [one.name for one in _http_servers(main)]


_VIEWS: dict[str, Any] = {
    "tls_servers": _names_of_tls,
    "weak_tls": _weak_tls,
    "without_hsts": _without_hsts,
    "servers": _names_of_http,
    "silent_places": _silent_places,
    "logs_kept_here": _logs_kept_here,
    "admin_pages": _admin_pages,
    "open_admin_pages": _open_admin_pages,
}

GETTERS = (
    Getter("nginx", _nginx, ("view",), ("port", "protocols", "seconds", "quiet", "paths", "nets")),
)
