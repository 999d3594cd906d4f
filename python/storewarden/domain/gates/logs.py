# SPDX-License-Identifier: GPL-3.0-or-later
"""Error lines per hour of each host: against a limit, and against the time before the wave.

The data: ``{"hosts": {host: {"now": [errors, lines], "hours": h, "before": [errors, lines],
"before_hours": h}}}``: lines that the pattern finds, and lines in all.

A log without a single line proves nothing: the service may be dead, or log elsewhere. So it
holds, however few errors it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.saying import (
    Counted,
    Saying,
    amount,
    finite,
    listed,
    names,
    table,
    unheard,
)
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.server import Server
from storewarden.domain.gates.verdict import Verdict

NEEDS = (Need.HOSTS, Need.NETWORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``unit`` (of the journal), ``files`` (patterns of the shell) or ``server`` (the site's own
    log server, key ``url``) is where lines come from; ``pattern`` finds errors, ``ignore``
    takes known ones out. ``most`` (key ``max_per_hour``) and ``times`` (of the rate before)
    limit the rate; below ``least`` errors the second one says nothing. ``baseline`` is how long
    before the wave is counted; ``allow`` how many hosts may be beyond."""

    pattern: str
    ignore: str = ""
    unit: str = ""
    files: tuple[str, ...] = ()
    server: Server | None = None
    seconds: float = 30.0
    most: float | None = None
    times: float | None = None
    least: int = 5
    baseline: timedelta = timedelta(hours=24)
    watched: timedelta = timedelta(minutes=5)
    allow: int = 0

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.logs") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        settings = cls(
            pattern=keys.pattern("pattern", required=True),
            ignore=keys.pattern("ignore"),
            unit=keys.text("unit"),
            files=keys.texts("files"),
            server=Server.read(keys) if keys.has("url") else None,
            seconds=keys.seconds("timeout", "30s", most=60),
            most=keys.number("max_per_hour"),
            times=keys.number("times"),
            least=keys.whole("least", 5, least=1),
            baseline=keys.span("baseline", "24h"),
            watched=keys.span("watched", "5m"),
            allow=keys.whole("allow", 0),
        )
        keys.done()
        settings._check(keys)
        return settings

    def _check(self, keys: Keys) -> None:
        if sum(map(bool, (self.unit, self.files, self.server))) != 1:
            keys.wrong("", "needs exactly one of unit, files, url")
        if self.most is None and self.times is None:
            keys.wrong("", "has nothing to judge by", "give max_per_hour or times")
        if self.most is not None and self.most < 0:
            keys.wrong("max_per_hour", "must be 0 or more")
        if self.times is not None and self.times < 1:
            keys.wrong("times", "must be 1 or more")
        if self.baseline <= timedelta() or self.watched <= timedelta():
            keys.wrong("baseline", "must be above 0, as watched must")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    """One host's lines: ``rate`` and ``before`` are errors per hour, ``gap`` why there are none."""

    errors: float = 0.0
    rate: float = 0.0
    before: float | None = None
    gap: str = ""


def judge(signal: Signal, settings: Settings, scope: WaveScope) -> Verdict:
    """Too many errors on more hosts than allowed fail; a host without a word holds."""
    if held := unheard(signal):
        return held
    found = table(signal.data, "hosts")
    hosts = {host: _read(found.get(host), settings) for host in scope.hosts if scope.seen(host)}
    bad = [host for host, each in hosts.items() if not each.gap and _beyond(each, settings)]
    gaps = [f"{host}: {each.gap}" for host, each in hosts.items() if each.gap]
    saying = Saying(
        gate=signal.gate,
        counted=Counted(failed=len(bad), of=len(hosts) - len(gaps), unit="hosts"),
        evidence={"per_hour": {h: _shown(each) for h, each in hosts.items() if not each.gap},
                  "gaps": gaps},
    )  # fmt: skip
    if len(bad) > settings.allow:
        which = names([f"{host}: {_rates(hosts[host])}" for host in bad])
        return saying.fails(f"too many error lines: {which.en}", f"错误日志过多：{which.zh}")
    if gaps or not hosts:
        which = names(gaps or ["no verified host"])
        return saying.holds(f"no log to judge by: {which.en}", f"缺少日志证据：{which.zh}")
    most = max(each.rate for each in hosts.values())
    return saying.passes(
        f"error lines within limits on {len(hosts)} hosts (at most {amount(most)}/h)",
        f"{len(hosts)} 台主机错误日志在限值内（最高 {amount(most)} 行/小时）",
    )


def _read(found: object, settings: Settings) -> _Host:
    if not isinstance(found, Mapping):
        return _Host(gap="no answer")
    now, hours = _pair(found.get("now")), finite(found.get("hours"))
    if found.get("problem") or now is None or hours is None or hours <= 0:
        return _Host(gap=str(found.get("problem") or "no count"))
    host = _Host(errors=now[0], rate=now[0] / hours, before=_before(found))
    # Errors count however short the time was, and however little else is known.
    return host if _beyond(host, settings) else replace(host, gap=_gap(host, now, hours, settings))


def _gap(host: _Host, now: tuple[float, float], hours: float, settings: Settings) -> str:
    """Why a host without too many errors proves nothing; "" when it does."""
    if now[1] <= 0:
        return "not one line was logged"
    if hours < settings.watched / timedelta(hours=1):
        return "watched too shortly"
    if settings.times is not None and host.before is None:
        return "no lines from before the wave"
    return ""


def _before(found: Mapping[object, object]) -> float | None:
    pair, hours = _pair(found.get("before")), finite(found.get("before_hours"))
    if pair is None or hours is None or hours <= 0 or pair[1] <= 0:
        return None
    return pair[0] / hours


def _pair(value: object) -> tuple[float, float] | None:
    """Error lines and all lines."""
    numbers = [number for each in listed(value) if (number := finite(each)) is not None]
    if len(numbers) != 2 or min(numbers) < 0:
        return None
    return numbers[0], max(numbers)


def _beyond(host: _Host, settings: Settings) -> bool:
    if settings.most is not None and host.rate > settings.most:
        return True
    if settings.times is None or host.before is None or host.errors < settings.least:
        return False
    return host.rate > settings.times * host.before


def _shown(host: _Host) -> dict[str, object]:
    return {"now": round(host.rate, 3), "before": host.before}


def _rates(host: _Host) -> str:
    before = "" if host.before is None else f", {amount(host.before)}/h before"
    return f"{amount(host.rate)}/h{before}"
