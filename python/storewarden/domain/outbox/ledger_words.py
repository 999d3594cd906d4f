# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for audits that came out badly, for anchors, and for deliveries that stopped.

An audit that is good enough and found no drift is no news. An anchor is told in
full, because a person who keeps the message can later prove a rewritten ledger.
"""

from __future__ import annotations

from storewarden.domain.outbox.notice import AuditFacts, Context, Event, Severity, Text, Words
from storewarden.domain.outbox.places import counted, moment, names, quoted, stamped

AUDIT_ENDED = "audit ended"
ANCHORED = "anchor written"
PARKED = "delivery parked"
_IN_A_FILE = "file"  # of the places of an anchor the one that exists at every site


def audit_words(event: Event, context: Context) -> Words | None:
    """The words for an audit's end; None when it is as it should be."""
    if event.body.get("outcome") == "interrupted":
        return _interrupted(event)
    facts = context.audit
    if facts is None or not (facts.below or facts.worse):
        return None
    return Words(
        severity=Severity.WARNING,
        label=_label(facts),
        title=_title(event, facts),
        what=_score(facts),
        where=_where(facts),
        done=_done(facts),
        next=_next(event, facts),
        regions=facts.regions,
        report=True,
    )


def anchor_words(event: Event, context: Context) -> Words | None:
    """The words for an anchor: entry number and hash, to be kept."""
    if event.body.get("where") != _IN_A_FILE:
        return None
    number, hashed = event.body.get("sequence"), event.body.get("hash")
    at = moment(stamped(event.body.get("at")) or event.at, context.zone)
    return Words(
        severity=Severity.INFO,
        label=Text(en="ledger anchor", zh="台账锚点"),
        title=Text(en=f"ledger anchor at entry {number}", zh=f"台账锚点：第 {number} 条"),
        what=Text(
            en=f"entry {number} has the hash {hashed}", zh=f"第 {number} 条的哈希为 {hashed}"
        ),
        where=Text(en="the ledger", zh="台账"),
        done=Text(en=f"laid down in the anchor file, {at.en}", zh=f"已写入锚点文件，{at.zh}"),
        next=Text(
            en="keep this message; storewarden ledger verify must show the same hash",
            zh="请保留本消息；storewarden ledger verify 应得到相同的哈希",
        ),
    )


def _interrupted(event: Event) -> Words:
    return Words(
        severity=Severity.WARNING,
        label=Text(en="audit interrupted", zh="审计中断"),
        title=Text(en=f"{event.run} was interrupted", zh=f"{event.run} 中断"),
        what=Text(
            en="the audit stopped before all hosts were asked", zh="尚未问完所有主机，审计就停止了"
        ),
        where=Text(
            en="hosts without a result count as not compliant", zh="没有结果的主机按不合规计"
        ),
        done=Text(en="what had arrived is recorded", zh="已收到的结果已入账"),
        next=Text(en="run it again: storewarden audit", zh="请重新执行：storewarden audit"),
        report=True,
    )


def _label(facts: AuditFacts) -> Text:
    if facts.below:
        return Text(en="audit below the bar", zh="审计低于标准")
    return Text(en="drift found", zh="发现漂移")


def _title(event: Event, facts: AuditFacts) -> Text:
    drift = Text(en=counted(facts.worse, "finding") + " drifted", zh=f"{facts.worse} 项检查漂移")
    if not facts.below:
        where = Text(en=counted(facts.worse_hosts, "host"), zh=f"{facts.worse_hosts} 台主机")
        return Text(
            en=f"{event.run}: {drift.en} on {where.en}", zh=f"{event.run}：{where.zh} {drift.zh}"
        )
    more = Text(en=f", {drift.en}", zh=f"，{drift.zh}") if facts.worse else Text(en="", zh="")
    return Text(
        en=f"{event.run}: {facts.score} % is below the bar of {facts.bar} %{more.en}",
        zh=f"{event.run}：得分 {facts.score}%，低于标准 {facts.bar}%{more.zh}",
    )


def _score(facts: AuditFacts) -> Text:
    bar = Text(en=f", the bar is {facts.bar} %", zh=f"，标准 {facts.bar}%")
    none = Text(en="", zh="")
    told = bar if facts.bar else none
    return Text(en=f"score {facts.score} %{told.en}", zh=f"得分 {facts.score}%{told.zh}")


def _where(facts: AuditFacts) -> Text:
    regions = names(sorted(facts.regions))
    en, zh = counted(facts.hosts, "host"), f"{facts.hosts} 台主机"
    if facts.worse:
        en += f", drift on {facts.worse_hosts}"
        zh += f"，其中 {facts.worse_hosts} 台漂移"
    if facts.unaudited:
        en += f", {facts.unaudited} not audited"
        zh += f"，{facts.unaudited} 台未审计"
    if regions.en:
        return Text(en=f"{en} ({regions.en})", zh=f"{zh}（{regions.zh}）")
    return Text(en=en, zh=zh)


def _done(facts: AuditFacts) -> Text:
    recorded = Text(en="recorded; no host was changed", zh="已入账，未改动任何主机")
    if not facts.worst:
        return recorded
    shown = names(facts.worst)
    return Text(
        en=f"{recorded.en}. No longer passed: {shown.en}", zh=f"{recorded.zh}。不再通过：{shown.zh}"
    )


def _next(event: Event, facts: AuditFacts) -> Text:
    command = f"storewarden report {event.run}"
    if facts.worse:
        return Text(
            en=f"find out who changed the hosts without a change: {command} --since last",
            zh=f"查明是谁未走变更单改动了主机：{command} --since last",
        )
    return Text(en=f"read which controls fail: {command}", zh=f"查看未通过的检查：{command}")


def parked_words(event: Event) -> Words:
    """The words for a delivery that the other side refused for good."""
    channel = str(event.body.get("channel", ""))
    subject = str(event.body.get("subject", ""))
    told = f"{channel} {subject}".strip()
    error = quoted(event.body.get("error"), Text(en="no reason given", zh="未说明原因"))
    return Words(
        severity=Severity.WARNING,
        label=Text(en="delivery stopped", zh="投递停止"),
        title=Text(en=f"nothing more reaches {told}", zh=f"无法继续投递到 {told}"),
        what=Text(en=f"refused for good: {error.en}", zh=f"对方拒绝接收：{error.zh}"),
        where=Text(en=told, zh=told),
        done=Text(
            en="the delivery is parked; nothing is lost, it waits in the ledger",
            zh="投递已暂停，未丢失，均在台账中等待",
        ),
        next=Text(
            en=f"correct what the reason names, then storewarden outbox retry {told}",
            zh=f"按原因修正后执行 storewarden outbox retry {told}",
        ),
    )
