# SPDX-License-Identifier: GPL-3.0-or-later
"""How notices read as one message: plain text with line breaks, in one language.

One notice is told in full, a few are told one after the other, in the order of the
journal. Above that a message would not be read: it counts, tells the worst first,
and says where the rest is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from storewarden.domain.outbox.notice import Notice, Severity, Text
from storewarden.domain.outbox.places import moment

_TOLD_IN_A_STORM = 5
_KINDS_IN_A_STORM = 8

_WHAT = Text(en="What", zh="事项")
_WHERE = Text(en="Where", zh="范围")
_DONE = Text(en="Done", zh="已做")
_NEXT = Text(en="Next", zh="下一步")
_AT = Text(en="Recorded", zh="记录时间")
_URGENT = Text(en="URGENT", zh="紧急")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """In which language, with times of which zone, under which site's name; above ``storm``
    notices a message only counts them."""

    language: str
    zone: tzinfo
    site: str
    storm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """One message, and who has to act on it.

    ``counted`` are the sequences of all notices in it, also of those it only counts;
    ``reports`` are the audits whose report belongs to it.
    """

    title: str
    text: str
    urgent: bool
    counted: tuple[int, ...]
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


def bulletin_of(notices: Sequence[Notice], style: Style) -> Bulletin:
    """One message for ``notices``, which are not empty and in the order of the journal."""
    text = _storm(notices, style) if len(notices) > style.storm else _told(notices, style)
    return Bulletin(
        title=_title(notices, style),
        text=text,
        urgent=_urgent(notices) > 0,
        counted=tuple(notice.sequence for notice in notices),
        roles=_distinct(role for notice in notices for role in notice.words.roles),
        people=_distinct(person for notice in notices for person in notice.words.people),
        reports=_distinct(notice.run for notice in notices if notice.words.report),
    )


def _title(notices: Sequence[Notice], style: Style) -> str:
    """The worst one's title, because a telephone shows nothing else."""
    worst = _worst_first(notices)[0]
    title = worst.words.title.in_(style.language)
    if worst.severity is Severity.URGENT:
        title = _line(_URGENT, title, style.language)
    if len(notices) > 1:
        rest = len(notices) - 1
        more = Text(en=f" (and {rest} more)", zh=f"（另有 {rest} 条）")
        title += more.in_(style.language)
    return f"[{style.site}] {title}" if style.site else title


def _told(notices: Sequence[Notice], style: Style) -> str:
    if len(notices) == 1:
        return "\n".join(_lines(notices[0], style))
    blocks = [
        "\n".join((f"{number}. {_heading(notice, style)}", *_lines(notice, style)))
        for number, notice in enumerate(notices, 1)
    ]
    return "\n\n".join(blocks)


def _lines(notice: Notice, style: Style) -> tuple[str, ...]:
    words = notice.words
    told = (
        (_WHAT, words.what.in_(style.language)),
        (_WHERE, words.where.in_(style.language)),
        (_DONE, words.done.in_(style.language)),
        (_NEXT, words.next.in_(style.language)),
        (_AT, moment(notice.at, style.zone).in_(style.language)),
    )
    return tuple(_line(label, text, style.language) for label, text in told if text)


def _line(label: Text, text: str, language: str) -> str:
    return f"{label.zh}：{text}" if language == "zh" else f"{label.en}: {text}"


def _heading(notice: Notice, style: Style) -> str:
    title = notice.words.title.in_(style.language)
    if notice.severity is Severity.URGENT:
        return _line(_URGENT, title, style.language)
    return title


def _storm(notices: Sequence[Notice], style: Style) -> str:
    worst = _worst_first(notices)[:_TOLD_IN_A_STORM]
    rest = len(notices) - len(worst)
    ending = Text(
        en=f"{rest} more in the ledger: storewarden change list, or storewarden report for audits",
        zh=f"其余 {rest} 条见台账：storewarden change list；审计见 storewarden report",
    )
    lines = [_sum(notices, style), *_by_label(notices, style), ""]
    lines.append(_line(Text(en="The worst", zh="最要紧的"), "", style.language).rstrip())
    for number, notice in enumerate(worst, 1):
        lines.append(f"{number}. {_heading(notice, style)}")
        lines.append("   " + _line(_WHERE, notice.words.where.in_(style.language), style.language))
        lines.append("   " + _line(_NEXT, notice.words.next.in_(style.language), style.language))
    return "\n".join((*lines, "", ending.in_(style.language)))


def _sum(notices: Sequence[Notice], style: Style) -> str:
    """How many, how many of them urgent, since when."""
    since = moment(min(notice.at for notice in notices), style.zone)
    urgent = _urgent(notices)
    text = Text(
        en=f"{len(notices)} notices since {since.en}, {urgent or 'none'} of them urgent:",
        zh=f"自 {since.zh}以来共 {len(notices)} 条通知，其中紧急 {urgent} 条：",
    )
    return text.in_(style.language)


def _by_label(notices: Sequence[Notice], style: Style) -> list[str]:
    labels = [notice.words.label.in_(style.language) for notice in _worst_first(notices)]
    counts = Counter(labels)  # equal numbers stay in the order in which they come: worst first
    ordered = counts.most_common()
    lines = [f"- {number} × {label}" for label, number in ordered[:_KINDS_IN_A_STORM]]
    others = sum(number for _, number in ordered[_KINDS_IN_A_STORM:])
    if others:
        lines.append(f"- {others} × {Text(en='other', zh='其他').in_(style.language)}")
    return lines


def _worst_first(notices: Sequence[Notice]) -> list[Notice]:
    return sorted(notices, key=lambda notice: (-notice.severity, notice.sequence))


def _urgent(notices: Sequence[Notice]) -> int:
    return sum(notice.severity is Severity.URGENT for notice in notices)


def _distinct(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in found if each))
