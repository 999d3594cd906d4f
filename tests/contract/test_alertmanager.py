# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Alertmanager sends to the real service: nothing is lost, nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.adapters.alert_sources import connect_source
from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.alert import Signal
from storewarden.flows.alert_poll import AlertPoll, PollParts
from storewarden.ports.alerts import AlertSource
from storewarden.testing.secrets import MemorySecrets
from tests.e2e.serve_site import until
from tests.servers.alertmanager import Alertmanager, alertmanager, program
from tests.servers.programs import free_port
from tests.web.hook_place import TOKEN, Hooked, hooked, lay_out_hooks

pytestmark = pytest.mark.slow

_MATCH = """\
  - {{receiver: {0}, matchers: ['way="{0}"'], group_by: [way]}}"""
_RECEIVER = """\
- name: {name}
  webhook_configs:
  - url: "{url}"
    send_resolved: true
    max_alerts: {most}
    http_config: {{authorization: {{type: Bearer, credentials: {token}}}}}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The sender and the service."""

    sender: Alertmanager
    service: Hooked
    source: AlertSource

    def fire(self, way: str, till: str, ended: datetime | None = None) -> None:
        """An alert of one till begins, or is over."""
        labels = {"alertname": "PosDown", "way": way, "host": till, "severity": "critical"}
        self.sender.post(labels, BEGAN, ended)

    def heard(self, way: str) -> dict[str, int]:
        """Till -> how often its alert came, of those that came this way."""
        kept = list(self.service.inbox.kept.values())
        found = [each for each in kept if each.alert.labels["way"] == way]
        assert len({each.alert.labels["host"] for each in found}) == len(found)  # one each
        return {each.alert.labels["host"]: each.seen for each in found}

    def firing(self, way: str) -> set[str]:
        told = self.service.inbox.firing("alertmanager")
        return {alert.labels["host"] for alert in told if alert.labels["way"] == way}

    def poll(self) -> None:
        """Ask what fires, once."""
        duty = AlertPoll(PollParts(source=self.source, inbox=self.service.inbox))
        duty.tick(datetime.now(UTC))


BEGAN = datetime.now(UTC)


def _settings(url: str) -> list[str]:
    hook, nobody = f"{url}/hooks/alertmanager", f"http://127.0.0.1:{free_port()}/hooks/x"
    ways = {"whole": (hook, 0), "cut": (hook, 1), "away": (nobody, 0)}
    return [
        "global: {resolve_timeout: 1h}",
        "route:",
        "  {receiver: whole, group_by: [alertname], group_wait: 100ms, group_interval: 1s,"
        " repeat_interval: 1s, routes: [",
        *(_MATCH.format(way).replace("  - ", "    ") + "," for way in ways),
        "  ]}",
        "receivers:",
        *(
            _RECEIVER.format(name=name, url=to, most=most, token=TOKEN)
            for name, (to, most) in ways.items()
        ),
    ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    found = program()
    if found is None:
        pytest.skip("Alertmanager is neither installed nor to be had from apt here")
    folder = tmp_path_factory.mktemp("alertmanager")
    with (
        hooked(lay_out_hooks(tmp_path_factory.mktemp("site"))) as service,
        alertmanager(found, folder, _settings(service.url)) as sender,
    ):
        values = {"url": sender.url}
        source = connect_source("alertmanager", "alertmanager", values, MemorySecrets())
        yield Pair(sender=sender, service=service, source=source)


def awaited(condition: Callable[[], bool], what: object = "") -> None:
    assert until(condition), what


def test_a_group_repeats_and_one_of_it_ends(pair: Pair) -> None:
    pair.fire("whole", "pos01")
    pair.fire("whole", "pos02")
    awaited(lambda: pair.firing("whole") == {"pos01", "pos02"})
    awaited(lambda: min(pair.heard("whole").values()) >= 3)  # repeat_interval
    pair.fire("whole", "pos01", datetime.now(UTC))
    awaited(lambda: pair.firing("whole") == {"pos02"})
    mixed = [
        {alert.signal for alert in delivery.alerts} for delivery in pair.service.inbox.deliveries
    ]
    assert {Signal.FIRING, Signal.RESOLVED} in mixed  # in a group whose own status is firing
    assert set(pair.heard("whole")) == {"pos01", "pos02"}


def test_what_a_group_leaves_out_is_found_by_asking(pair: Pair) -> None:
    for till in ("pos11", "pos12", "pos13"):
        pair.fire("cut", till)
    awaited(lambda: "alerts:alertmanager" in pair.service.woken)
    assert len(pair.heard("cut")) < 3
    assert any(delivery.missing for delivery in pair.service.inbox.deliveries)
    pair.poll()
    assert pair.firing("cut") == {"pos11", "pos12", "pos13"}
    before = pair.heard("cut")
    pair.poll()
    assert set(pair.heard("cut")) == set(before)


def test_refused_for_a_while_it_comes_again_and_counts_once(pair: Pair) -> None:
    inbox = pair.service.inbox
    failed = 'storewarden_alert_deliveries_total{result="failed",source="alertmanager"}'
    before = pair.service.metric(failed)
    inbox.trouble = AdapterError("the disk is full", retryable=True)
    try:
        pair.fire("whole", "pos21")
        awaited(lambda: pair.service.metric(failed) >= before + 2)  # it was tried again
        assert "pos21" not in pair.heard("whole")
    finally:
        inbox.trouble = None
    awaited(lambda: "pos21" in pair.firing("whole"))
    assert pair.heard("whole")["pos21"] >= 1


def test_what_was_sent_while_nobody_listened_is_found_and_silenced_alerts_are_not(
    pair: Pair,
) -> None:
    now = datetime.now(UTC)
    pair.sender.silence("host", "pos32", now, now + timedelta(hours=1))
    pair.fire("away", "pos31")
    pair.fire("away", "pos32")
    awaited(lambda: _signals(pair) == {"pos31": Signal.FIRING, "pos32": Signal.NOTED})
    assert pair.heard("away") == {}
    pair.poll()
    assert pair.heard("away") == {"pos31": 1}
    pair.poll()
    assert pair.heard("away") == {"pos31": 1}


def test_a_lost_end_is_found_by_asking(pair: Pair) -> None:
    """The word that it is over went to nobody."""
    pair.fire("away", "pos41")
    awaited(lambda: "pos41" in _signals(pair))
    pair.poll()
    assert "pos41" in pair.firing("away")
    pair.fire("away", "pos41", datetime.now(UTC))
    awaited(lambda: "pos41" not in _signals(pair))
    duty = AlertPoll(PollParts(source=pair.source, inbox=pair.service.inbox))
    now = datetime.now(UTC)
    duty.tick(now)
    assert "pos41" in pair.firing("away")
    duty.tick(now + timedelta(minutes=4))
    assert "pos41" not in pair.firing("away")


def _signals(pair: Pair) -> dict[str, Signal]:
    """What the API says of alerts that went to nobody."""
    told = pair.source.firing(datetime.now(UTC)).alerts
    return {a.labels["host"]: a.signal for a in told if a.labels["way"] == "away"}
