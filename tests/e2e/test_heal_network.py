# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and lines on a real host: broken, found, repaired, taken back.

The name servers and the provider are on the host itself: loopback addresses, and a network
namespace behind two veth lines. Nothing leaves the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.dns_settings import DROP_IN
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    UNIT,
    programs,
    unit_text,
)
from tests.e2e.heal_plays import Healed, Healing
from tests.e2e.restore_host import RestoreHost, until
from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import RESOLVED

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def why(healed: Healed) -> str:
    """What diagnose said."""
    return str(healed.own["diagnosis"]["reason"])


SERVER = Path(__file__).resolve().parents[1] / "servers" / "name_server.py"
FIRST, SECOND = "127.0.0.11", "127.0.0.12"
NAMES = ["till.example.com", "www.example.org"]
DNS: dict[str, Any] = {"names": NAMES, "servers": [FIRST, SECOND], "search": ["example.com"]}
_SERVERS = f"""
start_server() {{
  systemd-run -q --collect --unit=ns-$1 python3 /srv/name_server.py $1 53 {" ".join(NAMES)}
  until python3 -c "import socket; socket.create_connection(('$1', 53), 5)" 2>/dev/null; do
    sleep 0.1
  done
}}
"""


@pytest.fixture(scope="module")
def till(lab: Lab) -> Iterator[LabHost]:
    host = next((host for host in lab.hosts if host.role == "pos"), lab.hosts[0])
    host.reset(above=built(RESOLVED))
    yield host
    host.reset()


@pytest.fixture
def healing(lab: Lab, till: LabHost, tmp_path: Path) -> Healing:
    return Healing(lab=lab, host=till, folder=tmp_path)


@pytest.fixture(scope="module")
def servers(till: LabHost) -> LabHost:
    """The site's two name servers."""
    till.write("/srv/name_server.py", SERVER.read_text(encoding="utf-8"))
    till.run(_SERVERS + f"start_server {FIRST}; start_server {SECOND}", user="root")
    return till


def test_a_resolv_conf_is_put_right(servers: LabHost, healing: Healing) -> None:
    healing.sh("systemctl stop systemd-resolved; rm /etc/resolv.conf; : > /etc/resolv.conf")
    assert healing.sh(f"getent ahosts {NAMES[0]} || echo lost").strip() == "lost"
    emptied = healing.run("dns", **DNS)
    assert emptied.end == "repaired", emptied.said
    assert "names no server" in why(emptied)
    lines = healing.sh("grep -v '^#' /etc/resolv.conf").splitlines()
    assert lines == ["search example.com", f"nameserver {FIRST}", f"nameserver {SECOND}"]
    assert "192.0.2.7" in healing.sh(f"getent ahosts {NAMES[0]}")

    healing.sh(f"systemctl stop ns-{FIRST}; echo 'options timeout:7' >> /etc/resolv.conf")
    dead = healing.run("dns", **DNS)
    assert dead.end == "repaired", dead.said
    assert f"begins with {FIRST}, which has no name server running" in why(dead)
    lines = healing.sh("grep -v '^#' /etc/resolv.conf").splitlines()
    assert lines == [
        "search example.com", "options timeout:7", f"nameserver {SECOND}", f"nameserver {FIRST}",
    ]  # fmt: skip
    again = healing.run("dns", **DNS)
    assert (again.end, again.changed) == ("healthy", False), again.said

    healing.sh(f"systemctl stop ns-{SECOND}")
    nobody = healing.run("dns", **DNS)
    assert nobody.end == "escalate", nobody.said
    assert "none of the site's name servers answers" in why(nobody)
    assert f"nameserver {SECOND}" in nobody.evidence["/etc/resolv.conf"]


