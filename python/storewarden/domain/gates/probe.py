# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of hosts: what the role itself found when it verified, and what is asked now.

The data: ``{"reported": {host: [probe]}, "fresh": {host: [probe]}}``, a probe being ``{"name",
"ok", "detail", "silent"}``; ``ok`` is None when nobody can say. Which hosts are verified, and which
failed, is the scope's. A verified host without a single probe holds.

A failed probe on a host of the first wave is a hard stop: one failure in three against none in
27 is nothing that statistics could show (reference: rollouts, fact 4). When every probe of a wave
of several stores is silent, our own line is the likelier reason, and it is not called a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.saying import Counted, Saying, listed, names, table, unheard
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.verdict import Verdict

NEEDS = (Need.REPORTS, Need.NETWORK, Need.HOSTS)

_CLIENTS = ("psql", "mysql", "mariadb", "sqlite3")


class ProbeKind(StrEnum):
    """How a host is probed; also the key that holds what is asked."""

    HTTP = "http"  # a url that answers, asked from the controller
    TCP = "tcp"  # a port that is open, asked from the controller
    UNIT = "unit"  # a systemd unit that is active
    COMMAND = "command"  # a program on the host that ends with 0
    SQL = "sql"  # a query by the host's own client


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProbe:
    """One probe. ``target`` is the url (``{address}`` is the host's), port, unit, or query;
    ``argv`` what is run on the host for COMMAND and SQL, as ``user`` when given; ``expect`` is a
    text that the answer must contain; ``status`` are good HTTP answers (empty: any 2xx)."""

    name: str
    kind: ProbeKind
    target: str = ""
    argv: tuple[str, ...] = ()
    user: str = ""
    expect: str = ""
    status: tuple[int, ...] = ()
    ca_file: str = ""
    seconds: float = 10.0

    @property
    def on_host(self) -> bool:
        """Whether it runs on the host itself."""
        return self.kind in (ProbeKind.UNIT, ProbeKind.COMMAND, ProbeKind.SQL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``allow``: how many hosts may fail in a wave that is not the first."""

    allow: int = 0
    probes: tuple[HostProbe, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.probe") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        allow = keys.whole("allow", 0)
        probes = tuple(_probe(each) for each in keys.sections("probes"))
        keys.done()
        if len({each.name for each in probes}) < len(probes):
            keys.wrong("probes", "two probes have the same name")
        return cls(allow=allow, probes=probes)


def _probe(keys: Keys) -> HostProbe:
    kinds = [kind for kind in ProbeKind if keys.has(kind)]
    if len(kinds) != 1:
        keys.wrong("", f"needs exactly one of {', '.join(ProbeKind)}")
    kind = kinds[0]
    target, argv = _target(keys, kind)
    expect, user, ca_file = "", "", ""
    status: tuple[int, ...] = ()
    if kind in (ProbeKind.COMMAND, ProbeKind.SQL):
        expect, user = keys.text("expect"), keys.text("user")
    if kind is ProbeKind.HTTP:
        expect, ca_file, status = keys.text("expect"), keys.text("ca_file"), _statuses(keys)
    name = keys.text("name") or " ".join(argv) or target
    seconds = keys.seconds("timeout", "10s", most=60)
    keys.done()
    return HostProbe(
        name=name, kind=kind, target=target, argv=argv, user=user, expect=expect,
        status=status, ca_file=ca_file, seconds=seconds,
    )  # fmt: skip


def _target(keys: Keys, kind: ProbeKind) -> tuple[str, tuple[str, ...]]:
    if kind is ProbeKind.TCP:
        port = keys.whole("tcp", 0, least=1)
        if port > 65535:
            keys.wrong("tcp", "must be a port: 1-65535")
        return str(port), ()
    if kind is ProbeKind.COMMAND:
        argv = keys.texts("command")
        if not argv:
            keys.wrong("command", "must be a list: the program and its arguments")
        return "", argv
    if kind is ProbeKind.SQL:
        return keys.text("sql", required=True), sql_argv(keys)
    if kind is ProbeKind.UNIT:
        return keys.text("unit", required=True), ()
    return keys.url("http"), ()


def _statuses(keys: Keys) -> tuple[int, ...]:
    value = keys.take("status", ())
    found = tuple(each for each in listed(value) if isinstance(each, int) and 100 <= each < 600)
    if not isinstance(value, (list, tuple)) or len(found) != len(value):
        keys.wrong("status", "must be a list of HTTP statuses, like [200, 204]")
    return found


def sql_argv(keys: Keys) -> tuple[str, ...]:
    """The host's own client with a query (key ``sql``): it has the rights and the password that the
    host gives it, so none travels. Values only, one row a line."""
    client = keys.choice("client", "psql", _CLIENTS)
    database, query = keys.text("database", required=True), keys.text("sql", required=True)
    if database.startswith("-"):
        keys.wrong("database", "must not begin with -")
    if client == "psql":
        return (
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            query,
        )
    if client == "sqlite3":
        return ("sqlite3", "-batch", "-readonly", database, query)
    return (client, "--batch", "--skip-column-names", "-D", database, "-e", query)


@dataclass(slots=True)
class _Hosts:
    """Hosts by what their probes say; the texts are "host: probe"."""

    bad: dict[str, str]
    unclear: dict[str, str]
    good: list[str]
    silent: set[str]


def judge(signal: Signal, settings: Settings, scope: WaveScope) -> Verdict:
    """One failure on a canary host is a hard FAIL, elsewhere more than allowed are one."""
    if held := unheard(signal):
        return held
    hosts = _sorted(signal.data, settings, scope)
    seen = len(hosts.good) + len(hosts.bad)
    saying = Saying(
        gate=signal.gate,
        counted=Counted(failed=len(hosts.bad), of=seen, unit="hosts"),
        evidence={"failed": hosts.bad, "unclear": hosts.unclear, "good": len(hosts.good)},
    )
    if _our_line(hosts, scope):
        return saying.holds(
            f"not one of {len(hosts.bad)} hosts answers: the line from here is the likelier reason",
            f"{len(hosts.bad)} 台主机均无应答：更可能是本端线路故障",
        )
    if hosts.bad and (scope.first_wave or len(hosts.bad) > settings.allow):
        which = names(list(hosts.bad.values()))
        return saying.fails(
            f"{len(hosts.bad)} of {seen} hosts failed: {which.en}",
            f"{seen} 台主机中 {len(hosts.bad)} 台探测失败：{which.zh}",
            hard=scope.first_wave,
        )
    if hosts.unclear or not seen:
        which = names(list(hosts.unclear.values()) or ["no host was probed"])
        return saying.holds(f"probes are missing: {which.en}", f"缺少探测结果：{which.zh}")
    return saying.passes(
        f"{len(hosts.good)} of {seen} hosts answer all probes",
        f"{seen} 台主机中 {len(hosts.good)} 台通过全部探测",
    )


def _sorted(data: Mapping[str, object], settings: Settings, scope: WaveScope) -> _Hosts:
    verified = [host for host in scope.hosts if scope.seen(host)]
    reported, fresh = table(data, "reported"), table(data, "fresh")
    why = {host: f"{host}: {text}" for host, text in scope.failed.items()}
    hosts = _Hosts(bad=why, unclear={}, good=[], silent=set())
    for host in verified:
        if host not in hosts.bad:
            _sort(host, _probes(reported.get(host)), _probes(fresh.get(host)), settings, hosts)
    if not verified:
        hosts.unclear.update((host, f"{host}: not verified") for host in scope.hosts)
    return hosts


def _sort(
    host: str,
    reported: list[Mapping[str, object]],
    fresh: list[Mapping[str, object]],
    settings: Settings,
    hosts: _Hosts,
) -> None:
    probes = [*reported, *fresh]
    bad = [each for each in probes if each.get("ok") is False]
    unclear = [_said(each) for each in probes if not isinstance(each.get("ok"), bool)]
    asked = {str(each.get("name")) for each in fresh}
    unclear += [each.name for each in settings.probes if each.name not in asked]
    if bad:
        hosts.bad[host] = f"{host}: {_said(bad[0])}"
        if all(each.get("silent") is True for each in bad):
            hosts.silent.add(host)
    elif unclear or not probes:
        hosts.unclear[host] = f"{host}: {unclear[0] if unclear else 'no probe at all'}"
    else:
        hosts.good.append(host)


def _probes(value: object) -> list[Mapping[str, object]]:
    return [
        {str(key): part for key, part in each.items()}
        for each in listed(value)
        if isinstance(each, Mapping)
    ]


def _said(probe: Mapping[str, object]) -> str:
    detail = str(probe.get("detail", ""))
    return f"{probe.get('name', '?')} ({detail})" if detail else str(probe.get("name", "?"))


def _our_line(hosts: _Hosts, scope: WaveScope) -> bool:
    """Nobody answers, in several stores at once."""
    stores = {scope.store_of.get(host, host) for host in hosts.silent}
    return len(stores) > 1 and hosts.silent == set(hosts.bad) and not hosts.good
