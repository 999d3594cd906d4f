# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough trade seen: a soak in a closed store proves nothing (reference: rollouts, fact 6).

The data: ``{"transactions": number, "open_seconds": number}``; the first one only where the
settings say where it comes from. Too little is never a failure: it holds, the soak is extended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.probe import sql_argv
from storewarden.domain.gates.saying import Saying, amount, finite, unheard
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.server import Server
from storewarden.domain.gates.verdict import Verdict

NEEDS = (Need.NETWORK, Need.HOSTS)

_SOURCES = ("prometheus", "http", "sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql:
    """A query that answers with one number, by the client on hosts of one group of names.

    ``hosts`` are patterns of host names (``*server*``); every verified host that fits is asked, and
    their numbers are added up. ``$since`` is the soak's beginning as ISO 8601 in UTC.
    """

    argv: tuple[str, ...]
    hosts: tuple[str, ...]
    user: str = ""
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``transactions`` and ``open_for`` (key ``open``) are the least of each. One source at most:
    ``prometheus`` with ``query`` (summed over its series), ``http`` (a server that is POSTed stores
    and times and answers ``{"transactions": n}``), or ``sql``."""

    transactions: float = 0.0
    open_for: timedelta = timedelta(hours=2)
    source: str = ""
    server: Server | None = None
    query: str = ""
    sql: Sql | None = None

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.volume") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        sources = [each for each in _SOURCES if keys.has(each)]
        if len(sources) > 1:
            keys.wrong(sources[1], f"one source is enough, and there is {sources[0]}")
        source = sources[0] if sources else ""
        # reference: rollouts, "Gate" 2: 200 sales and 2 trading hours
        transactions = keys.real("transactions", 200.0 if source else 0.0)
        if transactions and not source:
            keys.wrong("transactions", f"needs a source: {', '.join(_SOURCES)}")
        open_for = keys.span("open", "2h")
        server, query, sql = _source(keys, source)
        keys.done()
        return cls(
            transactions=transactions, open_for=open_for, source=source,
            server=server, query=query, sql=sql,
        )  # fmt: skip


def _source(keys: Keys, source: str) -> tuple[Server | None, str, Sql | None]:
    if not source:
        return None, "", None
    own, query = keys.section(source), ""
    if source == "sql":
        return None, "", _sql(own)
    if source == "prometheus":
        query = own.text("query", required=True)
    server = Server.read(own)
    own.done()
    return server, query, None


def _sql(keys: Keys) -> Sql:
    hosts = keys.texts("hosts")
    if not hosts:
        keys.wrong("hosts", "is missing", 'patterns of host names, like ["*server*"]')
    keys.take("sql")
    sql = Sql(
        argv=sql_argv(keys),
        hosts=hosts,
        user=keys.text("user"),
        seconds=keys.seconds("timeout", "10s", most=60),
    )
    keys.done()
    return sql


def judge(signal: Signal, settings: Settings, _scope: WaveScope) -> Verdict:
    """PASS when there was enough of both, else HOLD."""
    if held := unheard(signal):
        return held
    sold = finite(signal.data.get("transactions"))
    opened = finite(signal.data.get("open_seconds"))
    saying = Saying(
        gate=signal.gate,
        evidence={"transactions": sold, "open_seconds": opened, "needed": settings.transactions},
    )
    if settings.source and (sold is None or sold < 0):
        return saying.holds("nobody can say how much was sold", "无法得知成交笔数")
    if opened is None or opened < 0:
        return saying.holds("nobody can say how long stores were open", "无法得知营业时长")
    return _weighed(saying, settings, sold, opened / 3600)


def _weighed(saying: Saying, settings: Settings, sold: float | None, hours: float) -> Verdict:
    needed = settings.open_for / timedelta(hours=1)
    if hours < needed:
        return saying.holds(
            f"open for {hours:.1f} h since the soak began, {needed:.1f} h are needed",
            f"观察开始后营业 {hours:.1f} 小时，需要 {needed:.1f} 小时",
        )
    if sold is not None and sold < settings.transactions:
        return saying.holds(
            f"{amount(sold)} transactions seen, {amount(settings.transactions)} are needed",
            f"已成交 {amount(sold)} 笔，需要 {amount(settings.transactions)} 笔",
        )
    if not hours and not sold:
        return saying.holds("no trade was seen at all", "未观察到任何交易")
    return _enough(saying, sold, hours)


def _enough(saying: Saying, sold: float | None, hours: float) -> Verdict:
    if sold is None:
        return saying.passes(f"open for {hours:.1f} h", f"营业 {hours:.1f} 小时")
    return saying.passes(
        f"{amount(sold)} transactions in {hours:.1f} open hours",
        f"营业 {hours:.1f} 小时，成交 {amount(sold)} 笔",
    )
