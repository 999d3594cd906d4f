# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to a rollout, in words: for its change's ticket, for people, and for who watches.

Works on journal entries alone (kind and body), as everything of the outbox does: what was said
years ago is read by the same words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.outbox.notice import Event, Severity, Text, Words
from storewarden.domain.outbox.places import counted, moment, names, stamped
from storewarden.domain.outbox.rollout_terms import (
    HOSTS,
    ORDERS,
    OUTCOMES,
    PHASES,
    REPORTS,
    STATES,
    WAVES,
)
from storewarden.domain.outbox.ticket import Voice, local

KINDS = "rollout "
"""What every kind of entry of a rollout begins with."""

_NAMED = 5  # hosts named in a line

type _Body = Mapping[str, Any]
type _Teller = Callable[[_Body], Text | None]


def is_rollout(kind: str) -> bool:
    """Whether an entry is about a rollout."""
    return kind.startswith(KINDS)


def story_line(kind: str, body: Mapping[str, Any], zone: tzinfo = UTC) -> Text | None:
    """One entry in one line, without time and author; None when nobody wants to read it."""
    teller = _TELLERS.get(kind.removeprefix(KINDS))
    told = teller(body) if teller is not None else None
    until = stamped(body.get("until"))
    if told is None or until is None:
        return told
    at = moment(until, zone)
    return Text(en=f"{told.en}; until {at.en}", zh=f"{told.zh}；至 {at.zh}")


def note_of_rollout(event: Event, seal: str, voice: Voice) -> str:
    """The note of an entry in the change's ticket; its hash is ``seal``."""
    by = str(event.body.get("by", ""))
    who = f" ({by})" if by and by != CLOCKWORK else ""
    told = story_line(event.kind, event.body, voice.zone) or Text(en=event.kind, zh=event.kind)
    lines = [f"{local(event.at, voice.zone)}  {event.run}{who}"]
    lines.append(told.in_(voice.language))
    lines += [each.in_(voice.language) for each in _details(event)]
    foot = "日志条目" if voice.language == "zh" else "journal entry"
    return "\n".join([*lines, f"[{foot} {event.sequence}: {seal}]"])


def rollout_words(event: Event) -> Words | None:
    """What people have to hear of an entry at once; None for nearly all of them."""
    kind = event.kind.removeprefix(KINDS)
    found = _LOUD.get(kind)
    made = found(event) if found is not None else None
    if made is None:
        return None
    severity, label, action = made
    line = story_line(event.kind, event.body) or label
    return Words(
        severity=severity,
        label=label,
        title=Text(en=f"{event.run}: {label.en}", zh=f"{event.run}：{label.zh}"),
        what=line,
        where=Text(en=event.run, zh=event.run),
        done=Text(en="it is in the journal and on the ticket", zh="已记入日志和工单"),
        next=Text(
            en=f"{action.en} (storewarden rollout status {event.run})",
            zh=f"{action.zh}（storewarden rollout status {event.run}）",
        ),
    )


def _details(event: Event) -> Iterator[Text]:
    """The lines under a note's first one."""
    for verdict in _rows(event.body.get("verdicts")):
        outcome = OUTCOMES.get(str(verdict.get("outcome")), Text(en="?", zh="？"))
        reason = _texts(verdict)
        name = verdict.get("gate", "")
        yield Text(
            en=f"  {name}: {outcome.en}: {reason.en}", zh=f"  {name}：{outcome.zh}：{reason.zh}"
        )


def _opened(body: _Body) -> Text:
    waves, hosts = _rows(body.get("waves")), _rows(body.get("hosts"))
    payload = _mapping(body.get("spec")).get("payload", "")
    per = Counter(int(host.get("wave", 0)) for host in hosts)
    sizes = " -> ".join(str(per[number]) for number in sorted(per)[:8])
    sizes += " ..." if len(per) > 8 else ""
    return Text(
        en=f"planned: {payload}, {counted(len(hosts), 'host')} in {counted(len(waves), 'wave')}"
        f" (hosts per wave: {sizes})",
        zh=f"已计划：{payload}，{len(hosts)} 台主机，{len(waves)} 波（每波主机数：{sizes}）",
    )


def _approved(_body: _Body) -> Text:
    return Text(en="its change is approved", zh="变更单已批准")


