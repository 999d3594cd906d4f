# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab must be trustworthy before anything tested on it is.

Each test states a thing a user of the lab relies on: hosts are real and apart, a reset forgets,
a dead lab is no obstacle, and nothing is left on the machine afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import image
from tests.lab.fixtures import lab_command
from tests.lab.fleet import Lab, LabHost
from tests.lab.places import LabError, places, source_root
from tests.lab.tools import root_prefix

pytestmark = pytest.mark.lab

type Call = Callable[..., subprocess.CompletedProcess[str]]


def _lab(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the lab's command line as a user does; `settings` are environment variables."""
    environment = {**os.environ, **settings}
    return subprocess.run(
        lab_command(*words),
        cwd=source_root(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _as_root(*words: str, text: str = "") -> str:
    prefix = root_prefix(ask=False) or []
    done = subprocess.run([*prefix, *words], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def _until(met: Callable[[], bool], what: str, *, seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.1)


def _traces(name: str) -> list[str]:
    """Everything on this machine that mentions a lab of that name."""
    bridges = subprocess.run(["ip", "-d", "link"], capture_output=True, text=True, check=True)
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/storewarden-lab/{name}-*")]
    groups += [str(path) for path in Path("/sys/fs/cgroup").glob(f"storewarden-lab/{name}-*")]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    listed = [line for line in bridges.stdout.splitlines() if f"storewarden-lab {name}-" in line]
    folder = [str(places(name).root)] if places(name).root.exists() else []
    return listed + groups + folder + [line for line in mounts if f"/{name}/" in line]


@pytest.fixture
def other() -> Iterator[str]:
    """The name of a lab that the test makes itself, beside the shared one."""
    name = f"test-{os.getpid()}-b"
    yield name
    _lab("down", "--name", name)


def test_every_host_is_a_machine_of_its_own(lab: Lab) -> None:
    seen = [host.run("hostname; cat /etc/machine-id; pidof -s systemd") for host in lab.hosts]
    names = [done.stdout.split()[0] for done in seen]
    machine_ids = {done.stdout.split()[1] for done in seen}
    assert names == [host.name for host in lab.hosts]
    assert len(machine_ids) == len(lab.hosts)
    assert all(len(identifier) == 32 for identifier in machine_ids)


def test_stopping_a_service_on_one_host_leaves_the_others_alone(
    lab: Lab, lab_host: LabHost
) -> None:
    neighbour = next(host for host in lab.hosts if host is not lab_host)
    before = neighbour.run(["pidof", "cron"]).stdout
    lab_host.run("systemctl stop cron", user="root")
    assert lab_host.run(["pidof", "cron"], check=False).stdout == ""
    assert neighbour.run(["pidof", "cron"]).stdout == before


def test_hosts_reach_each_other_and_nothing_beyond_the_bridge(lab: Lab) -> None:
    first, second = lab.hosts[:2]
    route = first.run(["ip", "route"]).stdout.strip().splitlines()
    assert len(route) == 1
    assert route[0].startswith(first.address.rsplit(".", 1)[0])
    greeting = f"exec 3<>/dev/tcp/{second.name}/22; head -c 4 <&3"
    assert first.run(["bash", "-c", greeting]).stdout == "SSH-"


def test_accounts(lab: Lab) -> None:
    host = lab.hosts[0]
    assert host.run("id -un", user="root").stdout.strip() == "root"
    shadow = dict(line.split(":")[:2] for line in host.read("/etc/shadow").splitlines())
    assert {name for name, word in shadow.items() if word[:1] not in "!*"} == set()
    assert "cashier" in shadow
    assert host.run(["sudo", "-n", "-u", "cashier", "sudo", "-n", "true"], check=False).returncode


def test_a_host_with_another_key_is_not_talked_to(lab: Lab, tmp_path: Path) -> None:
    host = lab.hosts[0]
    swapped = tmp_path / "known_hosts"
    others = [line for line in lab.known_hosts.read_text().splitlines() if host.name not in line]
    swapped.write_text(
        "\n".join(line.replace(lab.hosts[1].address, host.address) for line in others)
    )
    command = [word.replace(str(lab.known_hosts), str(swapped)) for word in host.ssh()]
    done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "IDENTIFICATION HAS CHANGED" in done.stderr or "verification failed" in done.stderr


def test_write_is_root_s_file_with_that_mode(lab_host: LabHost) -> None:
    lab_host.write("/etc/storewarden-test/a file", "zwölf\n{{ text }}\n", mode=0o640)
    shown = lab_host.run(["stat", "-c", "%U %a", "/etc/storewarden-test/a file"], user="root")
    assert shown.stdout == "root 640\n"
    assert lab_host.read("/etc/storewarden-test/a file") == "zwölf\n{{ text }}\n"


def test_a_failing_command_is_an_error_that_says_where(lab: Lab) -> None:
    with pytest.raises(LabError, match=rf"{lab.hosts[0].name}: ls /nowhere: status 2: .*nowhere"):
        lab.hosts[0].run(["ls", "/nowhere"])
    assert lab.hosts[0].run(["ls", "/nowhere"], check=False).returncode == 2


def test_reset_forgets_everything(lab_host: LabHost) -> None:
    lab_host.run("touch /etc/forgotten; userdel cashier; rm -rf /usr/share/doc", user="root")
    lab_host.reset()
    assert lab_host.run("ls /etc/forgotten", check=False).returncode == 2
    assert lab_host.run("id cashier; ls -d /usr/share/doc").returncode == 0


def test_a_reboot_comes_back_with_its_disk(lab: Lab, lab_host: LabHost) -> None:
    before, boots = lab_host.boot_id(), lab.status()[lab_host.name]["boots"]
    lab_host.run("touch /etc/kept; systemctl reboot", user="root", check=False)
    _until(lambda: bool(lab.status()[lab_host.name]["boots"] == boots + 1), "booted again")
    lab_host.wait()
    assert lab_host.boot_id() != before
    assert lab_host.run("ls /etc/kept").returncode == 0


def test_a_host_that_switches_itself_off_stays_off_until_started(
    lab: Lab, lab_host: LabHost
) -> None:
    lab_host.run("touch /etc/kept; systemctl poweroff", user="root", check=False)
    _until(lambda: bool(lab.status()[lab_host.name]["state"] == "off"), "off")
    with pytest.raises(LabError, match="has no line"):
        lab_host.cut()
    lab_host.start()
    assert lab_host.run("ls /etc/kept").returncode == 0


def test_a_cut_line_stays_cut_over_a_reboot_and_the_host_runs_on(
    lab: Lab, lab_host: LabHost
) -> None:
    boots = lab.status()[lab_host.name]["boots"]
    watch = "while ip link show host0 | grep -q LOWER_UP; do sleep 0.1; done; systemctl reboot"
    lab_host.run(["systemd-run", "--quiet", "sh", "-c", watch], user="root")
    lab_host.cut()
    assert lab_host.run("true", check=False).returncode == 255
    _until(lambda: bool(lab.status()[lab_host.name]["boots"] == boots + 1), "rebooted while cut")
    with pytest.raises(LabError, match="does not answer"):
        lab_host.wait(timeout=3.0)
    lab_host.mend()
    lab_host.wait()
    assert lab.status()[lab_host.name]["cut"] is False


def test_a_small_disk_fills_up_on_its_host_alone(lab_host: LabHost) -> None:
    lab_host.reset(disk_mb=64)
    done = lab_host.run("head -c 100M /dev/zero > /var/big", user="root", check=False)
    assert "No space left" in done.stderr


def test_packages_come_signed_from_the_lab_s_repository(lab_host: LabHost) -> None:
    lab_host.run("apt-get update -qq", user="root")
    lab_host.run("apt-get install -qq -y storewarden-demo-pos=1.0", user="root")
    assert lab_host.run("systemctl is-active storewarden-demo-pos").stdout == "active\n"
    policy = lab_host.run("apt-cache policy storewarden-demo-pos").stdout
    assert "Installed: 1.0" in policy
    assert "Candidate: 1.1" in policy
    lab_host.run("apt-get upgrade -qq -y", user="root")
    log = "journalctl -u storewarden-demo-pos -o cat -n 20"
    assert "demo till 1.1 is open" in lab_host.run(log, user="root").stdout
    # A host that lost the key must refuse the source, or the signature means nothing.
    lab_host.run("rm /etc/apt/keyrings/storewarden-lab.asc", user="root")
    refused = lab_host.run("apt-get update -qq", user="root", check=False)
    assert "not signed" in refused.stderr or "NO_PUBKEY" in refused.stderr


def test_both_inventories_say_the_same_and_ansible_gets_in(lab: Lab, project_root: Path) -> None:
    program = Path(sys.executable).with_name("ansible-inventory")
    found = []
    for source in (project_root / "inventories/lab", lab.inventory_path):
        done = subprocess.run(
            [program, "-i", source, "--list"],
            env={**os.environ, "STOREWARDEN_LAB_NAME": lab.name},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    script, file = (listing["_meta"]["hostvars"] for listing in found)
    for host in lab.hosts:
        expected = {
            name: value for name, value in script[host.name].items() if "sw_lab" not in name
        }
        assert file[host.name].keys() == expected.keys()
        assert file[host.name]["sw_store"] == expected["sw_store"] == host.store
        for name in ("sw_tier", "sw_tz", "sw_hours", "sw_ci", "ansible_user"):
            assert file[host.name][name] == expected[name]
    for listing in found:
        assert listing["role_pos"]["hosts"] == [h.name for h in lab.hosts if h.role == "pos"]
        assert lab.hosts[0].name in listing["region_east"]["hosts"]
    ping = subprocess.run(
        [program.with_name("ansible"), "-i", project_root / "inventories/lab", "all", "-m", "ping"],
        env={**os.environ, "STOREWARDEN_LAB_NAME": lab.name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ping.stdout.count('"pong"') == len(lab.hosts), ping.stdout + ping.stderr


def test_an_inventory_of_a_lab_that_is_not_up_is_an_error(project_root: Path) -> None:
    done = subprocess.run(
        [project_root / "inventories/lab/hosts.py", "--list"],
        env={**os.environ, "STOREWARDEN_LAB_NAME": "nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("lab 'nobody' is not up")


def test_up_twice_is_quick_and_another_size_is_refused(lab: Lab) -> None:
    size = ("--stores", str(lab.plan.stores), "--pos", str(lab.plan.pos))
    again = _lab("up", "--name", lab.name, *size)
    assert again.returncode == 0, again.stderr
    assert "is up already" in again.stdout
    larger = _lab("up", "--name", lab.name, "--stores", str(lab.plan.stores + 1))
    assert larger.returncode == 1
    assert "take it down first" in larger.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("up", "--name", "Kasse 1"), "lower-case letters"),
        (("up", "--name", "big", "--stores", "100"), "more than the 240"),
        (("status", "--name", "nobody"), "is not up"),
        (("exec", "--name", "nobody", "h", "--", "true"), "is not up"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: tuple[str, ...], reason: str) -> None:
    done = _lab(*words)
    assert done.returncode == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_exec_ends_with_the_status_of_the_command(lab: Lab) -> None:
    host = lab.hosts[0].name
    done = _lab("exec", "--name", lab.name, host, "--", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    unknown = _lab("exec", "--name", lab.name, "s999999-sv01", "--", "true")
    assert unknown.returncode == 1
    assert host in unknown.stderr


def test_a_killed_supervisor_ends_its_hosts_and_does_not_block_the_next_up(
    lab: Lab, other: str
) -> None:
    size = ("--stores", "1", "--pos", "0")
    assert _lab("up", "--name", other, *size).returncode == 0
    first = Lab(other)
    assert first.plan.octet != lab.plan.octet
    supervisor = json.loads(first.places.supervisor.read_text())["pid"]
    _as_root("kill", "-KILL", str(supervisor))
    # The recorded number now belongs to a stranger, who must live on.
    stranger = subprocess.Popen(["sleep", "300"])
    record = {"pid": stranger.pid, "start": 1, "boot": "another"}
    _as_root("tee", str(first.places.supervisor), text=json.dumps(record))
    try:
        again = _lab("up", "--name", other, *size)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "a dead one had left" in again.stdout
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    second = Lab(other)
    assert second.plan.key != first.plan.key
    assert second.hosts[0].run("hostname").stdout == "s000101-sv01\n"
    assert not [trace for trace in _traces(other) if first.plan.key in trace]
    assert _lab("down", "--name", other).returncode == 0
    assert _traces(other) == []
    assert lab.hosts[0].run("true").returncode == 0


def test_a_lab_ends_with_the_process_it_was_made_for(lab: Lab, other: str) -> None:
    owner = subprocess.Popen(["sleep", "300"])
    size = ("--stores", "1", "--pos", "0")
    made = _lab("up", "--name", other, *size, "--owner", str(owner.pid))
    assert made.returncode == 0, made.stderr
    assert _traces(other)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    _until(lambda: not _traces(other), "the lab gone")


def test_an_interrupted_up_leaves_nothing(lab: Lab, other: str) -> None:
    process = subprocess.Popen(
        lab_command("up", "--name", other, "--stores", "1", "--pos", "1"),
        cwd=source_root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert "2 hosts on" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert _traces(other) == []


def test_hosts_that_do_not_boot_are_named_with_their_last_words(
    lab: Lab, other: str, tmp_path: Path
) -> None:
    """The image is an empty folder here: nothing in it can boot."""
    cache = tmp_path / "cache"
    (cache / "images" / image.path().name).mkdir(parents=True)
    for part in ("home/ops/.ssh", "etc/ssh"):
        (cache / "images" / image.path().name / part).mkdir(parents=True)
    size = ("--stores", "1", "--pos", "0")
    done = _lab("up", "--name", other, *size, STOREWARDEN_LAB_CACHE=str(cache))
    assert done.returncode == 1
    assert done.stderr == "lab: these hosts did not boot: s000101-sv01\n"
    assert "doesn't look like" in done.stdout
    assert _traces(other) == []
