# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking ahead at a rollout: real calendars and changes, an inventory as it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest

from storewarden.adapters.reports.rollout_plan import renderer
from storewarden.domain.change.record import Approval, Change, Draft, Item, Kind, Risk, Span, State
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import read_estate
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import (
    Calendar,
    House,
    Rule,
    RuleKind,
    Scope,
    default_operations,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence
from storewarden.domain.rollout.deadlines import Deadline, RiskClass
from storewarden.domain.rollout.spec import (
    Budgets,
    GateSpec,
    PayloadClass,
    RolloutSpec,
    SizeKind,
    Soak,
    Timing,
    WaveSize,
)
from storewarden.domain.rollout.spec_defaults import REST_AT_ONCE
from storewarden.domain.rollout.wish import wish_digest
from storewarden.flows.rollout_plan import (
    RolloutPlanParts,
    RolloutPlanRequest,
    plan_rollout,
    undo_refusal,
)
from storewarden.ports.reports import Language, Page
from storewarden.ports.rollout_reports import RolloutPlanFormat, RolloutPlanReport
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 6, 8, 6, tzinfo=UTC)  # a Monday, 14:00 in Shanghai
NUMBER = "GMBG-20260608-001"
ONE = WaveSize(kind=SizeKind.STORES, stores=1)


class FixedClock:
    def now(self) -> datetime:
        return NOW


def host(store: str, role: str, **more: object) -> dict[str, object]:
    return {
        "sw_store": store, "sw_region": f"r{store[0]}", "sw_role": role, "sw_ci": f"{store}-{role}",
        "sw_tier": "ordinary", "sw_failure_groups": [], "sw_tz": "Asia/Shanghai",
        "sw_hours": "10:00-22:00", **more,
    }  # fmt: skip


HOSTS = {f"srv.{store}": host(str(store), "server") for store in range(101, 107)}
SPEC = RolloutSpec(
    payload="packages",
    payload_class=PayloadClass.PACKAGES,
    waves=(ONE, REST_AT_ONCE),
    soak=Soak(wall=timedelta(hours=24), trading=timedelta(hours=2)),
    timing=Timing(undo=timedelta(minutes=10)),
    budgets=Budgets(region=Fraction(1)),
    gates=(GateSpec(kind="probe", name="probe"), GateSpec(kind="approval", name="boss")),
    salt="june",
)


def nights(scope: Scope | None = None, starts: int = 23) -> Rule:
    return Rule(
        name="nights",
        kind=RuleKind.WINDOW,
        recurrence=Recurrence(
            starts=datetime(2026, 1, 1, starts),  # noqa: DTZ001 - a time on the wall
            rrule="FREQ=DAILY",
            wall=timedelta(hours=6),
        ),
        scope=scope or Scope(),
        operations=default_operations(RuleKind.WINDOW),
        source="windows/a.yml:2",
    )


@dataclass
class Place:
    """A site that can be asked."""

    hosts: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: HOSTS)
    rules: tuple[Rule, ...] = (nights(),)
    change: Change | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def ask(self, spec: RolloutSpec = SPEC, **more: object) -> RolloutPlanReport:
        found = FrozenInventory(hosts=self.hosts, groups=self.groups, source="stores.yml")
        calendar = Calendar(rules=self.rules, house=House(zone="Asia/Shanghai"))
        parts = RolloutPlanParts(
            inventory=FixedInventory(found),
            clock=FixedClock(),
            almanac=lambda: Almanac(calendar),
            zone_known=available_timezones().__contains__,
            works=lambda: weekdays,
            change=lambda number: self.change if number == NUMBER else None,
        )
        asked = {"spec": spec, "sources": ("stores.yml",), "zone": SHANGHAI, **more}
        return plan_rollout(parts, RolloutPlanRequest(**asked))  # type: ignore[arg-type]


def weekdays(day: date) -> bool:
    return day.weekday() < 5


