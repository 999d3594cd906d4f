# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden rollout list --lang zh` says in Chinese why a rollout waits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storewarden.cli.guard import guarded
from storewarden.domain.rollout.events import Moved
from storewarden.domain.rollout.record import RolloutState
from storewarden.testing.rollout_scenes import begin, happening, open_rollout
from tests.e2e.change_service import lay_out, site_in

pytestmark = pytest.mark.slow


def test_the_reason_is_in_the_language_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with site_in(tmp_path) as site:
        number = open_rollout(site.ledger)
        begin(site.ledger, number)
        held = Moved(to=RolloutState.HELD_WINDOW, reason="no window", reason_zh="窗口未开放")
        site.ledger.rollouts.amend(number, "held", happening(held))
    shown = {}
    for language in ("en", "zh"):
        capfd.readouterr()
        assert guarded(["rollout", "list", "--lang", language]) == 0
        shown[language] = capfd.readouterr().out.splitlines()[1]
    assert shown["en"].endswith("no window")
    assert shown["zh"].endswith("窗口未开放")
    assert guarded(["rollout", "list", "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["rollouts"]
    assert (row["held"], row["held_zh"]) == ("no window", "窗口未开放")
