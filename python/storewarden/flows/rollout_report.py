# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout in plain words: one line for the change's journal, one page for its evidence.

Of a rollback the times are said against what is owed: the first undo within 30 minutes of the
decision, the last host that could be reached within one hour (guide 1.3.4, 2.5.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo

from storewarden.domain.change.record import EvidenceKind
from storewarden.domain.rollout.record import (
    HostRecord,
    HostState,
    Rollback,
    Rollout,
    RolloutState,
    WaveRecord,
)
from storewarden.flows.change_desk import Document

FIRST_UNDO = timedelta(minutes=30)
"""How soon after the decision the first host is being restored (guide 2.5.4)."""

LAST_RESTORED = timedelta(hours=1)
"""How soon the last reachable host is restored (guide 1.3.4)."""

_NAMED = 10  # hosts named in one line
_STATES = {
    RolloutState.COMPLETED: ("completed", "已完成"),
    RolloutState.COMPLETED_WITH_STRAGGLERS: ("completed, stragglers left", "已完成，尚有掉队主机"),
    RolloutState.ROLLED_BACK: ("rolled back", "已回滚"),
    RolloutState.ROLLED_BACK_WITH_DEBT: ("rolled back, with debt", "已回滚，尚有欠账"),
    RolloutState.CANCELLED: ("cancelled before a host was touched", "未触及主机即取消"),
    RolloutState.SUPERSEDED: ("superseded", "已被取代"),
}
_HOSTS = {
    HostState.FINAL: ("at the target", "达到目标"),
    HostState.AT_TARGET: ("at the target", "达到目标"),
    HostState.SOAKING: ("verified, being watched", "已验证，观察中"),
    HostState.RESTORED: ("restored", "已恢复"),
    HostState.PLANNED: ("not touched", "未触及"),
    HostState.SKIPPED: ("nothing to do", "无需处理"),
    HostState.OFFLINE_UNTOUCHED: ("not reached, not touched", "不可达，未触及"),
    HostState.OFFLINE_TOUCHED: ("changed, then not reached", "已触及，后不可达"),
    HostState.UNKNOWN: ("unknown", "状态未知"),
    HostState.ATTENTION: ("need a person", "需要人工处理"),
}
OWING = (HostState.OFFLINE_TOUCHED, HostState.UNKNOWN, HostState.ATTENTION)
"""Hosts that are neither at the target nor as they were."""


def state_words(rollout: Rollout, language: str) -> str:
    """The rollout's state."""
    return _STATES.get(rollout.state, (rollout.state.value,) * 2)[language == "zh"]


def note_line(rollout: Rollout, language: str) -> str:
    """How a rollout ended, in one line."""
    chinese = language == "zh"
    parts = [f"{rollout.number} {rollout.spec.payload}: {state_words(rollout, language)}"]
    parts += [("，" if chinese else ", ").join(_counts(rollout, chinese=chinese))]
    parts += list(_reasons(rollout, chinese=chinese))
    parts += clock_lines(rollout, language)
    owed = owing(rollout)
    if owed:
        parts.append(("须查看：" if chinese else "look at: ") + _names(each.name for each in owed))
    return ("；" if chinese else "; ").join(part for part in parts if part)


def owing(rollout: Rollout) -> tuple[HostRecord, ...]:
    """Hosts that still owe something, or of which nobody knows."""
    return tuple(each for each in rollout.hosts.values() if each.debt or each.state in OWING)


def clock_lines(rollout: Rollout, language: str) -> list[str]:
    """The clock of going back, and who was back before it began to tick."""
    rollback, saved = rollout.rollback, rollout.saved_before
    lines = rollback_lines(rollback, language)
    if rollback is None or not saved:
        return lines
    last = max(host.restored_at for host in saved if host.restored_at is not None)
    early = span_words(rollback.verdict - last, language)
    words = (
        "{n} hosts had been restored before the decision, the last one {t} before it",
        "{n} 台主机在决定前已自动恢复，最后一台早于决定 {t}",
    )
    if not lines and not owing(rollout) and not any(h.touched for h in rollout.hosts.values()):
        words = (
            "all {n} touched hosts had been restored before the decision (the last one {t} before"
            " it): nothing was left to undo (30 min and 1 h allowed: kept)",
            "已变更的 {n} 台主机在决定前均已自动恢复（最后一台早于决定 {t}），无需再回滚"
            "（要求 30 分和 1 小时：达到）",
        )
    return [words[language == "zh"].format(n=len(saved), t=early), *lines]


def rollback_lines(rollback: Rollback | None, language: str) -> list[str]:
    """The clock of going back, against what is owed."""
    if rollback is None:
        return []
    chinese = language == "zh"
    found = []
    if rollback.first_undo is not None:
        took = rollback.first_undo - rollback.verdict
        words = ("first undo after {t}", "决定后 {t} 开始首次回滚")[chinese]
        found.append(_against(words, took, FIRST_UNDO, chinese=chinese))
    if rollback.last_restored is not None:
        took = rollback.last_restored - rollback.verdict
        words = ("last reachable host restored after {t}", "{t} 内最后一台可达主机恢复")[chinese]
        found.append(_against(words, took, LAST_RESTORED, chinese=chinese))
    return found


def span_words(span: timedelta, language: str) -> str:
    """A length of time as people say it: "4 min 05 s"."""
    seconds = max(0, round(span.total_seconds()))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    units = ("小时", "分", "秒") if language == "zh" else (" h", " min", " s")
    if hours:
        return f"{hours}{units[0]} {minutes:02d}{units[1]}"
    return f"{minutes}{units[1]} {rest:02d}{units[2]}" if minutes else f"{rest}{units[2]}"


def document(rollout: Rollout, language: str, zone: tzinfo) -> Document:
    """The rollout as a piece of evidence: a page of plain text."""
    text = "\n".join(_page(rollout, language, zone)) + "\n"
    return Document(
        kind=EvidenceKind.VERIFICATION,
        name=f"rollout-{rollout.number}.txt",
        media_type="text/plain; charset=utf-8",
        content=text.encode(),
    )


def _page(rollout: Rollout, language: str, zone: tzinfo) -> Iterator[str]:
    chinese = language == "zh"
    titles = (
        ("payload", "opened", "started", "ended", "versions"),
        ("载荷", "建立", "开始", "结束", "版本锁"),
    )[chinese]
    yield f"{rollout.number}: {state_words(rollout, language)}"
    yield f"{titles[0]}: {rollout.spec.payload}"
    yield f"{titles[1]}: {_clock(rollout.opened, zone)} ({rollout.by})"
    yield f"{titles[2]}: {_clock(rollout.started, zone)}"
    yield f"{titles[3]}: {_clock(rollout.ended, zone)}"
    if rollout.lock is not None:
        yield f"{titles[4]}: {rollout.lock.digest} ({rollout.lock.host})"
    yield from _reasons(rollout, chinese=chinese)
    yield from clock_lines(rollout, language)
    yield ""
    for wave in rollout.waves:
        yield from _wave(rollout, wave, language, zone)
    yield ""
    yield ("，" if chinese else ", ").join(_counts(rollout, chinese=chinese))
    yield from (_host(each, chinese=chinese) for each in owing(rollout))


def _wave(rollout: Rollout, wave: WaveRecord, language: str, zone: tzinfo) -> Iterator[str]:
    chinese = language == "zh"
    hosts = sum(host.wave == wave.number for host in rollout.hosts.values())
    words = (
        "wave {n}: {s} stores, {h} hosts, {state}, {began} - {ended}",
        "第 {n} 波：{s} 家门店，{h} 台主机，{state}，{began} - {ended}",
    )[chinese]
    yield words.format(
        n=wave.number,
        s=len(wave.stores),
        h=hosts,
        state=wave.state.value,
        began=_clock(wave.began, zone),
        ended=_clock(wave.ended, zone),
    )
    for verdict in wave.verdicts:
        reason = (verdict.reason_zh if chinese else "") or verdict.reason
        yield f"  {verdict.gate}: {verdict.outcome.value}: {reason}"


def _host(host: HostRecord, *, chinese: bool) -> str:
    debt = (host.debt_zh if chinese else "") or host.debt
    reason = (host.reason_zh if chinese else "") or host.reason
    told = "; ".join(part for part in (debt, reason) if part)
    return f"  {host.name}: {_HOSTS.get(host.state, (host.state.value,) * 2)[chinese]}: {told}"


def _counts(rollout: Rollout, *, chinese: bool) -> list[str]:
    counted = Counter(
        _HOSTS.get(host.state, (host.state.value,) * 2)[chinese] for host in rollout.hosts.values()
    )
    form = "{n} 台{word}" if chinese else "{n} hosts {word}"
    return [form.format(n=count, word=word) for word, count in counted.items()]


def _reasons(rollout: Rollout, *, chinese: bool) -> Iterator[str]:
    """Why it went back, or by what it was replaced."""
    if rollout.rollback is not None:
        back = rollout.rollback
        reason = (back.reason_zh if chinese else "") or back.reason
        who = f" ({back.by})" if back.by else ""
        yield (f"回滚原因：{reason}{who}" if chinese else f"went back because {reason}{who}")
    if rollout.superseded_by:
        yield (f"被 {rollout.superseded_by} 取代" if chinese else f"by {rollout.superseded_by}")


def _against(words: str, took: timedelta, target: timedelta, *, chinese: bool) -> str:
    language = "zh" if chinese else "en"
    kept = took <= target
    told = words.format(t=span_words(took, language))
    limit = span_words(target, language).removesuffix(" 00 s").removesuffix(" 00秒")
    limit = limit.removesuffix(" 00 min").removesuffix(" 00分")
    if chinese:
        return f"{told}（要求 {limit}：{'达到' if kept else '未达到'}）"
    return f"{told} ({limit} allowed: {'kept' if kept else 'MISSED'})"


def _names(names: Iterable[str]) -> str:
    found = list(names)
    more = f" (+{len(found) - _NAMED})" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _clock(at: datetime | None, zone: tzinfo) -> str:
    return "-" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