def change(*hosts: str, **more: object) -> Change:
    draft = Draft(
        summary="Patch the servers",
        kind=Kind.STANDARD,
        risk=Risk.HIGH,
        reason="CVE",
        items=tuple(Item(host=name) for name in hosts or HOSTS),
        operation="patch",
    )
    known = {
        "number": NUMBER, "version": 3, "state": State.APPROVED, "requester": "li",
        "opened_at": NOW - timedelta(hours=6), "owner": "li",
        "approvals": (
            Approval(
                person="zhang", roles=(), at=NOW - timedelta(hours=1),
                expires=NOW + timedelta(days=7),
            ),
        ),
        "draft": replace(draft, **more),
    }  # fmt: skip
    return Change(**known)  # type: ignore[arg-type]


def shanghai(at: datetime | None) -> str:
    return f"{at.astimezone(SHANGHAI):%a %H:%M}" if at else "-"


def text(report: RolloutPlanReport, language: Language = Language.EN, width: int = 100) -> str:
    render = renderer(RolloutPlanFormat.TABLE)
    return render(report, Page(language=language, width=width))


def test_waves_are_laid_over_the_windows() -> None:
    report = Place().ask()
    assert report.needs == timedelta(minutes=28)  # 5 + 10 + 3 and 10 to undo
    assert [len(wave.stores) for wave in report.plan.waves] == [1, 5]
    first, second = report.schedule.waves
    assert (shanghai(first.begins), shanghai(first.ends)) == ("Mon 23:00", "Mon 23:18")
    assert shanghai(first.promoted) == "Tue 23:18"
    assert (shanghai(second.begins), shanghai(second.ends)) == ("Tue 23:18", "Tue 23:36")
    assert report.operation is OperationClass.PATCH
    assert report.good


def test_the_plan_is_the_one_that_a_start_would_freeze() -> None:
    report = Place().ask()
    again = Place().ask(soak=Soak(wall=timedelta(minutes=1)), start=NOW + timedelta(days=3))
    assert again.plan.membership == report.plan.membership


def test_a_store_waits_for_all_of_its_devices() -> None:
    till = host("101", "pos", sw_hours="00:30-24:00")  # no work on a till while it is open
    hosts = {"srv.101": HOSTS["srv.101"], "pos.101": till}
    report = Place(hosts=hosts).ask(replace(SPEC, timing=Timing(undo=timedelta(minutes=20))))
    assert report.schedule.stuck == ("101",)
    assert not report.good
    shorter = Timing(
        preflight=timedelta(minutes=1), apply=timedelta(minutes=2), judge=timedelta(minutes=1),
        undo=timedelta(minutes=1),
    )  # fmt: skip
    assert shanghai(Place(hosts=hosts).ask(replace(SPEC, timing=shorter)).schedule.begins) == (
        "Tue 00:00"
    )


def test_a_store_without_a_window_is_told_with_its_reason() -> None:
    rules = (nights(Scope(stores=frozenset({"101"}))), nights(Scope(roles=frozenset({"none"}))))
    hosts = {
        name: {**each, "sw_hours": "00:00-24:00"} if name == "srv.103" else each
        for name, each in HOSTS.items()
    }
    report = Place(hosts=hosts, rules=rules).ask(replace(SPEC, waves=(REST_AT_ONCE,)))
    assert report.schedule.stuck == ("103",)
    assert report.lane is None
    shown = text(report)
    assert "Wave 1: no window within 400 days holds 28 min for 103: no window is defined" in shown
    assert report.schedule.done is None


def test_a_change_brings_its_hosts_its_risk_and_its_deadlines() -> None:
    report = Place(change=change("srv.101", "srv.102", "srv.999")).ask(change=NUMBER)
    assert sorted(host.name for host in report.plan.hosts) == ["srv.101", "srv.102"]
    assert report.gone == ("srv.999",)
    assert report.risk is RiskClass.HIGH
    due = {each.deadline: each for each in report.deadlines}
    assert due[Deadline.DONE].due == NOW + timedelta(hours=42)
    assert not due[Deadline.START].kept  # approved at 13:00, begins at 23:00
    assert due[Deadline.START].due == NOW + timedelta(hours=3)


