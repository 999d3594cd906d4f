# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around heal actions, on real hosts: looked, repaired, taken back, refused.

The action is the tests' own. Three hosts have different scenes in one run of Ansible.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.heal_plays import Healed, Healing, Repair
from tests.e2e.heal_trial import FILE, NOTE, write_trial
from tests.e2e.restore_host import FOLDER
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]
TEMPLATE = "{{ lookup('pipe', 'id') }}"  # as an alert's text may have it


class Ward:
    """Three hosts, and the trial on them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        write_trial(folder / "roles")
        self.hosts = [host for host in lab.hosts if host.role == "pos"][:3]
        self.healing = Healing(lab, self.hosts[0], folder / "runs", folder / "roles")

    def say(self, *words: str) -> None:
        """What the file of each host says; nothing of an earlier scene is left."""
        for host, word in zip(self.hosts, words, strict=True):
            self.sh(host, f"rm -rf {NOTE} {FOLDER}; printf %s {word} > {FILE}")

    def sh(self, host: LabHost, script: str) -> str:
        return host.run(script, user="root").stdout

    def said(self) -> list[str]:
        return [self.sh(host, f"cat {FILE}; cat {NOTE} 2>/dev/null; true") for host in self.hosts]

    def packs(self) -> list[str]:
        """What restore points there are, with their phases."""
        script = f'grep -ho \'"phase": *"[a-z]*"\' {FOLDER}/*/state.json 2>/dev/null; true'
        return [self.sh(host, script).replace(" ", "").strip() for host in self.hosts]

    def run(self, *asked: dict[str, Any], words: tuple[str, ...] = ()) -> list[Healed]:
        """``asked`` are the options of each host; a name with ``heal_`` is a variable."""
        repairs = {
            host: Repair(
                action="trial",
                options={key: one[key] for key in one if not key.startswith("heal_")},
                variables={key: one[key] for key in one if key.startswith("heal_")},
            )
            for host, one in zip(self.hosts, asked, strict=True)
        }
        return list(self.healing.together(repairs, *words).values())


@pytest.fixture(scope="module")
def ward(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    made = Ward(lab, tmp_path_factory.mktemp("heal"))
    yield made
    for host in made.hosts:
        made.sh(host, f"rm -rf {FILE} {NOTE} {FOLDER}")


def test_a_look_says_what_would_be_done_and_touches_nothing(ward: Ward) -> None:
    ward.say("sick", "well", "dead")
    sick, well, dead = ward.run({"heal_look": True}, {"heal_look": True}, {"heal_look": True})
    assert [one.end for one in (sick, well, dead)] == ["looked", "healthy", "escalate"], sick.said
    assert (sick.code, sick.changed, well.changed, dead.changed) == (0, False, False, False)
    assert sick.plan == {"file": FILE}
    assert (sick.own["reason"], sick.own["reason_zh"]) == ("it is sick", "状态：sick")
    assert sick.own["diagnosis"]["facts"] == {"said": "sick"}
    # Evidence is for whoever has to act; a host that is well has none.
    # The host knows how long it may look: a look that hangs ends there as well.
    assert sick.evidence == {"file": "sick password=***", "seconds of a look": "60.0"}
    assert (dead.evidence["file"], well.evidence) == ("dead password=***", {})
    assert (ward.said(), ward.packs()) == (["sick", "well", "dead"], ["", "", ""])


def test_repaired_and_confirmed_or_taken_back(ward: Ward) -> None:
    ward.say("sick", "sick", "sick")
    good, failed, useless = ward.run({}, {"how": "fail"}, {"how": "no use"})
    assert good.end == "repaired", good.said
    assert (good.reason, good.steps, good.changed) == ("it was good", ["wrote well"], True)
    assert good.own["steps"][0]["freed"] == 7
    assert set(good.own["seconds"]) == {"diagnose", "act", "verify"}
    assert "undone" not in good.own
    assert failed.end == "failed", failed.said
    assert (failed.reason, failed.own["reason_zh"]) == ("the medicine is gone", "药品用完")
    assert useless.end == "not_well", useless.said
    assert useless.own["finding"]["well"] is False
    for one in (failed, useless):
        assert one.own["undone"]["report"] == "restored"
        # What the restore point does not know is the role's own to take back.
        assert one.own["undone"]["steps"] == [{"en": "left a note", "zh": "已留言", "freed": 0}]
    assert good.code != 0  # of the run: two of its hosts are not well
    assert ward.said() == ["well", "sickundone", "sickundone"]
    assert ward.packs() == ['"phase":"confirmed"', '"phase":"restored"', '"phase":"restored"']
    # Who is well stays as it is.
    again = ward.run({}, {"heal_look": True}, {"heal_look": True})
    assert (again[0].end, again[0].changed) == ("healthy", False), again[0].said


def test_options_are_data_and_strange_ones_are_refused(ward: Ward) -> None:
    ward.say("sick", "sick", "sick")
    text, strange, host = ward.run(
        {"write": TEMPLATE, "keep": False},
        {"colour": "red"},
        {"write": "of the run", "heal_host_options": {"write": TEMPLATE}},
    )
    assert (text.end, host.end) == ("repaired", "repaired"), text.said + host.said
    assert text.steps == [f"wrote {TEMPLATE}"]
    assert strange.end == "failed"
    assert strange.reason.startswith("heal_options: colour is no option of heal action trial")
    assert ward.said() == [TEMPLATE, "sick", TEMPLATE]
    # Without anything to capture there is no restore point.
    assert ward.packs() == ["", "", '"phase":"confirmed"']


def test_check_mode_an_act_without_end_and_a_word_of_an_older_controller(ward: Ward) -> None:
    ward.say("sick", "sick", "sick")
    checked = ward.run({}, {}, {}, words=("--check",))
    assert [one.end for one in checked] == ["looked"] * 3, checked[0].said
    assert ward.said() == ["sick"] * 3
    epochs = ({"heal_epoch": 7}, {"how": "hang"}, {"heal_epoch": "x"})
    newer, hung, wrong = ward.run(*epochs)
    assert newer.end == "repaired", newer.said
    assert (hung.end, hung.reason) == ("failed", "it did not end within 4 s"), hung.said
    assert hung.own["undone"]["report"] == "restored"
    assert wrong.reason == "heal_epoch: a number is meant, not 'x'"
    ward.sh(ward.hosts[0], f"printf sick > {FILE}")
    older, _undone, early = ward.run({"heal_epoch": 6}, {"heal_look": True}, {"how": "early"})
    # Whose clock is a day ahead has nothing but old files.
    assert (early.end, early.changed) == ("escalate", False), early.said
    assert "s ahead of the controller's" in early.reason
    assert older.end == "failed", older.said
    assert older.reason.startswith("nothing was touched, no restore point: ")
    assert ward.said() == ["sick", "sickundone", "sick"]
