# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout files: what may be said, what comes from the payload, and all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from storewarden.config.rollout_file import RolloutFileInvalid, read_rollout_file
from storewarden.config.rollout_words import length, share, wave
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.spec import (
    Budgets,
    GateSpec,
    PayloadClass,
    Reversibility,
    RolloutSpec,
    SizeKind,
    Soak,
    Timing,
    WaveSize,
)
from storewarden.domain.rollout.spec_defaults import REST, REST_AT_ONCE
from storewarden.ports.payloads import PayloadAbout

HOUR = timedelta(hours=1)


def about(name: str) -> PayloadAbout:
    """Two payloads; others are not installed."""
    if name not in ("packages", "rules"):
        raise ConfigInvalid("there is no payload of that name", hint="known: packages, rules")
    return PayloadAbout(
        name=name,
        payload_class=PayloadClass.CONTENT if name == "rules" else PayloadClass.PACKAGES,
        reversibility=Reversibility.DOWNGRADE,
        operation="patch",
        soak=Soak(wall=24 * HOUR, trading=2 * HOUR),
        timing=Timing(reboot=timedelta(minutes=5)),
        waves=("10%", "100%") if name == "rules" else ("1 store", "3 stores", "10%", "100%"),
        lock=name == "packages",
    )


def check_gate(kind: str, settings: Mapping[str, object], where: str) -> None:
    if kind not in ("probe", "prometheus"):
        raise ConfigInvalid(f"no gate of the kind {kind!r}", hint="known: probe, prometheus")
    for key in settings:
        if key not in ("allow", "query"):
            raise ConfigInvalid("unknown key", where=f"{where}.{key}")


def read(folder: Path, text: str) -> RolloutSpec:
    path = folder / "tills.yml"
    path.write_text(text)
    return read_rollout_file(path, "tills.yml", about, check_gate)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(RolloutFileInvalid) as caught:
        read(folder, text)
    return [line.removeprefix("tills.yml:") for line in caught.value.mistakes]


def test_a_payload_alone_is_a_rollout(tmp_path: Path) -> None:
    found = read(tmp_path, "payload: packages\n")
    assert found == RolloutSpec(
        payload="packages",
        payload_class=PayloadClass.PACKAGES,
        locks=True,
        soak=Soak(wall=24 * HOUR, trading=2 * HOUR),
        timing=Timing(reboot=timedelta(minutes=5)),
        waves=(
            WaveSize(kind=SizeKind.STORES, stores=1),
            WaveSize(kind=SizeKind.STORES, stores=3),
            WaveSize(kind=SizeKind.SHARE, share=Fraction(1, 10)),
            REST,
        ),
    )


def test_everything_may_be_said(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """\
payload: packages
class: baseline
reversibility: A
options: {names: [openssl], reboot: true}
waves: [label pilot, 1 per stratum, 10% by 50 stores, rest at once]
soak: {wall: 1h30m, trading: 30m}
gates:
  - probe
  - prometheus: {name: sales, query: x}
  - prometheus: {name: errors, query: y}
timing: {apply: 20m, reboot: 0}
stragglers: {share: 5%, daily: 10, expiry: 7d}
budgets: {store: 2, pos_share: 25%, region: 50%, site: 20, single_consent: true}
roles: [pos]
strata: [sw_role, os]
salt: june
shard: 25
lanes: 2
forks: 10
coverage: 90%
extensions: 1
deadline: 10m
emergency: true
emergency_soak: 5m
""",
    )
    assert (found.payload_class, found.reversibility) == (
        PayloadClass.BASELINE,
        Reversibility.SWITCH,
    )
    assert found.options == {"names": ["openssl"], "reboot": True}
    assert found.waves == (
        WaveSize(kind=SizeKind.LABEL, label="pilot"),
        WaveSize(kind=SizeKind.STRATUM, stores=1),
        WaveSize(kind=SizeKind.SHARE, share=Fraction(1, 10), most=50),
        REST_AT_ONCE,
    )
    assert found.soak == Soak(wall=1.5 * HOUR, trading=HOUR / 2)
    assert found.gates == (
        GateSpec(kind="probe", name="probe"),
        GateSpec(kind="prometheus", name="sales", settings={"query": "x"}),
        GateSpec(kind="prometheus", name="errors", settings={"query": "y"}),
    )
    assert (found.timing.apply, found.timing.reboot) == (HOUR / 3, timedelta(0))
    assert found.timing.undo == Timing().undo
    assert (found.stragglers.share, found.stragglers.daily) == (Fraction(1, 20), 10)
    assert found.budgets == Budgets(
        store=2,
        pos_share=Fraction(1, 4),
        region=Fraction(1, 2),
        site=20,
        single_consent=True,
    )
    assert (found.roles, found.strata, found.salt) == (("pos",), ("sw_role", "os"), "june")
    assert (found.shard, found.lanes, found.forks, found.extensions) == (25, 2, 10, 1)
    assert (found.coverage, found.deadline) == (Fraction(9, 10), HOUR / 6)
    assert found.emergency
    assert found.watched == Soak(wall=HOUR / 12)


