# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is broken on purpose comes back, whatever becomes of who broke it."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.domain.healing.record import Stage
from tests.e2e.chaos_site import chaos_site, finished
from tests.e2e.heal_site import UNIT, HealSite, alert
from tests.e2e.serve_site import until
from tests.lab.fleet import LabHost

pytestmark = [pytest.mark.slow, pytest.mark.lab]

_ALWAYS = "Restart=always\nRestartSec=100ms\n"


def test_the_host_takes_a_fault_back_when_the_controller_was_killed(
    lab_host: LabHost, tmp_path: Path
) -> None:
    chaos = chaos_site(tmp_path / "site", lab_host, more=_ALWAYS)
    with chaos.running("stop-unit", "-o", f"unit={UNIT}", "--for", "10s") as process:
        assert until(lambda: '"made"' in chaos.told() or process.poll() is not None)
        process.kill()
    assert '"made"' in chaos.told(), chaos.told()
    undone = "cat /run/storewarden-chaos/chaos-1/undone"
    assert until(lambda: lab_host.run(undone, user="root", check=False).stdout.endswith("timer\n"))
    assert chaos.state() == "active"
    # It was down, also against Restart=always: systemd did not start it before the timer did.
    said = lab_host.run(f"journalctl -o cat -u {UNIT}", user="root").stdout
    assert said.count("Deactivated successfully") == 1
    assert "Scheduled restart" not in said
    assert [kind for kind, _body in chaos.journal()] == ["chaos begun"]


@pytest.mark.full
def test_a_host_without_a_tag_is_refused_and_nothing_is_touched(
    lab_host: LabHost, tmp_path: Path
) -> None:
    chaos = chaos_site(tmp_path / "site", lab_host, tag=False)
    done = chaos.service.run(
        "chaos", "run", "stop-unit", "--host", lab_host.name, "-o", f"unit={UNIT}"
    )
    assert done.returncode == 3
    assert "does not say that it may be broken" in done.stderr
    assert chaos.state() == "active"
    assert chaos.journal() == []


@pytest.mark.full
def test_interrupted_it_takes_the_fault_back_at_once(lab_host: LabHost, tmp_path: Path) -> None:
    chaos = chaos_site(tmp_path / "site", lab_host)
    with chaos.running("kill-process", "-o", f"unit={UNIT}", "--for", "10m") as process:
        chaos.comes_to("failed", process)
        process.send_signal(signal.SIGINT)
        code, told = finished(process)
    assert (code, told["outcome"], told["rows"][0]["undone"]) == (130, "interrupted", "order")
    assert chaos.state() == "active"
    assert [kind for kind, _body in chaos.journal()] == [
        "chaos begun", "chaos undone", "chaos ended",
    ]  # fmt: skip
    left = lab_host.run("systemctl list-timers --all; ls /run/storewarden-chaos", user="root")
    assert "chaos-1" not in left.stdout


@pytest.mark.full
def test_a_stopped_service_is_healed_and_the_table_says_so(
    lab_host: LabHost, tmp_path: Path
) -> None:
    chaos = chaos_site(tmp_path / "site", lab_host)
    page = chaos.service.folder / "chaos.html"
    words = ("-o", f"unit={UNIT}", "--for", "10m", "--expect", "till service down")
    with chaos.service.site() as site:
        chaos.service.start()
        healing = HealSite(chaos.service, site, [lab_host])
        healing.standing_change()
        with chaos.running("stop-unit", *words, "--html", str(page)) as process:
            chaos.comes_to("inactive", process)
            begun = datetime.now(UTC)
            assert healing.send(alert(lab_host, begun)).status_code == 200
            asked = healing.comes_to(Stage.ASKING)
            healing.cli("heal", "approve", asked.key[:12])
            healing.comes_to(Stage.VERIFYING)
            assert chaos.state() == "active"
            healing.send(alert(lab_host, begun, over=True))
            code, told = finished(process)
        chaos.service.kill()
    (row,) = told["rows"]
    assert (code, told["proved"], row["proof"]) == (0, True, "healed"), told
    assert (row["alert"], row["rule"], row["action"]) == ("PosDown", "till service down", "service")
    assert row["undone"] == "order"
    assert 0 <= row["alert_after"] <= row["repaired_after"] <= row["healed_after"]
    assert row["host"] in page.read_text() and "healed" in page.read_text()
