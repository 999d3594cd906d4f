# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage of an estate: whoever was never backed up is named, three thousand stores stay readable,
in both languages, as text, data and HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from storewarden.adapters.reports.backup_coverage_html import render
from storewarden.adapters.reports.backup_coverage_table import coverage_data, coverage_table
from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Copy,
    DrillRecord,
    Location,
    Target,
)
from storewarden.domain.backup.freshness import Coverage
from storewarden.domain.backup.policy import (
    BackupTier,
    CopyWanted,
    Level,
    Method,
    Selector,
    SetKind,
)
from storewarden.domain.estate.device import Device
from storewarden.flows.backup_coverage import CoverageParts, Wish, coverage_of, standings_of
from storewarden.ports.backup_reports import CoveragePlace, CoverageReport
from storewarden.ports.reports import Language
from tests.unit.backup.policies import policy

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
PLACES = {
    "store": Location(name="store", medium="disk", credentials="store", point=(31.23, 121.47)),
    "hub": Location(name="hub", medium="disk", credentials="hub", point=(31.30, 120.58)),
    "away": Location(name="away", medium="object", credentials="away", point=(39.90, 116.40)),
}
TILLS = replace(
    policy(BackupTier.POS_DATABASE),
    id="tills",
    selector=Selector(roles=("pos",)),
    copies=tuple(CopyWanted(location=each) for each in PLACES),
)
ROUTERS = replace(
    policy(BackupTier.CORE_NETWORK),
    id="network",
    method=Method.NETWORK,
    selector=Selector(roles=("router",)),
)


def device(store: int, role: str = "pos") -> Device:
    region = ("east", "north", "south")[store % 3]
    return Device(name=f"s{store:06}-{role}01", store=f"{store:06}", role=role, region=region)


def good(name: str, *, hours: float = 3, drilled: bool = False) -> tuple[Target, Catalog]:
    """A till that is as it should be."""
    target, at = Target(host=name, policy="tills"), NOW - hours * HOUR

    def copies(ident: str, seen: datetime) -> tuple[Copy, ...]:
        return tuple(
            Copy(set=ident, location=each, made=seen, level=Level.STARTED, verified=seen)
            for each in PLACES
        )

    full = BackupSet(
        id=f"{name}/f", target=target, kind=SetKind.FULL, taken=at, received=at, size=1,
        copies=copies("f", at),
    )  # fmt: skip
    first = replace(full, id=f"{name}/0", received=NOW - 200 * 24 * HOUR)
    drill = DrillRecord(
        id=f"d-{name}", target=target, set=full.id, location="hub", began=at, passed=True
    )
    return target, Catalog(sets=(first, full), drills=(drill,) if drilled else ())


def covered(
    devices: list[Device], known: Mapping[Target, Catalog], wish: Wish | None = None
) -> CoverageReport:
    parts = CoverageParts(
        devices=devices,
        policies=(TILLS, ROUTERS),
        groups=lambda _host: (),
        catalogs=lambda _targets: known,
        locations=PLACES,
    )
    return coverage_of(parts, NOW, wish)


def chain(stores: int = 3000, bad: int = 40) -> CoverageReport:
    """Every hundredth store or so has a gap; a tenth of the others was drilled."""
    devices = [device(n) for n in range(1, stores + 1)] + [device(2, "esl")]
    known = dict(
        good(each.name, hours=99 if n % 2 else 3, drilled=n % 9 == 0)
        if n < bad
        else good(each.name, drilled=n % 9 == 0)
        for n, each in enumerate(devices[:stores])
        if not (n < bad and n % 2 == 0)
    )
    return covered(devices, known)


def test_a_host_that_no_catalog_ever_heard_of_is_a_gap() -> None:
    report = covered([device(1), device(2)], dict([good("s000001-pos01", drilled=True)]))
    (gap,) = report.gaps
    assert (gap.standing.target.host, gap.standing.coverage) == ("s000002-pos01", Coverage.NEVER)
    assert not report.whole and report.words[Coverage.OK] == 1