def test_a_missed_deadline_offers_the_emergency_lane() -> None:
    early = NOW - timedelta(hours=34)  # 8 h are left of 48
    report = Place(change=replace(change(), opened_at=early, approvals=())).ask(change=NUMBER)
    assert [each.deadline for each in report.missed] == [Deadline.DONE]
    assert report.lane is not None
    assert shanghai(report.lane.schedule.done) == "Mon 23:46"
    shown = text(report)
    assert "MISSED  every host changed by Tue 2026-06-09 04:00" in shown
    assert "With --emergency (soaks of 10 min): all hosts changed Mon 2026-06-08 23:46" in shown
    inside = Place(change=replace(change(), approvals=())).ask(change=NUMBER, emergency=True)
    assert inside.lane is None
    assert not inside.missed


def test_the_changes_own_window_holds_all_waves_or_the_plan_says_so() -> None:
    window = Span(starts=NOW + timedelta(days=1), ends=NOW + timedelta(days=2, hours=12))
    short = change(window=window)
    report = Place(change=short).ask(change=NUMBER)
    assert shanghai(report.schedule.begins) == "Tue 23:00"
    assert shanghai(report.schedule.waves[1].begins) == "Wed 23:18"
    narrow = change(window=replace(window, ends=NOW + timedelta(days=1, hours=12)))
    stuck = Place(change=narrow).ask(change=NUMBER)
    assert len(stuck.schedule.stuck) == 5
    emergency = replace(narrow, draft=replace(narrow.draft, kind=Kind.EMERGENCY))
    assert Place(change=emergency).ask(change=NUMBER).schedule.begins == NOW


def test_a_limit_and_a_change_that_is_not_there() -> None:
    assert len(Place().ask(limit="srv.101,srv.104").plan.hosts) == 2
    with pytest.raises(ConfigInvalid, match="no such change"):
        Place().ask(change="GMBG-20260101-009")


def test_groups_with_one_member_ask_for_consent_over_the_whole_estate() -> None:
    alone = {**HOSTS["srv.101"], "sw_failure_groups": ["ups"]}
    pair = {**HOSTS["srv.102"], "sw_failure_groups": ["ha"]}
    peer = host("900", "router", sw_failure_groups=["ha"])
    place = Place(hosts={**HOSTS, "srv.101": alone, "srv.102": pair, "rtr": peer})
    servers = replace(SPEC, roles=("server",))
    report = place.ask(servers)
    assert report.consents == ("group:ups",)
    assert not report.good
    assert "budgets.single_consent: true" in text(report)
    assert place.ask(servers, consent=frozenset({"group:ups"})).good
    agreed = replace(servers, budgets=replace(SPEC.budgets, single_consent=True))
    assert place.ask(agreed).good


def test_hosts_that_lack_something_are_refused_by_name_with_the_reason() -> None:
    lacking = {**host("107", "server"), "sw_tz": "Nowhere/City"}
    report = Place(hosts={**HOSTS, "srv.107": lacking}).ask()
    assert [each.host for each in report.plan.refused] == ["srv.107"]
    assert "sw_tz malformed" in text(report)
    assert "sw_tz 无法识别" in text(report, Language.ZH)


def test_strata_come_from_the_inventory_also_when_marked_as_data() -> None:
    hosts = {
        **HOSTS,
        "srv.105": {**HOSTS["srv.105"], "os": {"__ansible_unsafe": "rocky9"}},
    }
    spec = replace(SPEC, strata=("os",), waves=(replace(ONE, stores=2), REST_AT_ONCE))
    assert "105" in Place(hosts=hosts).ask(spec).plan.waves[0].stores


def test_one_store_is_told_what_it_will_live_through() -> None:
    hosts = {**HOSTS, "pos.103": host("103", "pos"), "pos2.103": host("103", "pos", sw_ci="")}
    place = Place(hosts=hosts)
    store = place.ask(store="103").store
    assert store is not None
    assert store.hosts == (("pos.103", "pos"), ("srv.103", "server"))
    assert store.turns == 2
    assert [each.host for each in store.unfit] == ["pos2.103"]
    assert store.begins is not None
    assert shanghai(store.closes).endswith("05:00")
    shown = text(place.ask(store="103"))
    assert "Store 103 (Asia/Shanghai, its own clock): Wave 1 of 2" in shown
    assert "2 devices in 2 turns" in shown
    with pytest.raises(ConfigInvalid, match="did you mean 103"):
        place.ask(store="1033")