def test_systemd_resolved_is_woken_and_given_servers(servers: LabHost, healing: Healing) -> None:
    site = "/etc/systemd/resolved.conf.d/10-site.conf"
    healing.sh(
        f"""{_SERVERS}
        systemctl stop ns-{FIRST} ns-{SECOND} 2>/dev/null || true
        start_server {SECOND}
        mkdir -p $(dirname {site}); printf '[Resolve]\\nDNS={SECOND}\\nDNSSEC=no\\n' > {site}
        ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
        systemctl restart systemd-resolved
        timeout 200 sh -c 'until getent ahosts {NAMES[0]}; do sleep 0.1; done'
        systemctl kill -s STOP systemd-resolved
        """
    )
    stuck = healing.run("dns", **DNS, seconds=1)
    assert stuck.end == "repaired", stuck.said
    assert stuck.steps == ["restarted systemd-resolved.service"]
    assert healing.look("dns", **DNS).end == "healthy"

    healing.sh(f"sed -i s/{SECOND}/127.0.0.99/ {site}; systemctl restart systemd-resolved")
    alone = healing.run("dns", **DNS)
    assert alone.end == "repaired", alone.said
    assert f"has no server that answers; {SECOND} does" in why(alone)
    assert "192.0.2.7" in healing.sh(f"getent ahosts {NAMES[1]}")
    assert healing.sh("readlink /etc/resolv.conf").strip().endswith("stub-resolv.conf")

    # Its own server is good again: what it was given goes.
    healing.sh(f"sed -i s/127.0.0.99/{SECOND}/ {site}")
    back = healing.run("dns", **DNS)
    assert back.end == "repaired", back.said
    assert back.steps == ["gave systemd-resolved.service its own servers back"]
    assert healing.sh(f"test -e {DROP_IN} || echo gone").strip() == "gone"
    assert "192.0.2.7" in healing.sh(f"getent ahosts {NAMES[1]}")


# -- lines ---------------------------------------------------------------------------------------

_LINES = """
ip netns add isp
for n in 0 1; do
  ip link add wan$n type veth peer name isp$n netns isp
  ip address add 10.99.$n.2/24 dev wan$n
  echo 2 > /proc/sys/net/ipv4/conf/wan$n/rp_filter
  ip link set wan$n up
  ip -n isp address add 10.99.$n.1/24 dev isp$n
  ip -n isp link set isp$n up
  ip route add default via 10.99.$n.1 dev wan$n metric $((100 + n))
done
ip -n isp link set lo up
ip -n isp address add 192.0.2.10/32 dev lo
ip netns exec isp nft 'add table inet cut;
  add chain inet cut in { type filter hook input priority 0; }'
"""
BREAK = "ip netns exec isp nft add rule inet cut in iifname isp0 drop"
MEND = "ip netns exec isp nft flush chain inet cut in"
FAR = "192.0.2.10"
WAY = f"ip route get {FAR} | grep -o 'dev [a-z0-9]*'"
# An echo over one, a connection over the other: nobody listens there, and the refusal is an answer.
LINES: dict[str, Any] = {
    "primary": {"device": "wan0", "gateway": "10.99.0.1", "targets": [FAR]},
    "backup": {"device": "wan1", "gateway": "10.99.1.1", "targets": [f"{FAR}:7"]},
    "rounds": 4,
    "stable": 1,
    "hold": 0,
}


@pytest.fixture(scope="module")
def lines(till: LabHost) -> LabHost:
    till.run("set -e\n" + _LINES, user="root")
    return till