def _started(_body: _Body) -> Text:
    return Text(en="begun", zh="已开始")


def _wave_began(body: _Body) -> Text:
    return Text(en=f"wave {body.get('wave')} begins", zh=f"第 {body.get('wave')} 波开始")


def _dispatched(body: _Body) -> Text:
    dispatch = _mapping(body.get("dispatch"))
    phase = PHASES.get(str(dispatch.get("phase")), Text(en="?", zh="？"))
    hosts = [str(each) for each in dispatch.get("hosts") or ()]
    shown = _few(hosts)
    return Text(en=f"{phase.en} on {shown.en}", zh=f"{phase.zh}：{shown.zh}")


def _reported(body: _Body) -> Text:
    reports = _rows(body.get("reports"))
    phase = PHASES.get(str(body.get("phase")), Text(en="?", zh="？"))
    by: dict[str, list[_Body]] = {}
    for report in reports:
        by.setdefault(str(report.get("report")), []).append(report)
    parts = [_of_a_kind(word, rows) for word, rows in by.items()]
    en, zh = "; ".join(part.en for part in parts), "；".join(part.zh for part in parts)
    lost = Text(en=" (its run was lost)", zh="（运行丢失）") if body.get("lost") else _EMPTY
    return Text(en=f"{phase.en}: {en}{lost.en}", zh=f"{phase.zh}：{zh}{lost.zh}")


def _of_a_kind(word: str, rows: Sequence[_Body]) -> Text:
    told = REPORTS.get(word, Text(en=word, zh=word))
    shown = _few([str(row.get("host")) for row in rows])
    reason = next((_texts(row) for row in rows if row.get("reason")), _EMPTY)
    return Text(
        en=f"{shown.en} {told.en}" + (f": {reason.en}" if reason.en else ""),
        zh=f"{shown.zh} {told.zh}" + (f"：{reason.zh}" if reason.zh else ""),
    )


def _locked(body: _Body) -> Text:
    lock = _mapping(body.get("lock"))
    digest, host = str(lock.get("digest", ""))[:12], lock.get("host", "")
    return Text(
        en=f"{host} resolved the versions: {digest}; every wave installs these",
        zh=f"{host} 已解析版本锁：{digest}；各波均按此安装",
    )


def _wave_moved(body: _Body) -> Text:
    to = WAVES.get(str(body.get("to")), _EMPTY)
    reason = _texts(body)
    return _because(
        Text(en=f"wave {body.get('wave')} {to.en}", zh=f"第 {body.get('wave')} 波{to.zh}"), reason
    )


def _soak_extended(body: _Body) -> Text:
    what = Text(
        en=f"wave {body.get('wave')} is watched for another soak",
        zh=f"第 {body.get('wave')} 波延长观察",
    )
    return _because(what, _texts(body))


def _judged(body: _Body) -> Text:
    verdicts = _rows(body.get("verdicts"))
    outcomes = [str(each.get("outcome")) for each in verdicts]
    bad = next((each for each in ("fail", "hold") if each in outcomes), "pass")
    told = OUTCOMES[bad]
    worst = next((each for each in verdicts if each.get("outcome") == bad), {})
    wave = body.get("wave")
    what = Text(en=f"gates of wave {wave}: {told.en}", zh=f"第 {wave} 波门禁：{told.zh}")
    return _because(what, _texts(worst))


def _moved(body: _Body) -> Text:
    to = str(body.get("to"))
    return _because(STATES.get(to, Text(en=to, zh=to)), _texts(body))


def _ordered(body: _Body) -> Text:
    word = str(body.get("order"))
    order = ORDERS.get(word, Text(en=word, zh=word))
    host = f" {body['host']}" if body.get("host") else ""
    reason = str(body.get("reason", ""))
    if body.get("accepted") is False:
        refusal = str(body.get("refusal", ""))
        zh = str(body.get("refusal_zh") or refusal)
        return Text(
            en=f"order refused: {order.en}{host}: {refusal}", zh=f"指令被拒：{order.zh}{host}：{zh}"
        )
    return Text(en=f"order: {order.en}{host}: {reason}", zh=f"指令：{order.zh}{host}：{reason}")


def _rollback_began(body: _Body) -> Text:
    return _because(Text(en="going back", zh="开始回退"), _texts(body))


