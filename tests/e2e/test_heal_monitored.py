# SPDX-License-Identifier: GPL-3.0-or-later
"""Every heal action, from a fault that a real monitoring sees to the end of its alert.

Fault made, alert fired by Prometheus over Debian's exporters and the rules that we ship, sent by
Alertmanager, decided and repaired by a real ``storewarden serve``, verified with the sender,
resolved. Four hosts of the lab have four faults each.

Declared fixtures: a till's memory is the whole machine's, so the hog's limits are made small; the
clock is not moved, its daemon is gone; what hangs is a FUSE filesystem that nobody serves; a
filesystem that turned read-only is a memory disk, and that one is left to a person, on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import test_heal_databases as databases
from tests.e2e import test_heal_network as network
from tests.e2e import test_heal_printing as printing
from tests.e2e import test_heal_service as services
from tests.e2e import test_heal_web as web
from tests.e2e.heal_watch import Scene, Waiting, Watch, watch
from tests.e2e.test_heal_watched import a_killed_service
from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import DATABASES, RESOLVED, TILL, WEB
from tests.servers.exporters import looks, started, watched
from tests.servers.monitoring import exporter, tools

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.lab]

# The same formulas over numbers that a lab host can have; the actions' options say the same.
_NUMBERS = {
    "MemTotal_bytes > 0.40": "MemTotal_bytes > 0.001",
    "MemTotal_bytes < 0.10": "MemTotal_bytes < 1.005",
    "0.8 * max": "0.7 * max",
}


# -- a web server --------------------------------------------------------------------------------


def an_expired_certificate(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, web._EXPIRED)
    watch.monitoring.watch("certificate", {host.name: [f"{host.address}:443"]})
    yield from watch.healed("certificate", "CertificateExpiresSoon", host)
    assert watch.sh(host, web.SHOWN) == watch.sh(host, web.ON_DISK)
    watch.monitoring.watch("certificate", {})


_PAGE = f"""
mkdir -p /srv/shop; echo open > /srv/shop/health
echo 'upstream shop {{ server 127.0.0.1:8081; }}
server {{ listen 80; location / {{ proxy_pass http://shop; }} }}' > {web.SITE}
systemctl daemon-reload; systemctl restart shop-web; answers 8081; systemctl restart nginx
systemctl kill -s KILL shop-web
"""


def a_dead_server_behind_nginx(watch: Watch, host: LabHost) -> Waiting:
    host.write("/etc/systemd/system/shop-web.service", web._UNIT.format(port=8081))
    watch.sh(host, web._ANSWERS + _PAGE)
    watch.monitoring.watch("page", {host.name: [f"http://{host.address}/health"]})
    yield from watch.healed("nginx", "NginxUpstreamDown", host)
    watch.monitoring.watch("page", {})


_SAVE = """
ask() { REDISCLI_AUTH=hush-hush timeout 200 redis-cli "$@" | tail -n 1; }
ask SET kept forever
dd if=/dev/zero of=/var/lib/redis/filler bs=64k 2>/dev/null || true
ask BGSAVE
timeout 200 sh -c 'until REDISCLI_AUTH=hush-hush redis-cli INFO persistence |
  grep -q rdb_last_bgsave_status:err; do sleep 0.1; done'
rm /var/lib/redis/filler
ask CONFIG SET save "3600 1"
"""


def a_redis_that_could_not_save(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, web._REDIS + _SAVE)
    words = "--redis.addr=redis://127.0.0.1:6379 --redis.password=hush-hush"
    targets = [watched(host), started(host, "redis", 9121, words)]
    watch.add(host, targets)
    yield from watch.healed("redis", "RedisBgsaveFailed", host)
    assert "OK" in watch.sh(host, "REDISCLI_AUTH=hush-hush redis-cli SET taken 1")


# -- a database server, and its disks ------------------------------------------------------------


def a_flood_of_connections(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, databases._SHELL + databases._FLOOD)
    source = "--setenv=DATA_SOURCE_NAME='user=postgres host=/run/postgresql sslmode=disable'"
    targets = [watched(host), started(host, "postgres", 9187, before=f"--uid=postgres {source}")]
    watch.add(host, targets)
    yield from watch.healed("database connections", "PostgresqlTooManyConnections", host)
    left = watch.sh(host, databases._SHELL + databases.LEFT).split()
    assert "pos|active" in left and left.count("pos|idle") < 10
    watch.sh(host, "systemctl stop flood exporter-postgres")


# A fresh memory disk numbers its files from 1, as shared memory that a server has open is numbered.
_FULL = """
mkdir -p /srv/full; mount -t tmpfs -o size=32m scene /srv/full; mkdir /srv/full/log
cd /srv/full; touch $(seq 5000); rm -f [0-9]*
head -c 12M /dev/zero > /srv/full/log/pos.log.9.gz; touch -d '400 days ago' /srv/full/log/*
head -c 18M /dev/zero > /srv/full/sales
"""


def a_full_disk(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, _FULL)
    yield from watch.healed("disk nearly full", "NodeFilesystemAlmostOutOfSpace", host)
    assert watch.sh(host, "ls /srv/full").split() == ["log", "sales"]
    watch.sh(host, "umount /srv/full")


_SESSIONS = """
mkdir -p /srv/small; mount -t tmpfs -o size=8m,nr_inodes=300 scene /srv/small
mkdir /srv/small/sessions; touch /srv/small/sale; cd /srv/small/sessions
for i in $(seq 400); do touch -d '3 days ago' $i 2>/dev/null || break; done
"""


def used_up_inodes(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, _SESSIONS)
    yield from watch.healed("inodes nearly gone", "NodeFilesystemAlmostOutOfFiles", host)
    assert "sale" in watch.sh(host, "ls /srv/small")
    watch.sh(host, "umount -l /srv/small")


def a_memory_hog(watch: Watch, host: LabHost) -> Waiting:
    host.write("/etc/systemd/system/sw-hog.service", services.HOG)
    watch.sh(host, "touch /run/hog; systemctl daemon-reload; systemctl start sw-hog")
    looks(host, memory=["sw-*.service"])
    yield from watch.healed("memory hog", "HostMemoryUnderPressure", host)
    looks(host)


# -- a till --------------------------------------------------------------------------------------


def a_stopped_queue(watch: Watch, host: LabHost) -> Waiting:
    host.write("/srv/printer.py", printing._PRINTER)
    # A queue that says nothing of its printer may have been stopped by a person.
    says = 'print("ERROR: The printer is not responding.", file=sys.stderr)\n    sys.exit(4)'
    backend = printing._BACKEND.replace("sys.exit(4)", says)
    host.write("/usr/lib/cups/backend/socket", backend, mode=0o755)
    host.write("/etc/systemd/system/printer.service", printing._UNIT)
    yield from watch.until(host, "systemctl daemon-reload; lpstat -r | grep -q 'is running'")
    watch.sh(
        host,
        "lpadmin -p receipts -E -v 'socket://127.0.0.1:9100' -o printer-error-policy=stop-printer;"
        "printf 'one\\n' | lp -d receipts -o raw -",
    )
    yield from watch.until(host, "lpstat -p receipts | grep -q disabled")
    watch.sh(host, "systemctl start printer")  # somebody switched it on; the queue stays stopped
    looks(host, queues=[{"name": "receipts"}])
    yield from watch.healed("printing", "PrintQueueStuck", host)
    yield from watch.until(host, "grep -q one /run/printed")
    looks(host)


def a_clock_without_its_daemon(watch: Watch, host: LabHost) -> Waiting:
    host.write("/srv/server.conf", printing._SERVER)
    host.write("/etc/systemd/system/time-server.service", printing._SERVING)
    host.write("/etc/systemd/system/chrony.service.d/lab.conf", printing._DROP_IN)
    host.write("/etc/default/chrony", 'DAEMON_OPTS="-x"\n')
    host.write("/etc/chrony/chrony.conf", printing._TIMES.format(0))
    watch.sh(host, "systemctl daemon-reload; systemctl start time-server; systemctl restart chrony")
    yield from watch.until(host, "chronyc -c -n sources | grep -q '^^,[*]'")
    watch.sh(host, "kill $(systemctl show -p MainPID --value chrony)")
    looks(host, clock=True)
    yield from watch.healed("clock", "NodeClockNotSynchronising", host)
    looks(host)


def a_mount_that_hangs(watch: Watch, host: LabHost) -> Waiting:
    host.write("/srv/fuse.py", printing._FUSE)
    again = '#!/bin/sh\nexec mount -t tmpfs -o size=1m "$1" "$2"\n'
    host.write("/sbin/mount.fuse", again, mode=0o755)
    watch.sh(
        host,
        "mkdir -p /srv/share; test -e /dev/fuse || mknod /dev/fuse c 10 229;"
        "echo '127.0.0.1:/share /srv/share fuse.dead defaults 0 0' >> /etc/fstab;"
        "systemd-run -q --unit dead python3 /srv/fuse.py",
    )
    yield from watch.until(host, "grep -q fuse.dead /proc/self/mountinfo")
    looks(host, mounts=["/srv/share"])
    yield from watch.healed("mount hangs", "NodeNetworkMountHung", host)
    watch.sh(host, "touch /srv/share/file")
    looks(host)


_LOCKED, _LOCK = "pos-locked.service", "/run/pos-locked.lock"


def a_stale_lock(watch: Watch, host: LabHost) -> Waiting:
    host.write(f"/etc/systemd/system/{_LOCKED}", services.GUARDED.format(file=_LOCK))
    looks(host, locks=[{"unit": _LOCKED, "path": _LOCK}])
    watch.sh(
        host,
        f"echo 4000000000 > {_LOCK}; touch -d '1 hour ago' {_LOCK}; systemctl daemon-reload;"
        f"systemctl enable {_LOCKED}; systemctl start {_LOCKED} || true",
    )
    yield from watch.healed("stale lock", "ServiceBlockedByLock", host)
    assert watch.sh(host, f"systemctl is-active {_LOCKED}").strip() == "active"
    looks(host)


# -- a till's network ----------------------------------------------------------------------------


def an_empty_resolv_conf(watch: Watch, host: LabHost) -> Waiting:
    host.write("/srv/name_server.py", network.SERVER.read_text(encoding="utf-8"))
    both = "; ".join(f"start_server {one}" for one in (network.FIRST, network.SECOND))
    watch.sh(host, network._SERVERS + both)
    watch.sh(host, "systemctl stop systemd-resolved; rm /etc/resolv.conf; : > /etc/resolv.conf")
    looks(host, names=network.NAMES)
    yield from watch.healed("names", "DnsLookupFailing", host)
    looks(host)


def a_dead_line(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(host, f"set -e\n{network._LINES}\n{network.BREAK}")
    looks(host, lines=[f"{network.FAR}:7"])
    yield from watch.healed("line", "StoreLineDown", host)
    assert watch.sh(host, network.WAY).strip() == "dev wan1"
    looks(host)


def a_failed_job(watch: Watch, host: LabHost) -> Waiting:
    job = "[Service]\nType=oneshot\nExecStart=/usr/bin/test -e /srv/cured\n"
    host.write("/etc/systemd/system/job-report.service", job)
    watch.sh(host, "systemctl daemon-reload; systemctl start job-report || true; touch /srv/cured")
    yield from watch.healed("failed units", "SystemdUnitFailed", host)


def a_filesystem_that_turned_read_only(watch: Watch, host: LabHost) -> Waiting:
    watch.sh(
        host,
        "echo 'scene /srv/data tmpfs size=4m 0 0' >> /etc/fstab; mkdir -p /srv/data;"
        "mount /srv/data; mount -o remount,ro /srv/data",
    )
    yield from watch.left_to_a_person(
        "filesystem read-only",
        "NodeFilesystemReadOnly",
        host,
        lambda: watch.sh(host, "mount -o remount,rw /srv/data"),
    )


# -- all of them ---------------------------------------------------------------------------------

_LAYERS = (WEB, DATABASES, TILL, RESOLVED)
_SCENES: tuple[tuple[Scene, ...], ...] = (
    (
        an_expired_certificate,
        a_dead_server_behind_nginx,
        a_redis_that_could_not_save,
        a_killed_service,
    ),
    (a_flood_of_connections, a_full_disk, used_up_inodes, a_memory_hog),
    (a_stopped_queue, a_clock_without_its_daemon, a_mount_that_hangs, a_stale_lock),
    (
        an_empty_resolv_conf,
        a_dead_line,
        a_failed_job,
        a_filesystem_that_turned_read_only,
    ),
)
_OPTIONS: tuple[dict[str, dict[str, object]], ...] = (
    {
        "certificate": web.CERTIFICATE,
        "nginx": {"units": {"127.0.0.1:8081": "shop-web.service"}},
    },
    {
        "postgresql": databases.FLOOD,
        "disk": {"log_folders": ["/srv/full/log"]},
        "inodes": {"folders": [{"path": "/srv/small/sessions", "pattern": "[0-9]*", "days": 1e-5}]},
        "memory": {
            "allowed": ["sw-hog"],
            "always_idle": ["sw-hog"],
            "share": 0.1,
            "below": 100.5,
            "enough": 1,
        },
    },
    {
        "mount": {"allowed": ["/srv/share"], "kinds": {"fuse.dead": 22}, "seconds": 2},
        "printing": {"settle_seconds": 60},
        "lockfile": {"paths": [_LOCK]},
    },
    {
        "dns": network.DNS,
        "link": network.LINES,
        "units": {"allowed": ["job-*"]},
    },
)
_ACTIONS = (
    *("certificate", "nginx", "redis", "service", "postgresql", "disk", "inodes", "memory"),
    *("printing", "time", "mount", "lockfile", "dns", "link", "units", "readonly"),
)


@pytest.fixture(scope="module")
def outcome(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, BaseException | None]]:
    found = tools()
    if found is None or not all(map(exporter, ("node", "redis", "postgres"))):
        pytest.skip("Prometheus and its exporters are neither there nor to be had from apt here")
    hosts = lab.hosts[: len(_LAYERS)]
    if len(hosts) < len(_LAYERS):
        pytest.skip(f"{len(_LAYERS)} lab hosts are needed")
    for host, layer in zip(hosts, _LAYERS, strict=True):
        host.reset(above=built(layer))
    variables = {
        host.name: {
            f"heal_{action}_{name}": value
            for action, given in options.items()
            for name, value in given.items()
        }
        for host, options in zip(hosts, _OPTIONS, strict=True)
    }
    folder = tmp_path_factory.mktemp("monitored")
    with watch(found, folder, hosts, _ACTIONS, numbers=_NUMBERS, variables=variables) as site:
        for host in hosts:
            site.add(host, [watched(host, {})])
        yield site.play(dict(zip(hosts, _SCENES, strict=True)))
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: host.reset(), hosts))


@pytest.mark.parametrize("scene", [one.__name__ for each in _SCENES for one in each])
def test_from_the_fault_to_the_end_of_its_alert(
    scene: str, outcome: dict[str, BaseException | None]
) -> None:
    if outcome[scene] is not None:
        raise outcome[scene]  # type: ignore[misc]