def test_the_backup_takes_over_and_gives_back(lines: LabHost, healing: Healing) -> None:
    well = healing.run("link", **LINES)
    assert (well.end, well.changed) == ("healthy", False), well.said
    healing.sh(BREAK)
    over = healing.run("link", **LINES)
    assert over.end == "repaired", over.said
    assert "the line wan0 is dead (100 % lost), the backup wan1 carries" in why(over)
    assert healing.sh(WAY).strip() == "dev wan1"
    assert "metric 100" in healing.sh("ip route show default dev wan0")  # as it was

    healing.sh(MEND)
    held = healing.look("link", **{**LINES, "hold": 3600})
    assert held.end == "healthy", held.said
    assert "wan1 carries until 3600 s have passed" in why(held)
    back = healing.run("link", **LINES)
    assert back.end == "repaired", back.said
    assert healing.sh(WAY).strip() == "dev wan0"
    assert healing.sh(f"systemctl is-active {UNIT}", check=False).strip() == "inactive"

    healing.sh(BREAK)
    flapping = healing.run("link", **{**LINES, "per_hour": 2})
    assert flapping.end == "escalate", flapping.said
    assert "switched 2 times within an hour" in why(flapping)
    # Its gateway is wrong: the line carries when it is asked, and nothing does after the switch.
    wrong = {**LINES, "backup": {**LINES["backup"], "gateway": "10.99.1.77"}}
    lost = healing.run("link", **wrong)
    assert lost.end == "not_well", lost.said
    assert healing.sh("ip route show default dev wan1").split()[1:3] == ["via", "10.99.1.1"]
    assert healing.sh(f"test ! -e /etc/systemd/system/{UNIT} && echo gone").strip() == "gone"
    healing.sh(MEND)


WHOLE = {**LINES, "seconds": 1.0, "metric": 10, "table": "main", "dead_after": 300.0, "lease": 1e6}


def _installed(lines: LabHost, **options: Any) -> str:
    """The unit's file with these options; its programs are on the host."""
    for path, text in programs().items():
        lines.write(path, text)
    return unit_text({**WHOLE, **options}, "/usr/bin/python3")


@pytest.mark.full
def test_a_host_that_nobody_reaches_goes_back_by_itself(lines: LabHost) -> None:
    host = RestoreHost(host=lines)
    host.sh(f"rm -f /etc/systemd/system/{UNIT}; systemctl daemon-reload")
    text = _installed(lines)
    said = host.arm(
        {"kind": "unit", "name": UNIT, "after_restore": "leave"},
        then=f"cat > /etc/systemd/system/{UNIT} <<'END'\n{text}END\n"
        f"systemctl daemon-reload; systemctl start {UNIT}; {WAY}",
    )
    assert said.strip() == "dev wan1"
    host.must("extended", deadline=2.0, exact=True)
    record = host.record()
    assert (record["outcome"], record["cause"]) == ("restored", "deadline"), record
    assert host.sh(WAY).strip() == "dev wan0"
    host.gone_quiet()


CUT_BOTH = f"{BREAK}; ip netns exec isp nft add rule inet cut in iifname isp1 drop"
FLUSH = "ip route flush default dev wan1 metric 10"


@pytest.mark.full
def test_a_backup_that_was_confirmed_and_dies_later(lines: LabHost, healing: Healing) -> None:
    """Switched and confirmed; then the backup dies, and only the line is mended: nobody could
    reach the host over the backup to switch it back, and it goes back alone. A route that somebody
    flushed comes back before."""
    healing.sh(f"{MEND}; rm -f /var/lib/storewarden/heal/link.json")
    healing.sh(BREAK)
    over = healing.run("link", **LINES, dead_after=2, persistent=True)
    assert over.end == "repaired", over.said
    healing.sh(FLUSH)
    until(lambda: "wan1" in healing.sh(WAY), "the route is put back")
    healing.sh(CUT_BOTH)
    healing.sh(f"{MEND}; ip netns exec isp nft add rule inet cut in iifname isp1 drop")
    until(
        lambda: healing.sh(f"systemctl is-active {UNIT}", check=False).strip() == "inactive",
        "the unit has let go",
    )
    assert healing.sh(WAY).strip() == "dev wan0"
    assert healing.sh(f"systemctl is-enabled {UNIT}", check=False).strip() == "disabled"
    said = healing.sh(f"journalctl -u {UNIT} -o cat")
    assert "the backup is dead, and the line answers" in said
    healing.sh(MEND)