def test_all_mistakes_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """\
payload: packges
optins: {}
waves: [1 stor, 10%, 3]
soak:
  wal: 24h
  trading: 2x
gates:
  - probes: {}
  - probe: {alow: 1}
  - probe:
budgets: {store: 0, region: 30}
emergency: "yes"
forks: 1000
deadline: 5s
""",
    )
    waves = '"1 store", "3 stores", "10%", "label pilot", "1 per stratum", "rest" or "rest by 20%"'
    assert told == [
        "1: payload: there is no payload of that name (known: packages, rules)",
        "2: optins: unknown key (did you mean options?)",
        f"3: waves.1: is no wave (is 1 stor; as {waves})",
        f"3: waves.3: is no wave (is 3; as {waves})",
        "5: soak.wal: unknown key (did you mean wall?)",
        "6: soak.trading: must be a length of time (is 2x; as 30m, 24h, 1h30m or 7d)",
        "8: gates.1.probes: no gate of the kind 'probes' (known: probe, prometheus)",
        "9: gates.2.probe: gate probe.alow: unknown key",
        "10: gates.3: a gate is called probe already (give it a name of its own: name: ...)",
        "11: budgets.store: must be a whole number, 1-100000 (is 0)",
        "11: budgets.region: must be a share in percent (is 30; as 10%)",
        "12: emergency: must be true or false (is yes)",
        "13: forks: must be a whole number, 1-200 (is 1000)",
        "14: deadline: must be 30s or more (a host would undo while it works)",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1: lacks payload (the name of what is rolled out: packages)"),
        ("payload: 3\n", "1: payload: must be text (in quotes) (is 3)"),
        ("- payload\n", "1: must be keys with values"),
        ("payload: packages\nwaves: rest\n", "2: waves: must be a list, one entry per line"),
        ("payload: packages\nwaves: []\n", "2: waves: must be 1-50 waves"),
        ("payload: packages\nclass: packages2\n", "2: class: must be packages, release, content"),
        ("payload: packages\ngates: [{probe: 1}]\n", "2: gates.1.probe: must be keys with values"),
        ("payload: packages\ngates: [{a: {}, b: {}}]\n", "2: gates.1: must be one kind with its"),
        ("payload: packages\ngates: [{probe: {name: coverage}}]\n", "2: gates.1: a gate is called"),
        ("payload: packages\noptions: {since: 2026-01-01}\n", "2: options.since: must be text"),
        ("payload: packages\noptions: {a-b: 1}\n", "2: options.a-b: is no name of an option"),
        ("payload: packages\ntiming: {apply: 0}\n", "2: timing.apply: must be more than 0"),
    ],
)
def test_one_mistake_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    told = mistakes(tmp_path, text)
    assert told[0].startswith(says)


def test_what_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"tills\.yml:3: not valid YAML"):
        read(tmp_path, "payload: packages\nwaves: [1 store\n")


def test_the_refusal_itself_is_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(RolloutFileInvalid) as caught:
        read(tmp_path, "payload: packages\na: 1\nb: 2\n")
    assert "\n" not in str(caught.value)
    assert "1 more mistakes in tills.yml" in str(caught.value)


def test_the_rest_of_content_is_one_wave(tmp_path: Path) -> None:
    assert read(tmp_path, "payload: rules\n").waves[-1] == REST_AT_ONCE
    assert read(tmp_path, "payload: rules\nwaves: [10%, rest]\n").waves[-1] == REST_AT_ONCE
    capped = read(tmp_path, "payload: rules\nwaves: [10%, rest by 9 stores]\n").waves[-1]
    assert capped.most == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("45min", 2700),
        ("24h", 86400),
        ("1d 12h", 129600),
        ("0", 0),
        ("1h30m", 5400),
        ("", None),
        ("5", None),
        ("h", None),
        ("30m1h", None),
        ("-5m", None),
        ("400d", None),
        ("9" * 30 + "d", None),
    ],
)
def test_lengths_of_time(text: str, expected: int | None) -> None:
    found = length(text)
    assert found == (None if expected is None else timedelta(seconds=expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%", Fraction(1, 10)),
        ("2.5 %", Fraction(1, 40)),
        ("100%", Fraction(1)),
        ("101%", None),
        ("0.1", None),
        ("%", None),
    ],
)
def test_shares(text: str, expected: Fraction | None) -> None:
    assert share(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0 stores", "store", "0%", "rest by", "rest by 0%", "rest at", "label", "5"]
)
def test_what_is_no_wave(text: str) -> None:
    assert wave(text) is None


def test_a_wave_may_be_cut() -> None:
    assert wave("100%") == REST
    assert wave("rest by 20%") == WaveSize(
        kind=SizeKind.SHARE, share=Fraction(1), most_share=Fraction(1, 5)
    )
    assert wave("label pilot by 3 stores") == WaveSize(kind=SizeKind.LABEL, label="pilot", most=3)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("options: {db_password: hunter2}", "options.db_password: looks like a secret"),
        ("options: {files: [{api_key: hunter2}]}", "looks like a secret"),
        ("options: {url: 'ftp://bo:hunter2@host/x'}", "looks like a password in a URL"),
        ("options: {text: '-----BEGIN RSA PRIVATE KEY----- hunter2'}", "a private key"),
        ("options: {text: '$ANSIBLE_VAULT;1.1;AES256 hunter2'}", "a vaulted value"),
        ("gates: [http: {url: 'https://j/', tell: {token: hunter2}}]", "looks like a secret"),
        ("options: {db_password: !vault hunter2}", "!vault"),
    ],
)
def test_a_secret_has_no_place_in_what_is_journaled(tmp_path: Path, line: str, what: str) -> None:
    """It is refused with its place, and its text is not told."""
    with pytest.raises(ConfigInvalid) as error:
        read(tmp_path, f"payload: packages\n{line}\n")
    told = " ".join([str(error.value), *getattr(error.value, "mistakes", ())])
    assert what in told and "hunter2" not in told


def test_what_only_sounds_like_a_secret_is_none(tmp_path: Path) -> None:
    """Numbers, yes and no, names of files, and a gate's reference to its secret."""
    spec = read(
        tmp_path,
        "payload: packages\n"
        "options: {password_max_days: 90, token: true, public_key: abc, secret: 'file:/etc/x'}\n",
    )
    assert spec.options["password_max_days"] == 90
