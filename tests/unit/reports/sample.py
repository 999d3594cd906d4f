# SPDX-License-Identifier: GPL-3.0-or-later
"""A believable audited fleet, made without chance: the same numbers give the same report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.score import Scores, score_audit
from storewarden.domain.baseline.waiver import DeviceFacts, Scope, Waiver, WaiverBook
from storewarden.ports.reports import AuditReport, Remark

AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOSTILE = "<script>alert(1)</script>\x1b[2J'\"&"

_CONTROLS = (
    (
        "A01",
        "accounts",
        "Passwords of ordinary users have at least 8 characters",
        "普通用户口令长度不少于 8 位",
        "medium",
        "R1",
        "1.1.1",
        "S",
    ),
    (
        "A08",
        "accounts",
        "Accounts are locked after 5 failed logins",
        "连续 5 次登录失败后锁定账户",
        "high",
        "R3",
        "1.1.4",
        "S",
    ),
    (
        "B01",
        "ssh",
        "Root cannot log in over SSH with a password",
        "禁止 root 以口令方式通过 SSH 登录",
        "high",
        "R3",
        "1.2.1",
        "D",
    ),
    (
        "C03",
        "kernel",
        "The host does not forward packets",
        "主机不转发数据包",
        "medium",
        "R2",
        "",
        "X",
    ),
    (
        "D01",
        "ports",
        "Only approved ports listen",
        "只开放经批准的端口",
        "high",
        "R2",
        "1.9.1",
        "S",
    ),
    (
        "E05",
        "logs",
        "Logs stay on the host for at least 180 days",
        "本机日志保存不少于 180 天",
        "high",
        "R1",
        "1.10.2",
        "S",
    ),
    (
        "E09",
        "logs",
        "The clock is synchronised with approved servers",
        "时钟与批准的服务器同步",
        "low",
        "R1",
        "",
        "X",
    ),
)


def control(row: tuple[str, ...], suffix: str = "") -> Control:
    """One control of the catalogue above."""
    ident, family, en, zh, severity, risk, section, mark = row
    return Control(
        id=ident + suffix,
        family=family,
        title={"en": en, "zh": zh},
        severity=Severity(severity),
        risk=Risk(risk),
        guide_section=section,
        guide_mark=GuideMark(mark),
        references={"mlps": ("1a",), "cis_debian12": ("5.3.3.2.2",)},
        scanners={"openscap": (f"rule_{ident.lower()}",)},
        fix_text={
            "en": f"storewarden sets what {ident} asks",
            "zh": f"由 storewarden 设置 {ident}",
        },
    )


def catalogue(count: int = len(_CONTROLS)) -> tuple[Control, ...]:
    """``count`` controls, repeating the rows with letters behind the id."""
    rows = [(n, _CONTROLS[n % len(_CONTROLS)]) for n in range(count)]
    made = [control(row, "" if n < len(_CONTROLS) else f"-{n:02d}") for n, row in rows]
    return tuple(sorted(made, key=lambda each: each.id))


_VALUES: tuple[object, ...] = (
    "6",
    None,
    ["yes", "prohibit-password"],
    {"runtime": "1", "persisted": None},
    [{"proto": "tcp", "port": 23, "address": "0.0.0.0", "process": "in.telnetd", "user": "root"}],
)


def finding(ident: str, host: int, place: int, *, bad_every: int) -> Finding:
    """A verdict decided by the two numbers alone."""
    mix = host * 7 + place * 13
    if mix % bad_every == 0:
        return Finding(
            control=ident, verdict=Verdict.FAIL, value=_VALUES[place % 5], milliseconds=1.5
        )
    if mix % 29 == 1:
        reason = {"en": "reading the file took longer than 5 s", "zh": "读取文件超过 5 秒"}
        return Finding(control=ident, verdict=Verdict.ERROR, reason=reason)
    if mix % 11 == 2:
        reason = {"en": "no such service here", "zh": "本机没有该服务"}
        return Finding(control=ident, verdict=Verdict.NOT_APPLICABLE, reason=reason)
    if mix % 37 == 3:
        return Finding(control=ident, verdict=Verdict.MANUAL)
    return Finding(control=ident, verdict=Verdict.PASS, value="ok", milliseconds=0.4)


_MISSED = (
    (AuditState.UNREACHABLE, "ssh: connect to host 10.9.0.4 port 22: Connection timed out"),
    (AuditState.FAILED, "/bin/sh: 1: /usr/bin/python3: not found"),
    (AuditState.FAILED, "sudo: a password is required"),
)


def host(number: int, controls: tuple[Control, ...], *, bad_every: int) -> HostAudit:
    """Host ``number``; four to a store, one in 40 not audited."""
    store = f"{number // 4:06d}"
    role = "server" if number % 4 == 0 else "pos"
    missed = number % 40 == 7
    state, message = _MISSED[number // 40 % 3] if missed else (AuditState.AUDITED, "")
    found = [
        finding(each.id, number, place, bad_every=bad_every) for place, each in enumerate(controls)
    ]
    return HostAudit(
        host=f"s{store}-{role}{number % 4}",
        state=state,
        message=message,
        findings=() if missed else tuple(found),
        store=store,
        region=("华东", "north")[number // 4 % 2],
        role=role,
        item=f"{role.upper()}-{number:06d}",
        bundle="b" * 64,
    )


def waivers(controls: tuple[Control, ...], hosts: tuple[HostAudit, ...]) -> WaiverBook:
    """One waiver that holds and one that is over."""
    kept = Waiver(
        control="A01",
        scope=Scope(stores=frozenset({"000000", "000001"})),
        justification="The till software cannot take longer passwords <b>yet</b>",
        approvers=("Wang Wei",),
        ticket="GMBG-20260215-003",
        compensating="Tills are in a segment of their own",
        approved=date(2026, 2, 15),
        expires=date(2026, 4, 30),
        accepted="6",
    )
    over = Waiver(
        control="D01",
        scope=Scope(roles=frozenset({"server"})),
        justification="Telnet for the old scales",
        approvers=("Wang Wei", "Li Na"),
        ticket="GMBG-20260101-001",
        compensating="Firewall rule towards the scales only",
        approved=date(2026, 1, 1),
        expires=date(2026, 1, 30),
        accepted=[],
    )
    facts = {
        each.host: DeviceFacts(host=each.host, store=each.store, region=each.region, role=each.role)
        for each in hosts
    }
    return WaiverBook(waivers=(kept, over), devices=facts, now=AT, zone=SHANGHAI)


def drifts(hosts: tuple[HostAudit, ...]) -> tuple[Drift, ...]:
    """Two transitions: one that nothing explains and one that a change explains."""
    common = {"control": "B01", "audit": "audit-1", "at": AT}
    return (
        Drift(
            host=hosts[0].host,
            verdict_from=Verdict.PASS,
            verdict_to=Verdict.FAIL,
            value_from=["no"],
            value_to=["yes", HOSTILE],
            **common,  # type: ignore[arg-type]
        ),
        Drift(
            host=hosts[-1].host,
            verdict_from=Verdict.FAIL,
            verdict_to=Verdict.PASS,
            value_from=["yes"],
            value_to=["no"],
            change="GMBG-20260301-002",
            **common,  # type: ignore[arg-type]
        ),
    )


def rescored(report: AuditReport, audit: Audit) -> AuditReport:
    """The same report over other findings."""
    return replace(report, audit=audit, scores=_scored(audit, report.controls, report.waivers))


def _scored(audit: Audit, controls: tuple[Control, ...], book: WaiverBook) -> Scores:
    severities = {each.id: each.severity for each in controls}
    return score_audit(audit, severities, lambda at, what: book.decide(at.host, what).waived)


def sample(
    hosts: int = 12,
    controls: int = len(_CONTROLS),
    *,
    bad_every: int = 5,
    waivers_on: bool = True,
    **changes: object,
) -> AuditReport:
    """A report over ``hosts`` hosts; one finding in ``bad_every`` fails."""
    catalog = catalogue(controls)
    audited = tuple(host(n, catalog, bad_every=bad_every) for n in range(hosts))
    audit = Audit(
        id="audit-20260302T013000Z",
        at=AT,
        hosts=audited,
        controls=tuple(each.id for each in catalog),
        content="c0ffee" + "0" * 58,
    )
    book = waivers(catalog, audited)
    book = book if waivers_on else replace(book, waivers=())
    report = AuditReport(
        audit=audit,
        controls=catalog,
        scores=_scored(audit, catalog, book),
        waivers=book,
        drift=drifts(audited),
        since="audit-20260301T013000Z",
        ended=AT + timedelta(minutes=2),
        site="Example chain",
        scope="inventories/example",
        by="wang@ops",
        version="0.1.0",
        zone=SHANGHAI,
        bar=Fraction(95, 100),
        warnings=(
            Remark(key="missing", facts={"host": "s000001-pos1", "variable": "sw_hours"}),
            Remark(
                key="waiver_expired",
                facts={"source": "w.yml:3", "control": "D01", "expires": "2026-01-30"},
            ),
            Remark(
                key="na_moved",
                facts={"na_then": "1", "all_then": "9", "na_now": "8", "all_now": "9"},
            ),
        ),
    )
    return replace(report, **changes)  # type: ignore[arg-type]
