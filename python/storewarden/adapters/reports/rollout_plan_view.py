# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout arranged for reading: the lines that the terminal and the page both show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.adapters.reports.rollout_times import full, short, span
from storewarden.adapters.reports.values import clean
from storewarden.domain.maintenance.words import said
from storewarden.domain.rollout.deadlines import Kept
from storewarden.domain.rollout.wish import SHOWN, wish_digest
from storewarden.ports.rollout_reports import RolloutPlanReport, StoreTale


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A labelled line; ``tone`` is "good", "bad" or ""."""

    label: str = ""
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRow:
    """One wave: number, reach, stores, hosts, three moments; and what undoing all takes."""

    cells: tuple[str, ...]
    undo: str
    in_time: bool


def title(report: RolloutPlanReport, words: Words) -> str:
    """What the plan is about."""
    at = full(report.at, report.zone, words.language)
    parts = [words["title"], report.spec.payload, report.site, at]
    return clean(" · ".join(part for part in parts if part))


def head(report: RolloutPlanReport, words: Words) -> Iterator[str]:
    """The lines under the title."""
    spec, plan, language = report.plan.spec, report.plan, words.language
    known = report.summary.get(language.value) or report.summary.get("en", "")
    about = [words("class", name=spec.payload_class.value)]
    about.append(words[f"reversible_{spec.reversibility.value}"])
    yield words["semi"].join([*([clean(known)] if known else []), *about])
    yield _change(report, words)
    if report.start != report.at:
        yield words("planned_from", at=full(report.start, report.zone, language))
    if not plan.waves:
        return
    counts = {"hosts": len(plan.hosts), "stores": len(plan.stores), "waves": len(plan.waves)}
    yield words("counts", **counts, strata=plan.strata)
    yield words("drawn", salt=clean(spec.salt))
    yield words("wish", wish=wish_digest(spec)[:SHOWN], digest=plan.membership[:SHOWN])
    needs = span(report.needs, language)
    yield words("needs", needs=needs, operation=words.operation(report.operation))
    lanes = {"lanes": spec.lanes, "shard": spec.shard, "forks": spec.forks}
    yield words("at_once", **lanes, site=spec.budgets.site)


def _change(report: RolloutPlanReport, words: Words) -> str:
    if not report.change:
        return words["no_change"]
    told = words("change", number=report.change, state=report.change_state)
    if report.window is None:
        return told
    starts, ends = (full(each, report.zone, words.language) for each in report.window)
    return told + words["semi"] + words("own_window", starts=starts, ends=ends)


def columns(words: Words) -> tuple[str, ...]:
    """The heads of a wave's cells and of its undo."""
    names = ("wave", "reach", "stores", "hosts", "begins", "ends", "watched", "undo")
    return tuple(words[name] for name in names)


def wave_rows(report: RolloutPlanReport, words: Words) -> Iterator[WaveRow]:
    """Every wave."""
    at = partial(short, zone=report.zone, now=report.at, language=words.language)
    for times, cut in zip(report.schedule.waves, report.plan.cuts, strict=True):
        reach = words.size(cut.size)
        if cut.parts > 1:
            reach = words("part", size=reach, part=cut.part, parts=cut.parts)
        takes = span(times.undo.takes, words.language)
        counts = (str(times.number), clean(reach), str(times.stores), str(times.hosts))
        yield WaveRow(
            cells=(*counts, at(times.begins), at(times.ends), at(times.promoted)),
            undo=takes if times.undo.fits else words("too_slow", takes=takes),
            in_time=times.undo.fits,
        )


def ending(report: RolloutPlanReport, words: Words) -> str:
    """When all is done; "" when nobody can tell."""
    found = report.schedule
    if found.done is None:
        return ""
    done, over = (full(each, report.zone, words.language) for each in (found.done, found.over))
    return words("done", at=done) + words["semi"] + words("over", at=over)


def assumptions(report: RolloutPlanReport, words: Words) -> Iterator[str]:
    """What the dates take for granted."""
    yield words["assumes"]
    for gate in report.spec.gates:
        if gate.kind == "approval":
            yield words("approval_waits", name=clean(gate.name))
    for times in report.schedule.waves:
        if times.never_open:
            yield words("never_open", number=times.number)


