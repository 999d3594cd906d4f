# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the hosts themselves, for gates that cannot do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storewarden.domain.errors import AdapterError
from storewarden.ports.signals import HostAnswer, HostAsk, Reach, WaveScope


def looked(
    reach: Reach, hosts: Sequence[str], asks: Sequence[HostAsk]
) -> Mapping[str, Mapping[str, HostAnswer]]:
    """Host -> question -> answer. AdapterError when hosts cannot be asked."""
    if not hosts or not asks:
        return {}
    if reach.look is None:
        raise AdapterError("hosts cannot be asked from here", hint="no way to them was set up")
    return reach.look.ask(tuple(hosts), tuple(asks))


def seen_hosts(scope: WaveScope) -> tuple[str, ...]:
    """The wave's verified hosts, in order."""
    return tuple(host for host in scope.hosts if scope.seen(host))
