# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers that a ``proxy_pass`` names itself, without an upstream block.

Each is an upstream of its own, with one server, called like its address. There is nothing to take
it out of; but its unit on this host can be restarted as any other's.
"""

from __future__ import annotations

import re
from typing import Any, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nginx_config import Scope

_PLACES = ("server", "location", "if", "limit_except")  # where HTTP may be passed on
_PORTS = {"http": "80", "https": "443"}
# What a variable names is known to nobody before a request; these two only follow the address.
_URL = re.compile(
    r"(?P<scheme>https?)://(?:unix:(?P<path>[^:$]+)(?::.*)?"
    r"|(?P<name>\[[^\]$]+\]|[^/?$:]+)(?::(?P<port>[0-9]+))?(?:[/?].*|\$\{?(?:request_)?uri\b.*)?)",
    re.I | re.S,
)


def direct_servers(whole: Scope) -> list[dict[str, Any]]:
    """One entry for each address, however many places pass something on to it; shaped like those
    of ``upstream_servers.servers_in``."""
    found: dict[str, bool] = {}
    for http in whole.below("http"):
        found.update(_of_http(http))
    for stream in whole.below("stream"):
        found.update(_of_stream(stream))
    return [
        {
            "upstream": address,
            "address": address,
            "down": False,
            "backup": False,
            "direct": True,
            "tls": tls,
        }
        for address, tls in found.items()
    ]


def _of_http(http: Scope) -> Iterator[tuple[str, bool]]:
    """Address, and whether it is spoken to over TLS."""
    names = _upstreams(http)
    for place in http.inside(*_PLACES):
        for one in place.own("proxy_pass"):
            match = _URL.fullmatch("".join(one.args[:1]))
            if match and (match["name"] or "").lower() not in names:
                yield _address(match), match["scheme"].lower() == "https"


def _address(match: re.Match[str]) -> str:
    if match["path"]:
        return "unix:" + match["path"]
    return "{0}:{1}".format(match["name"], match["port"] or _PORTS[match["scheme"].lower()])


def _of_stream(stream: Scope) -> Iterator[tuple[str, bool]]:
    names = _upstreams(stream)
    for server in stream.below("server"):
        # What is reached over UDP nobody can ask by a connection.
        if any("udp" in one.args for one in server.own("listen")):
            continue
        for one in server.own("proxy_pass"):
            address = "".join(one.args[:1])
            if address and "$" not in address and address.lower() not in names:
                yield address, False


def _upstreams(level: Scope) -> set[str]:
    """Names of its upstreams; nginx does not care for their case."""
    return {one.title.partition(" ")[2].lower() for one in level.below("upstream")}