def test_nothing_is_missing_when_all_is_there() -> None:
    target, there = good("s000001-pos01", drilled=True)
    (full,) = [each for each in there.sets if each.received > NOW - 4 * HOUR]
    router = Target(host="s000001-router01", policy="network")
    kept = Catalog(sets=(replace(full, id="r", target=router),))
    report = covered([device(1), device(1, "router")], {target: there, router: kept})
    assert report.whole and len(report.rows) == 2 and report.unbound == ()


def test_a_network_device_that_was_never_read_is_a_gap_like_any_other() -> None:
    report = covered([device(1, "router")], {})
    (gap,) = report.gaps
    assert (gap.standing.target.policy, gap.standing.coverage) == ("network", Coverage.NEVER)


def test_who_is_bound_by_nothing_and_what_binds_nobody_is_named() -> None:
    report = covered([device(1, "esl")], {})
    assert report.unbound == ("s000001-esl01",) and report.idle == ("tills", "network")
    assert not report.whole


def test_sampled_drills_are_due_for_the_policy() -> None:
    devices = [device(n) for n in range(1, 31)]
    none = covered(devices, dict(good(each.name) for each in devices))
    (sample,) = none.samples
    assert (sample.targets, sample.wanted, sample.done, sample.overdue) == (30, 3, 0, True)
    assert not none.whole and none.gaps == ()
    gap = standings_of(none)[-1]
    assert (gap.target, gap.coverage) == (
        Target(host="", policy="tills"), Coverage.DRILL_OVERDUE,
    )  # fmt: skip
    some = dict(good(each.name, drilled=n < 3) for n, each in enumerate(devices))
    assert covered(devices, some).overdue == ()
    young = {target: replace(each, sets=each.sets[1:], drills=()) for target, each in some.items()}
    assert covered(devices, young).overdue == ()  # the first quarter is not over


def test_one_host_store_or_policy_may_be_asked_for() -> None:
    devices = [device(1), device(2)]
    for wish in (Wish(host="s000002-pos01"), Wish(store="000002")):
        report = covered(devices, {}, wish)
        assert [each.standing.target.host for each in report.rows] == ["s000002-pos01"]
    assert covered(devices, {}, Wish(policy="network")).rows == ()
    routers = covered([*devices, device(1, "router")], {}, Wish(policy="network"))
    assert [each.standing.target.host for each in routers.rows] == ["s000001-router01"]


def test_three_thousand_stores_fit_on_a_screen_worst_first() -> None:
    report = chain()
    table = coverage_table(report, Language.EN, SHANGHAI)
    assert table.head == ("3000 targets: 2960 ok, 40 gaps (never 20, late 20) in 40 stores",)
    assert [row[2] for row in table.rows[1:]] == ["never"] * 20 + ["late"] * 20
    lines = len(table.head) + len(table.shares) + len(table.rows) + len(table.tail)
    assert lines < 80
    flood = coverage_table(chain(bad=1000), Language.ZH, SHANGHAI)
    assert len(flood.rows) == 51 and flood.tail[0] == "另有 950 项；--json 列出全部"
    assert flood.head[0].startswith("3000 个目标：正常 2000，缺口 1000（从未备份 500，逾期 500）")


def test_data_has_every_target_or_only_what_is_missing() -> None:
    data = coverage_data(chain())
    assert (data["targets"], data["gaps"], len(data["rows"])) == (3000, 40, 3000)
    assert data["coverage"] == {"never": 20, "late": 20, "ok": 2960}
    assert data["unbound"] == ["s000002-esl01"]
    only = coverage_data(chain(), only_bad=True)["rows"]
    assert len(only) == 40 and {each["coverage"] for each in only} == {"never", "late"}


def test_the_page_lists_gaps_counts_the_rest_and_runs_nothing() -> None:
    report = chain()
    hostile = replace(report, unbound=("<script>alert(1)</script>",))
    for language, title in ((Language.EN, "Backup coverage"), (Language.ZH, "备份覆盖报告")):
        page = render(hostile, CoveragePlace(site="Example", zone=SHANGHAI), language)
        assert title in page and page.count('class="chip fail">') >= 20
        assert "<script" not in page and "s002000-pos01" not in page
        assert len(re.findall(r'<td class="id">s\d{6}-pos01', page)) == 40
        assert len(page) < 60_000