def test_an_undo_that_takes_too_long_names_its_remedy() -> None:
    slow = replace(SPEC, timing=Timing(undo=timedelta(minutes=25)), lanes=1, forks=2)
    hosts = {f"srv.{n}": host(str(n), "server") for n in range(200, 212)}
    report = Place(hosts=hosts).ask(slow)
    assert [wave.number for wave in report.undo_too_slow] == [2]
    assert not report.good
    whole = read_estate(hosts, available_timezones().__contains__)
    assert undo_refusal(report.plan, whole) == (
        "after wave 2 undoing 12 hosts would take 150 min: forks x lanes of 6 or waves that reach"
        " 4 hosts at most would do"
    )
    assert undo_refusal(Place(hosts=hosts).ask().plan, whole) == ""
    shown = " ".join(text(report).split())
    assert "undoing 12 hosts, 2 at once, takes 2 h 30 min, more than 1 h" in shown
    assert "forks x lanes of 6 or more (2 now" in shown
    assert "at most 4 hosts" in shown


def test_roles_and_labels_that_nobody_has_are_told() -> None:
    label = WaveSize(kind=SizeKind.LABEL, label="pilots")
    report = Place().ask(replace(SPEC, roles=("server", "servr"), waves=(label, REST_AT_ONCE)))
    assert report.stale == ("servr", "pilots")
    assert "No device has the role or label servr, pilots" in text(report)


def test_a_file_is_shown_where_it_is_looser_than_the_guide() -> None:
    report = Place().ask(soak=Soak(wall=timedelta(minutes=30)))
    assert "Watched for 30 min; the guide asks for 24 h (guide 1.3.3)" in text(report)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_keeps_its_width(language: Language, width: int) -> None:
    hosts = {f"srv.{n}": host(str(n), "server") for n in range(200, 260)}
    report = Place(hosts=hosts).ask(replace(SPEC, waves=()), store="203", risk=RiskClass.HIGH)
    lines = text(report, language, width).splitlines()
    wide = [sum(1 + (ord(letter) > 0x2E7F) for letter in line) for line in lines]
    assert max(wide) <= width


@pytest.mark.parametrize("language", Language)
def test_the_plan_shows_what_approvers_say_yes_to(language: Language) -> None:
    """The digests that a start notes on the change; another file, or another soak, is another."""
    report = Place().ask()
    wish, hosts = wish_digest(report.plan.spec)[:12], report.plan.membership[:12]
    shown = next(line for line in text(report, language).splitlines() if wish in line)
    assert hosts in shown
    assert wish not in text(Place().ask(soak=Soak(wall=timedelta(minutes=30))), language)


def test_json_is_for_programs() -> None:
    report = Place().ask(store="103")
    document = json.loads(renderer(RolloutPlanFormat.JSON)(report, Page()))
    assert document["schema"] == "storewarden-rollout-plan-1"
    assert document["good"] is True
    assert document["membership"] == report.plan.membership
    assert document["digest"] == wish_digest(report.plan.spec)
    stores = [store for wave in document["waves"] for store in wave["stores"]]
    assert sorted(stores) == [str(n) for n in range(101, 107)]
    assert document["waves"][0]["begins"] == "2026-06-08T15:00:00+00:00"
    assert document["store"]["store"] == "103"
    assert {each["deadline"] for each in document["deadlines"]} == {"done", "notice"}


def test_nobody_to_work_on_is_told_and_not_good() -> None:
    report = Place().ask(replace(SPEC, roles=("kiosk",)))
    assert not report.good
    assert "There is nothing to roll out." in text(report)


def test_a_person_who_has_to_agree_is_named_since_dates_depend_on_it() -> None:
    assert "Gate boss waits for a person" in text(Place().ask())


@pytest.mark.parametrize("language", Language)
def test_html_is_one_page_without_scripts_and_with_everything_escaped(language: Language) -> None:
    hostile = {**HOSTS, "<b>x": {**host("109", "server"), "sw_ci": ""}}
    report = Place(hosts=hostile).ask(store="103", site="<script>")
    page = renderer(RolloutPlanFormat.HTML)(report, Page(language=language))
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert "&lt;b&gt;x" in page
    assert page.count("<tr>") > len(report.plan.waves)
