# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an experiment may begin: every reason for it and against it, for each host.

All that healing has to obey counts here as well, and more: who repairs may err on the side of
trying, who breaks may not. One objection is enough, and all of them are told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from storewarden.domain.capacity.admit import admit
from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import GroupKind, kind_of
from storewarden.domain.chaos.fault import FAULTS, SHORTEST, Fault, Touches
from storewarden.domain.errors import ConfigInvalid

MOST_HOSTS = 1
"""Hosts that may be broken at once, unless the site says otherwise."""

PATHS = ("/var/cache/apt/archives", "/var/tmp")  # noqa: S108 - a name, nothing is written here
"""Folders that may be filled where the inventory does not say."""

GROUP = "chaos"
"""The group of the inventory whose hosts may be broken on an approved change."""

VARIABLE = "sw_chaos"
"""The host variable: ``lab``, true or false; it counts more than the group."""


class Tag(StrEnum):
    """What the inventory says about breaking a host."""

    NONE = "none"  # nothing: it is not broken
    LAB = "lab"  # a lab host: nobody depends on it, no change is needed
    OPEN = "open"  # it may be broken, on an approved change


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to break. ``hosts`` are inventory names; ``expect`` a heal rule."""

    fault: str
    hosts: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    span: timedelta
    expect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What is known of one host. ``groups`` are those of the capacity room, ``protected`` its
    protected groups, ``busy`` who works on it (""), ``closed`` the window's refusal, English and
    Chinese, None when work is allowed. ``units`` and ``paths`` are what it allows. ``twin`` is
    another inventory name of the same machine, whose stricter tag counts; "" when its own does."""

    tag: Tag = Tag.NONE
    groups: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    busy: str = ""
    closed: tuple[str, str] | None = None
    units: tuple[str, ...] = ()
    paths: tuple[str, ...] = PATHS
    twin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The moment of a decision. ``hosts`` lacks a name that the inventory does not have.

    ``stopped`` is the kill switch or a freeze; ``change`` the standing change that covers the
    fault ("" and ``against`` why none does). ``experiments`` are those under way, host -> name.
    ``most`` is how many hosts may be broken at once.
    """

    hosts: Mapping[str, HostFacts]
    members: Mapping[str, Collection[str]] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)
    unavailable: Collection[str] = frozenset()
    stopped: tuple[str, str] | None = None
    change: str = ""
    against: tuple[str, str] = ("there is none", "不存在")
    experiments: Mapping[str, str] = field(default_factory=dict)
    rules: Collection[str] = frozenset()
    most: int = MOST_HOSTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that was looked at. ``about`` is its name ("tag"), ``host`` "" for all of it."""

    about: str
    good: bool
    en: str
    zh: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An experiment as it would be made, with every reason. ``change`` is "" in a lab."""

    wish: Wish
    fault: Fault
    reasons: tuple[Reason, ...]
    change: str = ""

    @property
    def allowed(self) -> bool:
        """Whether nothing is against it."""
        return all(each.good for each in self.reasons)

    @property
    def objections(self) -> tuple[Reason, ...]:
        """What is against it."""
        return tuple(each for each in self.reasons if not each.good)


def tag_of(variables: Mapping[str, object], groups: Collection[str]) -> Tag:
    """What the inventory says of a host. What is no clear yes is a no."""
    if VARIABLE not in variables:
        return Tag.OPEN if GROUP in groups else Tag.NONE
    said = variables[VARIABLE]
    if said is True:
        return Tag.OPEN
    return Tag.LAB if said == Tag.LAB.value else Tag.NONE


def planned(wish: Wish, facts: Facts) -> Plan:
    """The decision. Raises ConfigInvalid for a wish that makes no sense."""
    fault = _checked(wish)
    needs_change = any(facts.hosts[name].tag is Tag.OPEN for name in _there(wish, facts))
    reasons = [
        _stopped(facts),
        _radius(wish, facts),
        *_expected(wish, facts),
        *(each for name in wish.hosts for each in _host(name, wish, fault, facts)),
        *_apart(wish, facts),
        *([_change(fault, facts)] if needs_change else []),
    ]
    change = facts.change if needs_change else ""
    return Plan(wish=wish, fault=fault, reasons=tuple(reasons), change=change)


def _there(wish: Wish, facts: Facts) -> Sequence[str]:
    return [name for name in wish.hosts if name in facts.hosts]


def _checked(wish: Wish) -> Fault:
    fault = FAULTS.get(wish.fault)
    if fault is None:
        hint = f"one of: {', '.join(FAULTS)}"
        raise ConfigInvalid("there is no such fault", where=wish.fault[:40], hint=hint)
    if not wish.hosts or len(set(wish.hosts)) != len(wish.hosts):
        raise ConfigInvalid("name each host once, and at least one", where="--host")
    if not SHORTEST <= wish.span <= fault.longest:
        least, most = int(SHORTEST.total_seconds()), int(fault.longest.total_seconds()) // 60
        raise ConfigInvalid(f"{fault.name} lasts {least} seconds to {most} minutes", where="--for")
    for name in sorted(set(wish.options) - set(fault.known)):
        hint = f"one of: {', '.join(fault.known)}"
        raise ConfigInvalid(f"{fault.name} has no option {name[:40]}", where="--option", hint=hint)
    for option in fault.options:
        if option.needed and not wish.options.get(option.name):
            hint = f"--option {option.name}=..."
            raise ConfigInvalid(f"{fault.name} needs a {option.name}", where="--option", hint=hint)
    return fault


def _stopped(facts: Facts) -> Reason:
    if facts.stopped is None:
        return Reason(about="kill switch", good=True, en="nothing is stopped", zh="未停止")
    en, zh = facts.stopped
    return Reason(about="kill switch", good=False, en=en, zh=zh)


def _radius(wish: Wish, facts: Facts) -> Reason:
    others = sorted(set(facts.experiments) - set(wish.hosts))
    count = len(wish.hosts) + len(others)
    there = ", ".join(f"{name} ({facts.experiments[name]})" for name in others)
    return Reason(
        about="blast radius",
        good=count <= facts.most,
        en=f"{count} broken at once, at most {facts.most}"
        + (f"; broken already: {there}" if there else ""),
        zh=f"同时破坏 {count} 台，上限 {facts.most} 台" + (f"；已破坏：{there}" if there else ""),
    )


def _expected(wish: Wish, facts: Facts) -> Sequence[Reason]:
    if not wish.expect:
        return ()
    good = wish.expect in facts.rules
    en = f"rule {wish.expect} {'should answer' if good else 'is none of this site'}"
    zh = f"规则 {wish.expect} {'应当响应' if good else '在本站点不存在'}"
    return (Reason(about="rule", good=good, en=en, zh=zh),)


def _host(name: str, wish: Wish, fault: Fault, facts: Facts) -> Sequence[Reason]:
    host = facts.hosts.get(name)
    if host is None:
        en, zh = "is not in the inventory", "不在清单中"
        return (Reason(about="inventory", good=False, en=en, zh=zh, host=name),)
    asked = (_tag(host), _protected(host), _free(name, host, facts), _window(host))
    return tuple(
        Reason(about=about, good=good, en=en, zh=zh, host=name)
        for about, good, en, zh in (*asked, _allows(host, wish, fault))
    )


type _Answer = tuple[str, bool, str, str]


def _tag(host: HostFacts) -> _Answer:
    said = {
        Tag.LAB: ("a lab host", "实验室主机"),
        Tag.OPEN: ("the inventory says that it may be broken", "清单允许对其进行破坏"),
        Tag.NONE: (
            f"the inventory does not say that it may be broken ({VARIABLE}, or group {GROUP})",
            f"清单未允许对其进行破坏（{VARIABLE} 或 {GROUP} 组）",
        ),
    }
    en, zh = said[host.tag]
    if host.twin:
        en, zh = f"{en}: {host.twin} is the same machine", f"{zh}：{host.twin} 是同一台机器"
    return ("tag", host.tag is not Tag.NONE, en, zh)


def _protected(host: HostFacts) -> _Answer:
    names = ", ".join(sorted(host.protected))
    if names:
        return ("protected", False, f"is protected ({names})", f"受保护（{names}）")
    return ("protected", True, "in no protected group", "不在受保护的组中")


def _free(name: str, host: HostFacts, facts: Facts) -> _Answer:
    who = facts.experiments.get(name) or host.busy
    if who:
        return ("busy", False, f"is busy: {who}", f"正被占用：{who}")
    return ("busy", True, "nobody works on it", "无人占用")


def _window(host: HostFacts) -> _Answer:
    if host.closed is not None:
        return ("window", False, *host.closed)
    return ("window", True, "no window or freeze is against it", "维护窗口与冻结期均不禁止")


def _allows(host: HostFacts, wish: Wish, fault: Fault) -> _Answer:
    """A lab host may lose any service; what is filled is allowed by name everywhere."""
    if fault.touches is Touches.UNIT and host.tag is not Tag.LAB:
        return _listed("unit", _service(wish.options["unit"]), map(_service, host.units))
    if fault.touches is Touches.PATH:
        path = wish.options.get("path") or fault.known["path"].default
        return _listed("path", path, host.paths)
    return ("target", True, "may be touched", "可以操作")


def _service(unit: str) -> str:
    return unit if "." in unit else f"{unit}.service"


def _listed(what: str, asked: str, allowed: Collection[str] | map[str]) -> _Answer:
    if asked in tuple(allowed):
        return ("target", True, f"{asked} may be touched", f"允许操作 {asked}")
    variable = f"{VARIABLE}_{what}s"
    return (
        "target",
        False,
        f"{asked} is not among its {variable}",
        f"{asked} 不在 {variable} 之中",
    )


def _apart(wish: Wish, facts: Facts) -> Sequence[Reason]:
    """One per store and failure group; and what belongs together keeps enough (budgets)."""
    found, seen = [], dict[str, str]()
    for name in facts.experiments:
        seen |= dict.fromkeys(_alone(facts, name), name)
    for name in _there(wish, facts):
        shared = [group for group in _alone(facts, name) if seen.get(group, name) != name]
        found += [
            Reason(
                about="apart", good=False, host=name,
                en=f"{group} has {_other(facts, seen[group])}",
                zh=f"{group} 中{_other(facts, seen[group], chinese=True)}",
            )
            for group in shared
        ]  # fmt: skip
        seen |= dict.fromkeys(_alone(facts, name), name)
    return (*found, *_budgets(wish, facts))


def _other(facts: Facts, name: str, *, chinese: bool = False) -> str:
    """The host that is in the way: broken already, and by whom, or named in the same wish."""
    experiment = facts.experiments.get(name)
    if experiment is None:
        return f" {name} 也在本次之列" if chinese else f"{name} in the same experiment"
    if chinese:
        return f" {name} 已被 {experiment} 破坏"
    return f"{name} broken already by {experiment}"


def _alone(facts: Facts, name: str) -> Sequence[str]:
    """The groups in which a host is the only one that is broken."""
    host = facts.hosts.get(name)
    kinds = (GroupKind.STORE, GroupKind.GROUP)
    return [each for each in host.groups if kind_of(each) in kinds] if host is not None else []


def _budgets(wish: Wish, facts: Facts) -> Sequence[Reason]:
    names = [name for name in _there(wish, facts) if not facts.hosts[name].busy]
    admission = admit(
        names,
        groups={name: facts.hosts[name].groups for name in names},
        members=facts.members,
        unavailable=frozenset({*facts.unavailable, *facts.experiments}),
        budgets=facts.budgets,
        # In a lab nobody misses the only one of its kind.
        consent=frozenset(
            group for name in names if facts.hosts[name].tag is Tag.LAB
            for group in facts.hosts[name].groups
        ),
    )  # fmt: skip
    return [
        Reason(about="budget", good=False, en=each.reason, zh=each.reason_zh, host=name)
        for name, each in admission.refused.items()
    ]


def _change(fault: Fault, facts: Facts) -> Reason:
    wanted = f"chaos {fault.name}"
    if facts.change:
        en, zh = f"{facts.change} allows {wanted}", f"{facts.change} 允许 {wanted}"
        return Reason(about="change", good=True, en=en, zh=zh)
    en, zh = facts.against
    return Reason(
        about="change",
        good=False,
        en=f"no standing change allows {wanted}: {en}",
        zh=f"没有允许 {wanted} 的标准变更：{zh}",
    )