def _host_moved(body: _Body) -> Text:
    shown = _few([str(each) for each in body.get("hosts") or ()])
    to = HOSTS.get(str(body.get("to")), _EMPTY)
    what = Text(en=f"{shown.en}: {to.en}", zh=f"{shown.zh}：{to.zh}")
    return _because(what, _texts(body))


def _epoch_raised(body: _Body) -> Text:
    what = Text(en="older runs have no say on its hosts any more", zh="较早的运行对其主机不再有效")
    return _because(what, _texts(body))


def _superseded(body: _Body) -> Text:
    by = body.get("rollout", "")
    return Text(en=f"{by} takes its hosts over", zh=f"其主机由 {by} 接管")


_TELLERS: Mapping[str, _Teller] = {
    "opened": _opened,
    "approved": _approved,
    "started": _started,
    "wave began": _wave_began,
    "dispatched": _dispatched,
    "reported": _reported,
    "locked": _locked,
    "wave moved": _wave_moved,
    "soak extended": _soak_extended,
    "judged": _judged,
    "moved": _moved,
    "ordered": _ordered,
    "rollback began": _rollback_began,
    "host moved": _host_moved,
    "epoch raised": _epoch_raised,
    "superseded": _superseded,
}

type _Loud = tuple[Severity, Text, Text]

_LOOK = Text(en="see why", zh="请查明原因")
_ENDS: Mapping[str, _Loud] = {
    "paused": (Severity.URGENT, Text(en="rollout paused", zh="发布已暂停"), _LOOK),
    "completed": (
        Severity.INFO,
        Text(en="rollout completed", zh="发布已完成"),
        Text(en="close its change", zh="请关闭变更"),
    ),
    "completed_with_stragglers": (
        Severity.WARNING,
        Text(en="rollout completed, stragglers left", zh="发布已完成，尚有掉队主机"),
        Text(en="see which hosts are missing", zh="请查看缺少的主机"),
    ),
    "rolled_back": (
        Severity.WARNING,
        Text(en="rollout rolled back, every host restored", zh="发布已回退，主机均已恢复"),
        _LOOK,
    ),
    "rolled_back_with_debt": (
        Severity.URGENT,
        Text(en="rollout rolled back, hosts still owed", zh="发布已回退，尚有主机未恢复"),
        Text(en="look at the hosts that are left", zh="请处理剩余主机"),
    ),
}


def _loud_rollback(_event: Event) -> _Loud:
    return Severity.URGENT, Text(en="rollout is going back", zh="发布正在回退"), _LOOK


def _loud_wave(event: Event) -> _Loud | None:
    if event.body.get("to") != "held":
        return None
    action = Text(en="promote it with a reason, or abort it", zh="请说明理由后放行，或中止")
    return Severity.WARNING, Text(en="rollout waits for a person", zh="发布等待人工决定"), action


def _loud_move(event: Event) -> _Loud | None:
    ordered = event.body.get("by") not in ("", None, CLOCKWORK)
    to = str(event.body.get("to"))
    return None if to == "paused" and ordered else _ENDS.get(to)


_LOUD: Mapping[str, Callable[[Event], _Loud | None]] = {
    "rollback began": _loud_rollback,
    "wave moved": _loud_wave,
    "moved": _loud_move,
}

_EMPTY = Text(en="", zh="")


def _because(what: Text, reason: Text) -> Text:
    return Text(
        en=f"{what.en}: {reason.en}" if reason.en else what.en,
        zh=f"{what.zh}：{reason.zh}" if reason.zh else what.zh,
    )


def _texts(body: _Body) -> Text:
    en = " ".join(str(body.get("reason") or "").split())
    return Text(en=en, zh=" ".join(str(body.get("reason_zh") or en).split()))


def _few(hosts: Sequence[str]) -> Text:
    if len(hosts) <= _NAMED:
        return names(hosts)
    return Text(
        en=f"{len(hosts)} hosts ({', '.join(hosts[:3])} ...)",
        zh=f"{len(hosts)} 台主机（{'、'.join(hosts[:3])} 等）",
    )


def _rows(value: object) -> list[Mapping[str, Any]]:
    rows = value if isinstance(value, list | tuple) else ()
    return [row for row in rows if isinstance(row, Mapping)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
