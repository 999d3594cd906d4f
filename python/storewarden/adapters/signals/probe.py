# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of a wave's hosts: what they reported, and what is asked now.

Urls and ports are asked from here, a few hosts at a time; units, programs and queries on the hosts
themselves. Refused, reset, silent or wrong is a failed probe; a name that cannot be resolved or a
network that is not there is nobody's failure: then nobody can say.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from itertools import product

import httpx

from storewarden.adapters.http_answers import excerpt
from storewarden.adapters.http_client import authorities, distrusted, http_client
from storewarden.adapters.quiet_http import quiet
from storewarden.adapters.signals.looking import looked, seen_hosts
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.probe import NEEDS, HostProbe, ProbeKind, Settings, judge
from storewarden.ports.signals import (
    HostAnswer,
    HostAsk,
    LookKind,
    ProbeSeen,
    Reach,
    WaveScope,
)

__all__ = ["NEEDS", "Settings", "fetch", "judge"]

_AT_ONCE = 16
_READ = 256 * 1024  # bytes of an answer in which a text is looked for
_NO_WAY = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE})


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The data for ``domain.gates.probe``. AdapterError, ConfigInvalid."""
    hosts = seen_hosts(scope)
    fresh: dict[str, list[dict[str, object]]] = {host: [] for host in hosts}
    for host, probe in (*_from_here(settings, scope, reach), *_on_hosts(settings, hosts, reach)):
        fresh[host].append(_row(probe))
    return {
        "reported": {h: [_row(each) for each in scope.reported.get(h, ())] for h in hosts},
        "fresh": fresh if settings.probes else {},
    }


def _row(probe: ProbeSeen) -> dict[str, object]:
    row: dict[str, object] = {"name": probe.name, "ok": probe.ok, "detail": probe.detail}
    return {**row, "silent": True} if probe.silent else row


def _on_hosts(
    settings: Settings, hosts: Sequence[str], reach: Reach
) -> Iterable[tuple[str, ProbeSeen]]:
    """Hosts that cannot be asked must not hide what other probes say: then nobody can say."""
    probes = [each for each in settings.probes if each.on_host]
    answers: Mapping[str, Mapping[str, HostAnswer]] = {}
    why = ""
    try:
        answers = looked(reach, hosts, [_ask(each) for each in probes])
    except AdapterError as error:
        why = str(error)
    for host, probe in product(hosts, probes):
        none = HostAnswer(problem=why or "no answer")
        yield host, _judged(probe, answers.get(host, {}).get(probe.name, none))


def _ask(probe: HostProbe) -> HostAsk:
    if probe.kind is ProbeKind.UNIT:
        return HostAsk(
            name=probe.name, kind=LookKind.UNIT, unit=probe.target, seconds=probe.seconds
        )
    return HostAsk(
        name=probe.name,
        kind=LookKind.COMMAND,
        argv=probe.argv,
        user=probe.user,
        seconds=probe.seconds,
    )


def _judged(probe: HostProbe, answer: HostAnswer) -> ProbeSeen:
    if answer.problem or answer.ok is None:
        return ProbeSeen(name=probe.name, ok=None, detail=answer.problem or "no answer")
    if answer.ok and probe.expect and probe.expect not in answer.text:
        return ProbeSeen(name=probe.name, ok=False, detail="without the text that is expected")
    return ProbeSeen(name=probe.name, ok=answer.ok, detail=excerpt(answer.text, longest=120))


def _from_here(
    settings: Settings, scope: WaveScope, reach: Reach
) -> Iterable[tuple[str, ProbeSeen]]:
    probes = [each for each in settings.probes if not each.on_host]
    pairs = list(product(seen_hosts(scope), probes))
    if not pairs:
        return []
    with ExitStack() as stack, ThreadPoolExecutor(min(_AT_ONCE, len(pairs))) as pool:
        # One for all hosts: reading the authorities costs more than asking.
        clients = {
            probe.name: stack.enter_context(_client(probe, reach))
            for probe in probes
            if probe.kind is ProbeKind.HTTP
        }
        seen = pool.map(partial(_one, scope=scope, clients=clients), pairs)
        return [(host, probe) for (host, _), probe in zip(pairs, seen, strict=True)]


def _client(probe: HostProbe, reach: Reach) -> httpx.Client:
    ca_file = reach.folder / probe.ca_file if probe.ca_file else None
    trusted = authorities("gates.probe", ca_file)
    return http_client("gates.probe", trusted, timeout_seconds=probe.seconds, proxy="")


def _one(
    pair: tuple[str, HostProbe], *, scope: WaveScope, clients: Mapping[str, httpx.Client]
) -> ProbeSeen:
    host, probe = pair
    address = scope.addresses.get(host, "")
    if not address:
        return ProbeSeen(name=probe.name, ok=None, detail="has no address")
    if probe.kind is ProbeKind.TCP:
        return _port(probe, address)
    return _page(probe, address, clients[probe.name])


def _port(probe: HostProbe, address: str) -> ProbeSeen:
    try:
        made = socket.create_connection((address, int(probe.target)), timeout=probe.seconds)
        with closing(made):
            return ProbeSeen(name=probe.name, ok=True)
    except OSError as error:
        return _closed(probe, error)


def _page(probe: HostProbe, address: str, client: httpx.Client) -> ProbeSeen:
    written = f"[{address}]" if ":" in address else address
    url = probe.target.replace("{address}", written)
    try:
        with quiet(), client.stream("GET", url) as response:
            return _answered(probe, response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _closed(probe, error)


def _answered(probe: HostProbe, response: httpx.Response) -> ProbeSeen:
    status = response.status_code
    good = status in probe.status if probe.status else 200 <= status < 300
    if good and probe.expect:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _READ:
                break
        good = probe.expect.encode() in body
        return ProbeSeen(
            name=probe.name, ok=good, detail="" if good else "without the text that is expected"
        )
    return ProbeSeen(name=probe.name, ok=good, detail="" if good else f"answered {status}")


def _closed(probe: HostProbe, error: Exception) -> ProbeSeen:
    """What a connection that came to nothing means."""
    cause = _root(error)
    if isinstance(cause, TimeoutError | httpx.TimeoutException):
        return ProbeSeen(name=probe.name, ok=False, detail="no answer in time", silent=True)
    if isinstance(cause, socket.gaierror):
        return ProbeSeen(name=probe.name, ok=None, detail="its name cannot be resolved")
    if isinstance(cause, OSError) and cause.errno == errno.EHOSTUNREACH:
        return ProbeSeen(name=probe.name, ok=False, detail="no way to the host", silent=True)
    if isinstance(cause, OSError) and cause.errno in _NO_WAY:
        return ProbeSeen(name=probe.name, ok=None, detail="no network here")
    if distrusted(error):
        return ProbeSeen(name=probe.name, ok=False, detail="its certificate is not trusted")
    return ProbeSeen(name=probe.name, ok=False, detail=excerpt(str(cause) or type(cause).__name__))


def _root(error: BaseException) -> BaseException:
    """What the operating system said, below what libraries made of it."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error
