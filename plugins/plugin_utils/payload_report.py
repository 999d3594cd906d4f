# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One report per phase and host: what roles may say, and how it is told.

A role speaks through two facts. They are checked here, so that a slip of a role ends its phase
with a line that names it, and never with a change that nobody can take back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

Reason = dict[str, str]
_LANGUAGES = ("en", "zh")
_ONE_LINE = 500  # characters of a reason
_MOST = 100  # entries of a list in a report: it goes into the journal
_PREFLIGHT = {
    **{"ready": bool, "nothing": bool, "reason": dict, "items": list, "exclude": list},
    **{"package_sources": list, "changes": list, "lock": dict, "job": bool, "reboot": bool},
}
# Reports that end the task well, by phase; for a probe all but "failed" are findings.
_GOOD = {
    "preflight": ("ready", "nothing"),
    "apply": ("applied",),
    "judge": ("verified",),
    "undo": ("restored", "nothing"),
    "probe": ("busy", "armed", "confirmed", "restored", "residue", "untouched"),
}
_CHANGED = ("applied", "restored", "residue")


def reported(about: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """A task's result with the report of its phase.

    ``about``: ``phase``, ``point``, ``rollout``, ``began`` (monotonic seconds), ``check``.
    ``answer``: ``report``, ``reason`` (a line, or one per language), ``detail``.
    """
    phase, report = str(about["phase"]), str(answer["report"])
    reason = in_both(answer.get("reason") or "")
    detail = {key: _short(value) for key, value in (answer.get("detail") or {}).items()}
    if about.get("check"):
        detail["check"] = True
    told = {
        "phase": phase,
        "report": report,
        "reason": reason,
        "restore_point": str(about.get("point") or ""),
        "seconds": round(max(0.0, time.monotonic() - float(about["began"])), 1),
        "detail": detail,
    }
    if about.get("rollout"):
        told["rollout"] = str(about["rollout"])
    line = f"{phase}: {report}" + (f"; {reason['en']}" if reason["en"] else "")
    return {
        "changed": phase != "probe" and report in _CHANGED,
        "failed": report not in _GOOD.get(phase, ()),
        "msg": line,
        "storewarden": {"payload": told},
    }


def in_both(text: Any) -> Reason:
    """A reason in both languages. The host's own words are English; the Chinese text says whose
    they are."""
    if isinstance(text, Mapping):
        english = one_line(text.get("en") or text.get("zh") or "")
        return {"en": english, "zh": one_line(text.get("zh") or "") or in_both(english)["zh"]}
    line = one_line(text)
    return {"en": line, "zh": f"主机报告：{line}" if line else ""}


def one_line(text: object) -> str:
    """At most ``_ONE_LINE`` characters, without line breaks."""
    line = " ".join(str(text).split())
    return line if len(line) <= _ONE_LINE else line[: _ONE_LINE - 3] + "..."


def _short(value: Any) -> Any:
    """A long list keeps its beginning and says how many are left out."""
    if isinstance(value, list) and len(value) > _MOST:
        return [*value[:_MOST], {"left_out": len(value) - _MOST}]
    return value


# -- what roles say ------------------------------------------------------------------------------


def preflight_problems(found: object, *, wants_lock: bool) -> list[str]:
    """What is wrong with the fact ``payload_preflight``, one line each."""
    if not isinstance(found, Mapping) or not found:
        return ["preflight.yml has not set the fact payload_preflight"]
    problems = [
        f"payload_preflight.{name} is no field of it" for name in found if name not in _PREFLIGHT
    ]
    for name, kind in _PREFLIGHT.items():
        if name in found and not isinstance(found[name], kind):
            problems.append(
                f"payload_preflight.{name}: {_WORDS[kind]} is meant, not {found[name]!r}"
            )
    if "ready" not in found:
        problems.append("payload_preflight.ready is missing")
    if problems:
        return problems
    if not found["ready"]:
        return [] if _both(found.get("reason")) else ["payload_preflight.reason: en and zh"]
    if not found.get("nothing") and not found.get("items"):
        problems.append("payload_preflight.items is empty: what is to be kept?")
    if wants_lock and not found.get("nothing") and not found.get("lock"):
        problems.append("payload_preflight.lock is missing: this is the host that resolves it")
    return problems


_WORDS = {bool: "true or false", dict: "a mapping", list: "a list"}


def _both(reason: object) -> bool:
    return isinstance(reason, Mapping) and all(reason.get(one) for one in _LANGUAGES)


def verify_problems(found: object) -> list[str]:
    """What is wrong with the fact ``payload_verify``, one line each."""
    if not isinstance(found, Mapping) or "ok" not in found:
        return ["verify.yml has not set the fact payload_verify"]
    problems = []
    if not isinstance(found["ok"], bool):
        problems.append(f"payload_verify.ok: true or false is meant, not {found['ok']!r}")
    probes = found.get("probes", [])
    if not isinstance(probes, list) or not all(_is_probe(one) for one in probes):
        problems.append("payload_verify.probes: a list of {name, ok, detail} is meant")
    return problems


def _is_probe(one: object) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("ok"), bool) and bool(one.get("name"))


def bad_probes(probes: Iterable[Mapping[str, Any]]) -> Reason:
    """Which probes are not good, and what they said."""
    bad = [one for one in probes if not one["ok"]]
    if not bad:
        return {"en": "verify.yml says that it does not work", "zh": "验证任务报告未通过"}
    said = {
        lang: [f"{one['name']}: {in_both(one.get('detail') or '')[lang]}" for one in bad]
        for lang in _LANGUAGES
    }
    return {
        "en": "does not work: " + "; ".join(said["en"]),
        "zh": "检查未通过：" + "；".join(said["zh"]),
    }


# -- what failed ---------------------------------------------------------------------------------


def own_report(result: object) -> dict[str, Any] | None:
    """The report that a failed task carries itself, None when it has none."""
    told = result.get("storewarden") if isinstance(result, Mapping) else None
    own = told.get("payload") if isinstance(told, Mapping) else None
    return dict(own) if isinstance(own, Mapping) and "report" in own else None


def failure(task: str, result: object) -> Reason:
    """Why a task failed, in one line per language."""
    if not isinstance(result, Mapping):
        return {"en": f"{task} failed", "zh": f"任务失败：{task}"}
    if _both(result.get("reason")):
        return in_both(result["reason"])
    if result.get("censored"):
        said = "hidden by no_log"
    else:
        said = str(_item(result) or result.get("msg") or "without a message")
        lines = [one for one in str(result.get("stderr") or "").splitlines() if one.strip()]
        if lines and lines[-1] not in said:
            said = f"{said.strip().rstrip('.')}: {lines[-1].strip()}"
    return {"en": one_line(f"{task}: {said}"), "zh": one_line(f"任务“{task}”失败：{said}")}


def _item(result: Mapping[str, Any]) -> str:
    """Of a loop: the message of the first item that failed."""
    items = result.get("results")
    for one in items if isinstance(items, list) else []:
        if isinstance(one, Mapping) and one.get("failed"):
            return str(one.get("msg") or "")
    return ""
