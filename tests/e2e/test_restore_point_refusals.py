# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host refuses, and that nothing is applied, kept or lost when it does."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.restore_host import CONF, FOLDER, ITEM, LOOK, OWNER, RestoreHost, sh, word
from tests.e2e.restore_scenes import Stage, chosen
from tests.lab.fleet import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]
stage = Stage()


@stage.alone
def too_little_room_fails_the_capture_before_it_begins(till: RestoreHost) -> None:
    till.host.reset(disk_mb=64)
    till.sh("mkdir /srv/a; head -c 20M /dev/urandom > /srv/a/much; head -c 12M /dev/zero > /srv/b")
    before = till.files("/srv")
    said = till.say("captured", items=[{"kind": "tree", "path": "/srv/a"}])
    assert said["failed"]
    assert "MB free" in said["text"]
    assert till.sh(f"ls -A {FOLDER}").split() == [".lock", "fence.json"]
    assert "there is no restore point" in till.no("armed")
    assert till.files("/srv") == before
    assert till.timers() == ""


@stage.alone
def a_disk_that_fills_up_in_the_middle_fails_the_capture_too(till: RestoreHost) -> None:
    # Bytes enough, but no room for so many files: the check cannot see that one coming.
    till.sh(
        f"mkdir -p {FOLDER}; mount -t tmpfs -o size=64m,nr_inodes=90 tmpfs {FOLDER};"
        "mkdir /srv/a; for i in $(seq 100); do echo $i > /srv/a/$i; done"
    )
    before = till.files("/srv")
    said = till.say("captured", items=[{"kind": "tree", "path": "/srv/a"}])
    assert said["failed"]
    assert "No space left" in said["text"]
    assert till.sh(f"ls -A {FOLDER}").split() == [".lock", "fence.json"]
    assert till.files("/srv") == before
    till.sh(f"mount -o remount,nr_inodes=900 {FOLDER}")
    assert till.must("captured", items=[{"kind": "tree", "path": "/srv/a"}])["phase"] == "captured"


@stage.alone
def a_change_that_fills_the_disk_is_taken_back_all_the_same(till: RestoreHost) -> None:
    till.host.reset(disk_mb=64)
    till.sh("mkdir /srv/a; head -c 6M /dev/urandom > /srv/a/much; echo x > /srv/a/more")
    before = till.files("/srv/a")
    change = "rm -r /srv/a; cat /dev/zero > /srv/full 2>/dev/null; df --output=avail / | tail -1"
    said = till.arm({"kind": "tree", "path": "/srv/a"}, deadline=15, then=change)
    assert said.strip() == "0"
    record = till.record()
    assert (record["outcome"], record["residue"]) == ("restored", [])
    assert till.files("/srv/a") == before


@stage.tidy
def a_live_pack_without_a_timer_does_not_bar_the_host_for_good(till: RestoreHost) -> None:
    stop = f"systemctl stop 'storewarden-restore-*.timer'; echo after > {CONF}; sleep 9"
    till.arm(ITEM, deadline=8, then=stop)
    assert till.state()["phase"] == "armed"
    said = till.must("captured", "next", items=[ITEM], owner="GMBG-2")
    assert said["phase"] == "captured"
    assert till.record()["reason"] == "the deadline had passed and no timer was left"
    assert till.sh(f"cat {CONF}") == "before\n"


@stage.tidy
def a_damaged_pack_is_not_armed(till: RestoreHost) -> None:
    damage = f"for one in {FOLDER}/rp/%s; do sed -i '$ s/e/f/' $one; done"
    for place in ("blobs/*", "items/000.json", "manifest.json", "program.zip"):
        said = till.heard(word("captured", items=[ITEM]), sh(damage % place), word("armed"))
        assert (said[0], "damaged" in said[-1]) == ("changed", True), (place, said)
    assert till.timers() == ""
    assert till.sh(LOOK).startswith("before\n")