def judged(report: RolloutPlanReport, words: Words) -> tuple[Line, Line]:
    """How long waves are watched, and which gates judge them."""
    spec = report.spec
    names = [
        each.name if each.name == each.kind else f"{each.name} ({each.kind})" for each in spec.gates
    ]
    gates = words["no_gates"]
    if names:
        gates = words("gates_line", names=clean(words.joined(names, most=len(names))))
    soak = words.soak(spec.watched, emergency=spec.emergency)
    return Line(label=words["soak"], text=soak), Line(label=words["gates"], text=gates)


def deadlines(report: RolloutPlanReport, words: Words) -> Iterator[Line]:
    """Every deadline, and the emergency lane where one is missed."""
    for kept in report.deadlines:
        yield _deadline(kept, report, words)
    if report.lane is None:
        return
    soak = span(report.spec.emergency_soak, words.language)
    at = full(report.lane.schedule.done, report.zone, words.language)
    missed = words.joined(words[f"name_{each.deadline.value}"] for each in report.lane.missed)
    key = "lane_misses" if missed else "lane_keeps"
    yield Line(label=words["lane"], text=words(key, soak=soak, at=at, missed=missed))


def _deadline(kept: Kept, report: RolloutPlanReport, words: Words) -> Line:
    word, tone = ("kept", "good") if kept.kept else ("missed", "bad")
    if not kept.kept and not kept.binding:
        word, tone = "told", ""
    due = full(kept.due, report.zone, words.language)
    told = words.deadline(kept, due, report.risk.value)
    return Line(label=words[word], text=told + words["colon"] + words.spare(kept), tone=tone)


def refused(report: RolloutPlanReport, words: Words) -> Iterator[Line]:
    """Hosts that no wave takes, and why."""
    for each in report.plan.refused:
        reason = each.reason_zh if words.language.value == "zh" else each.reason
        yield Line(label=clean(each.host), text=clean(reason))


def store_title(report: RolloutPlanReport, tale: StoreTale, words: Words) -> str:
    """Which store, and its wave."""
    told = words("store_title", store=clean(tale.store), zone=tale.zone)
    place = words("store_wave", number=tale.wave.number, waves=len(report.plan.waves))
    return told + words["colon"] + place


def tale_lines(report: RolloutPlanReport, tale: StoreTale, words: Words) -> Iterator[Line]:
    """What one store will live through, in its own time."""
    language, count = words.language, len(tale.hosts)
    names = [clean(f"{name} ({role})" if role else name) for name, role in tale.hosts]
    yield Line(label=words["store_hosts"], text=words.joined(names, most=20))
    if tale.turns > 1:
        together = -(-count // tale.turns)
        told = words("store_turns", hosts=count, turns=tale.turns, together=together)
        yield Line(text=told)
    before = sum(each.stores for each in report.schedule.waves[: tale.wave.number - 1])
    told = words("store_before_line", stores=before) if before else words["store_before_first"]
    yield Line(label=words["store_before"], text=told)
    if tale.begins is None:
        reasons = words["semi"].join(said(each, tale.zone, language.value) for each in tale.against)
        text = clean(reasons) or words["nobody"]
        yield Line(label=words["store_against"], text=text, tone="bad")
    else:
        yield from _lived(report, tale, words)
    for each in tale.unfit:
        reason = each.reason_zh if language.value == "zh" else each.reason
        text = clean(each.host + words["colon"] + reason)
        yield Line(label=words["store_unfit"], text=text)


def _lived(report: RolloutPlanReport, tale: StoreTale, words: Words) -> Iterator[Line]:
    language, timing, spec = words.language, report.spec.timing, report.spec
    at = partial(full, zone=tale.zone, language=language)
    long = partial(span, language=language)
    looked = words("store_preflight_line", at=at(tale.begins), long=long(timing.preflight))
    yield Line(label=words["store_preflight"], text=looked)
    changed = words(
        "store_change_line",
        long=long(timing.change),
        ends=at(tale.ends),
        deadline=long(spec.deadline),
    )
    closes = words("store_closes", at=at(tale.closes)) if tale.closes else ""
    text = words["semi"].join(part for part in (changed, closes) if part)
    yield Line(label=words["store_change"], text=text)
    if timing.reboot:
        yield Line(text=words("store_reboot", long=long(timing.reboot)))
    watched = words("store_watched_line", at=at(tale.wave.promoted))
    yield Line(label=words["store_watched"], text=watched)
    exposed = words("store_exposed_line", at=at(report.schedule.over), long=long(timing.undo))
    yield Line(label=words["store_exposed"], text=exposed)
