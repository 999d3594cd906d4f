# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening arranged for reading: the lines that the terminal and the page both show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from storewarden.adapters.reports.catalogue import words as audit_words
from storewarden.adapters.reports.harden_words import Words
from storewarden.adapters.reports.values import clean, shown
from storewarden.domain.baseline.control import Control
from storewarden.domain.baseline.harden import ControlFix, GroupFix, HostFix, HostState
from storewarden.domain.baseline.harden_choice import Choice, Why
from storewarden.domain.baseline.score import percent
from storewarden.ports.harden import Deed, HardenReport

OPEN = (Why.MANUAL, Why.WAIVED, Why.RISK, Why.BLIND, Why.ATTESTED)
"""Choices that leave something that somebody has to know."""

_VALUE = 120  # characters of a value in a row
_CHANGES = 12  # changes of one control that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRow:
    """One control that is (to be) fixed on a host."""

    group: str
    outcome: str
    control: str
    title: str
    risk: str
    now: str
    after: str
    problem: str
    does: str
    lockout: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """One control that is not fixed, and why."""

    control: str
    title: str
    now: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One apply group of a host and what came of it."""

    group: str
    outcome: str
    good: bool
    controls: str
    reason: str
    point: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRows:
    """Everything about one host."""

    host: str
    stands: str
    good: bool
    message: str
    fixes: tuple[FixRow, ...]
    open: tuple[OpenRow, ...]
    groups: tuple[GroupRow, ...]


def host_rows(report: HardenReport, words: Words) -> tuple[HostRows, ...]:
    """All hosts in their order."""
    return tuple(_host(report, host, words) for host in report.hosts)


def rate(value: Fraction | None, words: Words) -> str:
    """A score in percent."""
    return words["none"] if value is None else f"{percent(value)} %"


def score_line(report: HardenReport, words: Words) -> str:
    """Now and expected, or before and after; "" when there is nothing to compare."""
    before = _effective(report, after=False)
    if report.deed is Deed.PLAN:
        told = words("score_now", now=rate(before, words), after=rate(report.expected, words))
    elif report.before is not None and report.after is not None:
        now = rate(_effective(report, after=True), words)
        told = words("score_moved", before=rate(before, words), after=now)
    else:
        return ""
    return f"{words['score']}: {told}"


def _effective(report: HardenReport, *, after: bool) -> Fraction | None:
    audit = report.after if after else report.before
    return None if audit is None else audit.scores.fleet.score.effective


def group_row(group: GroupFix, words: Words) -> GroupRow:
    """One group on one line."""
    left = [each for each in group.controls if each.problem]
    reason = words.told(group.reason)
    problems = [f"{each.control}{words['colon']}{words.told(each.problem)}" for each in left]
    # A group that was refused for the problems of its controls has them as its reason.
    told = "; ".join(text for text in (reason, *(p for p in problems if p not in reason)) if text)
    if group.restored_after is not None:
        seconds = words("restored_after", seconds=f"{group.restored_after:.0f}")
        told = f"{told}; {seconds}" if told else seconds
    return GroupRow(
        group=clean(group.group),
        outcome=words[f"outcome_{group.outcome.value}"],
        good=group.outcome.value in ("fixed", "unchanged", "planned", "restored"),
        controls=clean(" ".join(each.control for each in group.controls)),
        reason=clean(told),
        point=clean(group.restore_point),
    )


def stands(host: HostFix, words: Words, *, back: bool = False) -> str:
    """Where a host stands, in a word."""
    if host.state is HostState.NOTHING:
        return words["state_nothing"]
    return words[f"{'back' if back else 'stands'}_{host.standing(back=back).value}"]


def _host(report: HardenReport, host: HostFix, words: Words) -> HostRows:
    back = report.deed is Deed.UNDO
    choices = report.choices.get(host.host, ())
    told = {fix.control: (group, fix) for group in host.groups for fix in group.controls}
    planned = report.deed is Deed.PLAN
    word = words[f"state_{host.state.value}"] or words["outcome_planned"]
    return HostRows(
        host=clean(host.host),
        stands=word if planned else stands(host, words, back=back),
        good=host.standing(back=back).value == "well" or planned,
        message=clean(_message(host, words)),
        fixes=_fix_rows(_in_order(choices, host), told, words) if planned else (),
        open=tuple(_open_rows(report, choices, words)),
        groups=tuple(group_row(group, words) for group in host.groups),
    )


def _message(host: HostFix, words: Words) -> str:
    still = words("still", controls=" ".join(host.still)) if host.still else ""
    return "; ".join(text for text in (host.message, still) if text)


def _in_order(choices: Sequence[Choice], host: HostFix) -> list[Choice]:
    """Group by group as they are applied, which is how the host told them; the others behind."""
    order = {group.group: place for place, group in enumerate(host.groups)}
    return sorted(
        choices, key=lambda each: (order.get(each.control.fix_group, len(order)), each.control.id)
    )


def _fix_rows(
    choices: Sequence[Choice], told: Mapping[str, tuple[GroupFix, ControlFix]], words: Words
) -> tuple[FixRow, ...]:
    rows = []
    for choice in choices:
        if choice.why is Why.FIX:
            group, fix = told.get(choice.control.id, (None, None))
            rows.append(_fix_row(choice, group, fix, words))
    return tuple(rows)


def _fix_row(
    choice: Choice, group: GroupFix | None, fix: ControlFix | None, words: Words
) -> FixRow:
    control, language = choice.control, words.language
    refused = group is not None and group.outcome.value not in ("planned", "unchanged")
    why = words.told(group.reason) if group is not None and refused else ""
    outcome = words[f"outcome_{group.outcome.value}"] if group is not None else ""
    return FixRow(
        group=clean(control.fix_group),
        outcome=f"{outcome}: {clean(why)}" if why else outcome,
        control=control.id,
        title=clean(control.titled(language.value)),
        risk=control.risk.value,
        now=value(choice.finding.value, words),
        after=_after(control, fix, words),
        problem=clean(words.told(fix.problem)) if fix else "",
        does=_does(fix, words) if fix else "",
        lockout=clean(words.told(fix.lockout)) if fix else "",
        refused=refused,
    )


def _after(control: Control, fix: ControlFix | None, words: Words) -> str:
    """What will be different on this host; without a plan of the host, the fix in words; "" for
    what cannot be fixed there."""
    if fix is not None and fix.problem:
        return ""
    if fix is None or not fix.changes:
        texts = control.fix_text
        return clean(texts.get(words.language.value) or texts.get("en", ""))
    lines, place = [], ""
    for each in fix.changes[:_CHANGES]:
        where, _, what = clean(each.what).rpartition(": ")
        if where and where != place:
            lines.append(f"{where}:")
        place = where
        moved = f"{value(each.before, words)} -> {value(each.after, words)}"
        lines.append(f"  {what}: {moved}" if where else f"{what}: {moved}")
    more = len(fix.changes) - _CHANGES
    return "\n".join([*lines, *([words("more", count=more)] if more > 0 else [])])


def _does(fix: ControlFix, words: Words) -> str:
    parts = [
        words(key, units=clean(", ".join(units)))
        for key, units in (("restart", fix.restarts), ("reload", fix.reloads))
        if units
    ]
    return "; ".join(parts)


def _open_rows(report: HardenReport, choices: Sequence[Choice], words: Words) -> Iterator[OpenRow]:
    for choice in choices:
        if choice.why in OPEN:
            yield OpenRow(
                control=choice.control.id,
                title=clean(choice.control.titled(words.language.value)),
                now=value(choice.finding.value, words),
                why=why_told(choice, report, words),
            )


def why_told(choice: Choice, report: HardenReport, words: Words) -> str:
    """Why a control is not fixed."""
    until = choice.until.isoformat() if choice.until else ""
    told = words(f"why_{choice.why.value}", until=until, risk=report.max_risk.value)
    said = words.told(choice.finding.reason) if choice.why is Why.BLIND else ""
    return f"{told}: {clean(said)}" if said else told


def value(raw: object, words: Words) -> str:
    """An observed value on one line."""
    text = shown(raw, audit_words(words.language), limit=_VALUE)
    return "; ".join(" ".join(line.split()) for line in text.splitlines())