@stage.tidy
def undo_with_a_damaged_pack_restores_the_rest_and_names_what_is_lost(till: RestoreHost) -> None:
    names = ("one", "two", "three")
    till.sh("; ".join(f"echo {name} > /srv/{name}" for name in names))
    lost = till.arm(
        *({"kind": "file", "path": f"/srv/{name}"} for name in names),
        then="echo x | tee /srv/one /srv/two /srv/three >/dev/null; echo two | sha256sum",
    ).split()[0]
    look = sh("cat /srv/one /srv/two /srv/three")
    blob, item = f"{FOLDER}/rp/blobs/{lost}", f"{FOLDER}/rp/items/002.json"
    undone, now = till.steps(
        sh(f"echo tow > {blob}; sed -i s/digest/digets/ {item}"), word("undone"), look
    )[1:]
    assert undone["report"]["phase"] == "residue"
    by_item = {one["item"]: one for one in undone["report"]["residue"]}
    assert set(by_item) == {"file /srv/two", "file /srv/three"}
    assert "damaged" in by_item["file /srv/two"]["error"]
    assert now["out"] == "one\nx\nx\n"
    # Mended by hand, the same undo comes to its end.
    undone, now = till.steps(
        sh(f"echo two > {blob}; sed -i s/digets/digest/ {item}"), word("undone"), look
    )[1:]
    assert (undone["report"]["residue"], now["out"]) == ([], "one\ntwo\nthree\n")


@stage.tidy
def with_a_lost_manifest_or_state_the_host_still_goes_back(till: RestoreHost) -> None:
    broken = f"cd {FOLDER}/rp; echo broken > manifest.json; echo > state.json"
    till.arm(ITEM, deadline=10, then=f"echo after > {CONF}; {broken}")
    record = till.record()
    assert [one["item"] for one in record["residue"]] == ["manifest"]
    assert till.sh(f"cat {CONF}") == "before\n"


@stage.tidy
def an_older_epoch_and_a_second_owner_are_refused(till: RestoreHost) -> None:
    till.arm(ITEM, epoch=5, then=f"echo after > {CONF}")
    verbs = ("extended", "confirmed", "undone")
    older = till.heard(*(word(verb, epoch=4) for verb in verbs))
    assert all("epoch 4 is older than 5" in one for one in older), older
    other: dict[str, Any] = {"epoch": 9, "owner": "GMBG-2"}
    second = till.heard(
        word("captured", "other", items=[ITEM], epoch=4),
        *(word(verb, **other) for verb in verbs),
        word("captured", "other", items=[ITEM], **other),
        word("captured", "other", items=[ITEM], epoch=9),
        sh(f"cat {CONF}"),
    )
    assert "older" in second[0]
    assert all(f"of {OWNER} is live" in one for one in second[1:5]), second
    assert "is live" in second[5]
    assert second[6] == "after\n"
    # Whoever takes over has a higher epoch, and then the first one has no say any more.
    *said, last = till.heard(
        word("extended", epoch=6), word("confirmed", epoch=5), word("confirmed", epoch=6),
        word("captured", "other", items=[ITEM], epoch=6, owner="GMBG-2"),
        word("armed", "other", epoch=6),
    )  # fmt: skip
    assert (said[0], said[2], said[3]) == ("changed", "changed", "changed")
    assert "older" in said[1]
    assert "belongs to GMBG-2" in last


@stage.tidy
def a_host_that_moved_on_since_its_capture_is_not_armed(till: RestoreHost) -> None:
    capture = word("captured", items=[ITEM])
    said = till.heard(capture, capture, sh(f"echo by hand > {CONF}"), word("armed"))
    assert said[:2] == ["changed", "same"]
    assert f"not the host's state any more, capture again: file {CONF}" in said[3]
    different = till.must("inspected")["different"]
    assert [one["item"] for one in different] == [f"file {CONF}"]
    said = till.heard(capture, word("armed"), word("armed"), capture)
    assert said[:3] == ["changed", "changed", "same"]
    assert "is armed" in said[3]


@stage.tidy
def an_older_state_is_not_put_under_a_newer_change(till: RestoreHost) -> None:
    for name in ("rp", "second"):
        till.arm(ITEM, id=name, then=f"echo {name} > {CONF}")
        till.must("confirmed", name)
    look = sh(f"cat {CONF}")
    below, *said = till.heard(
        word("undone"), word("undone", "second"), look, word("undone"), look, word("undone")
    )
    assert "second, which is newer" in below
    assert said == ["changed", "rp\n", "changed", "before\n", "same"]


@stage.tidy
def packs_expire_but_never_a_live_one(till: RestoreHost) -> None:
    till.arm(ITEM)
    till.must("confirmed")
    till.arm(ITEM, id="live")
    young, dry, old, left = till.steps(
        word("expired", "", days=1), word("expired", "", days=0, dry=True),
        word("expired", "", days=0), word("inspected", ""),
    )  # fmt: skip
    assert [one["report"]["expired"] for one in (young, dry, old)] == [[], ["rp"], ["rp"]]
    assert [one["id"] for one in left["report"]["packs"]] == ["live"]
    assert till.sh(f"stat -c %a {FOLDER} {FOLDER}/live {FOLDER}/live/blobs") == "700\n700\n700\n"
    assert till.sh(f"find {FOLDER} -type f -perm /077") == ""


