# SPDX-License-Identifier: GPL-3.0-or-later
"""An experiment as cells of a table, in either language: fault, alert, rule, repair, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from storewarden.domain.chaos.experiment import Experiment, Proof, Row, Undone
from storewarden.domain.chaos.fault import FAULTS
from storewarden.ports.reports import Language

type Pair = tuple[str, str]

HEADS: Sequence[Pair] = (
    ("HOST", "主机"),
    ("FAULT", "故障"),
    ("RESULT", "结果"),
    ("ALERT", "告警"),
    ("RULE", "规则"),
    ("ACTION", "动作"),
    ("ALERT AFTER", "告警用时"),
    ("REPAIRED AFTER", "修复用时"),
    ("HEALED AFTER", "自愈用时"),
    ("TAKEN BACK", "撤销"),
)
PROOFS: Mapping[Proof, Pair] = {
    Proof.HEALED: ("healed", "已自愈"),
    Proof.ESCALATED: ("a person has it", "已转人工"),
    Proof.LEFT: ("nothing was to be done", "不作处理"),
    Proof.LATE: ("not healed in time", "未及时自愈"),
    Proof.GONE: ("over before a repair", "修复前已恢复"),
    Proof.OTHER: ("healed by another rule", "由其他规则自愈"),
    Proof.UNSEEN: ("no alert came", "未收到告警"),
    Proof.UNMADE: ("could not be made", "未能制造"),
}
UNDONES: Mapping[Undone, Pair] = {
    Undone.ORDER: ("by order", "按指令"),
    Undone.TIMER: ("by the host's timer", "由主机定时器"),
    Undone.HAND: ("by hand", "人工"),
    Undone.BOOT: ("by a boot", "因重启"),
    Undone.NOTHING: ("there was nothing", "无需撤销"),
    Undone.UNKNOWN: ("not known; the host's timer does it", "未知；由主机定时器完成"),
}
_WORDS: Mapping[str, Pair] = {
    "title": ("Chaos experiment", "混沌实验"),
    "proved": ("Healing is proved.", "自愈已得到证明。"),
    "not_proved": ("Healing is not proved.", "自愈未得到证明。"),
    "interrupted": ("Stopped before its end.", "在结束前被中止。"),
    "doubtful": (
        "Of some host nobody knows that it is whole again: look at it.",
        "有主机是否已恢复尚不清楚：请检查。",
    ),
    "by": ("by", "执行人"),
    "change": ("change", "变更"),
    "lab": ("in a lab, without a change", "实验室内，无需变更"),
    "expect": ("rule expected", "预期规则"),
    "span": ("at most", "最长"),
    "why": ("Why", "原因"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One host: its cells as ``HEADS`` has them, why it came out so, and whether it is good."""

    cells: tuple[str, ...]
    why: str
    good: bool
    wrong: bool


def heads(language: Language) -> tuple[str, ...]:
    """The head of the table."""
    return tuple(_in(each, language) for each in HEADS)


def lines(experiment: Experiment, language: Language) -> tuple[Line, ...]:
    """The table."""
    return tuple(_line(each, language) for each in experiment.rows)


def word(name: str, language: Language) -> str:
    """A word of the page."""
    return _in(_WORDS[name], language)


def summary(experiment: Experiment, language: Language) -> tuple[str, ...]:
    """What it came to, in a sentence or two."""
    found = ["proved" if experiment.proved else "not_proved"]
    found += ["interrupted"] if experiment.outcome == "interrupted" else []
    found += ["doubtful"] if experiment.doubtful else []
    return tuple(word(each, language) for each in found)


def fault_line(experiment: Experiment, language: Language) -> str:
    """What was done, with its options."""
    fault = FAULTS.get(experiment.fault)
    about = "" if fault is None else _in((fault.en, fault.zh), language)
    given = ", ".join(f"{name}={each}" for name, each in sorted(experiment.options.items()))
    colon = "：" if language is Language.ZH else ": "
    tail = f" ({given})" if given else ""
    return f"{experiment.fault}{colon}{about}{tail}"


def _line(row: Row, language: Language) -> Line:
    return Line(
        cells=(
            row.host,
            _in(row.what, language),
            _in(PROOFS[row.proof], language),
            row.alert or "-",
            row.rule or "-",
            row.action or "-",
            seconds(row.seen),
            seconds(row.repaired),
            seconds(row.healed),
            _undone(row, language),
        ),
        why=_in(row.why, language),
        good=row.proof is Proof.HEALED,
        wrong=row.undone is Undone.UNKNOWN,
    )


def _undone(row: Row, language: Language) -> str:
    said = _in(UNDONES[row.undone], language)
    if row.undone_after is None:
        return said
    lasted = seconds(row.undone_after)
    return f"{lasted} 后{said}" if language is Language.ZH else f"after {lasted} {said}"


def seconds(span: timedelta | None) -> str:
    """A short span; "-" for none."""
    return "-" if span is None else f"{span.total_seconds():.1f} s"


def _in(pair: Pair, language: Language) -> str:
    return pair[1] if language is Language.ZH else pair[0]