@stage.tidy
def check_mode_does_nothing(till: RestoreHost) -> None:
    said = till.heard(word("captured", items=[ITEM], dry=True), sh(f"ls -A {FOLDER}"))
    assert said == ["changed", ".lock\n"]
    assert till.heard(word("captured", items=[ITEM]), word("armed", dry=True)) == ["changed"] * 2
    assert till.timers() == ""
    verbs = ("extended", "confirmed", "undone")
    said = till.heard(
        word("armed"), sh(f"echo after > {CONF}"), *(word(verb, dry=True) for verb in verbs)
    )
    assert said == ["changed", "", "changed", "changed", "changed"]
    assert till.state()["phase"] == "armed"
    assert till.sh(f"cat {CONF}") == "after\n"


def _module(
    till: RestoreHost, name: str = "storewarden.ops.restore_point", **arguments: Any
) -> dict[str, Any]:
    """A module through Ansible itself; its result."""
    tool = str(Path(sys.executable).with_name("ansible"))
    words = [tool, till.host.name, "-i", str(till.host.lab.inventory_path), "-o", "-m", name]
    with tempfile.TemporaryDirectory() as library:
        Path(library, "foreign.py").write_text(FOREIGN)
        done = subprocess.run(
            [*words, "-M", library, "-a", json.dumps(arguments)],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return {**found, "failed": "FAILED" in done.stdout}


FOREIGN = """\
#!/usr/bin/python
# Another module that has a restore point made in its own process, as fixes of controls do.
import os
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import undo_records
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

def main():
    module = AnsibleModule(argument_spec={"conf": {"type": "path"}})
    verbs, conf = Verbs(Host()), module.params["conf"]
    items = [{"kind": "file", "path": conf}]
    def say(verb, name):
        return getattr(verbs, verb)(Request(id=name, owner="foreign", items=items,
                                            apply={"pid": os.getpid()})).report["phase"]
    phases = [say(verb, "first") for verb in ("captured", "armed")]
    with open(conf, "w") as target:
        target.write("after")
    phases += [say("undone", "first"), say("captured", "second"), say("armed", "second")]
    with open(conf, "w") as target:
        target.write("after")
    module.exit_json(changed=True, phases=[*phases, say("confirmed", "second")],
                     records=undo_records(), all=undo_records(requested=True))

main()
"""


@stage.tidy
def another_module_makes_restore_points_in_its_own_process(till: RestoreHost) -> None:
    said = _module(till, "foreign", conf=CONF)
    assert not said["failed"], said
    assert said["phases"] == [
        "captured", "armed", "restored", "captured", "armed", "confirmed",
    ]  # fmt: skip
    assert (said["records"], [one["id"] for one in said["all"]]) == ([], ["first"])
    assert till.sh(f"cat {CONF}") == "after"
    # The program in the pack is whole, though it came out of another module's archive.
    assert till.must("inspected", "second")["damage"] == []
    assert till.must("undone", "second", owner="foreign")["phase"] == "restored"


@stage.alone
def the_module_says_it_in_ansibles_words(till: RestoreHost) -> None:
    ask = {"id": "rp", "owner": OWNER}
    wrong = _module(till, state="captured", **ask, items=[{"kind": "files", "path": "/x"}])
    assert (wrong["failed"], wrong["refused"]) == (True, False)
    assert "kind must be one of account, audit_rules" in wrong["msg"]
    made = _module(till, state="captured", **ask, items=[ITEM])
    point = made["storewarden"]["restore_point"]
    assert (made["changed"], point["phase"], len(point["manifest"])) == (True, "captured", 64)
    refused = _module(till, state="confirmed", **ask)
    assert (refused["failed"], refused["refused"]) == (True, True)
    assert "\n" not in refused["msg"]
    seen = _module(till, state="inspected", id="rp")["storewarden"]["restore_point"]
    assert seen["now"] == seen["fingerprint"] == point["fingerprint"]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, lab: Lab) -> Mapping[str, Future[None]]:
    return stage.play(lab, chosen(request))


@pytest.mark.parametrize("scene", stage.names)
def test_refusals(played: Mapping[str, Future[None]], scene: str) -> None:
    played[scene].result()
