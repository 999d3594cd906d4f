# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, servers behind nginx, and Redis, on a real host with the real programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.heal_plays import Healed, Healing
from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import WEB

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def why(healed: Healed) -> str:
    """What diagnose said."""
    return str(healed.own["diagnosis"]["reason"])


@pytest.fixture(scope="module")
def web(lab: Lab) -> Iterator[LabHost]:
    host = lab.hosts[0]
    host.reset(above=built(WEB))
    yield host
    host.reset()


@pytest.fixture
def healing(lab: Lab, web: LabHost, tmp_path: Path) -> Healing:
    return Healing(lab=lab, host=web, folder=tmp_path)


# -- certificates --------------------------------------------------------------------------------

_EXPIRED = """
set -e
mkdir -p /srv/ca /etc/nginx/tls /etc/storewarden/renew.d
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
  -subj '/CN=Authority of the chain' -keyout /srv/ca/ca.key -out /srv/ca/ca.crt 2>/dev/null
cat > /srv/ca/ca.cnf <<'END'
[ca]
default_ca = ours
[ours]
certificate = /srv/ca/ca.crt
private_key = /srv/ca/ca.key
database = /srv/ca/index
unique_subject = no
serial = /srv/ca/serial
new_certs_dir = /srv/ca
default_md = sha256
policy = anybody
copy_extensions = copy
[anybody]
commonName = supplied
END
touch /srv/ca/index
echo 01 > /srv/ca/serial
cat > /etc/storewarden/renew.d/store <<'END'
#!/bin/sh -e
# certificate, key; ENDS and NAME from a file beside the authority
. /srv/ca/wish
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$NAME" \
  -addext "subjectAltName=DNS:$NAME" -keyout "$2" -out /srv/ca/new.csr
day() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
openssl ca -batch -notext -config /srv/ca/ca.cnf -in /srv/ca/new.csr -out "$1" \
  -startdate "$(day '-900 days')" -enddate "$(day "$ENDS")"
echo "the key is in $2"
END
chmod 0755 /etc/storewarden /etc/storewarden/renew.d /etc/storewarden/renew.d/store
printf 'ENDS="-3 days"\\nNAME=shop.example.com\\n' > /srv/ca/wish
/etc/storewarden/renew.d/store /etc/nginx/tls/store.crt /etc/nginx/tls/store.key 2>/dev/null
printf 'ENDS="90 days"\\nNAME=shop.example.com\\n' > /srv/ca/wish
cat > /etc/nginx/sites-enabled/default <<'END'
server {
  listen 443 ssl;
  ssl_certificate /etc/nginx/tls/store.crt;
  ssl_certificate_key /etc/nginx/tls/store.key;
  location / { return 200 "open"; }
}
END
systemctl restart nginx
"""
STORE = "/etc/nginx/tls/store"
CERTIFICATE: dict[str, Any] = {
    "certificate": f"{STORE}.crt",
    "key": f"{STORE}.key",
    "ca": "/srv/ca/ca.crt",
    "hook": "store",
    "units": ["nginx.service"],
    "port": 443,
}
PAIR = f"sha256sum {STORE}.crt {STORE}.key"
SHOWN = (
    "openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null"
    " | openssl x509 -noout -fingerprint -sha256"
)
ON_DISK = f"openssl x509 -noout -fingerprint -sha256 -in {STORE}.crt"


def test_an_expired_certificate_is_renewed(healing: Healing) -> None:
    healing.sh(_EXPIRED)
    renewed = healing.run("certificate", **CERTIFICATE)
    assert renewed.end == "repaired", renewed.said
    assert "expired 3 days ago; store can renew it" in why(renewed)
    assert renewed.steps[-1] == "reloaded nginx.service"
    assert healing.sh(SHOWN) == healing.sh(ON_DISK)
    assert "PRIVATE" not in repr(renewed.own)
    assert "the key is in" in healing.sh("journalctl -t storewarden-renew -o cat")

    # A pair for somebody else never gets to the customers.
    before = healing.sh(PAIR), healing.sh(SHOWN)
    healing.sh("printf 'ENDS=900days\\nNAME=other.example.com\\n' > /srv/ca/wish")
    wrong = healing.run("certificate", **{**CERTIFICATE, "days": 200})
    assert wrong.end == "failed", wrong.said
    assert "it is no longer for shop.example.com" in wrong.reason
    assert (healing.sh(PAIR), healing.sh(SHOWN)) == before

    healing.sh("chmod 0777 /etc/storewarden/renew.d")
    loose = healing.run("certificate", **{**CERTIFICATE, "days": 200})
    assert loose.end == "escalate", loose.said
    assert "/etc/storewarden/renew.d is not root's alone to write" in why(loose)


_HANGS = f"""#!/bin/sh
setsid sleep 98765 &
echo yes > /run/hook-started
: > {STORE}.crt
sleep 98765
"""


@pytest.mark.full
def test_a_hook_that_hangs_is_ended_with_all_that_it_started(healing: Healing) -> None:
    """Before its undo puts the pair back: else what lives on would write over that."""
    healing.sh("rm -rf /srv/ca")
    healing.sh(_EXPIRED)
    before = healing.sh(PAIR)
    healing.host.write("/etc/storewarden/renew.d/hangs", _HANGS)
    healing.sh("chmod 0755 /etc/storewarden/renew.d/hangs")
    hung = healing.run("certificate", **{**CERTIFICATE, "hook": "hangs", "hook_seconds": 3})
    assert hung.end == "failed", hung.said
    assert healing.sh("cat /run/hook-started").strip() == "yes"
    assert healing.sh("pgrep -f '[s]leep 98765' || echo none").strip() == "none"
    assert healing.sh(PAIR) == before
    # Starts of nginx are counted: with those of this test the next one's would be a loop.
    healing.host.reset(above=built(WEB))


# -- nginx ---------------------------------------------------------------------------------------

_UNIT = """
[Service]
ExecStart=python3 -m http.server --bind 127.0.0.1 --directory /srv/shop {port}
"""
_ANSWERS = """
answers() {
  until python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 5)" 2>/dev/null; do
    sleep 0.1
  done
}
"""
_BEHIND = """
set -e
mkdir -p /srv/shop /etc/nginx/upstreams
echo open > /srv/shop/health
echo 'server 127.0.0.1:8082 weight=2; # the store itself
server 127.0.0.1:8083;' > /etc/nginx/upstreams/shop.conf
cat > /etc/nginx/sites-enabled/default <<'END'
upstream shop { include /etc/nginx/upstreams/shop.conf; }
server {
  listen 80;
  location / { proxy_pass http://shop; }
  location /pos/ { proxy_pass http://127.0.0.1:8081/; }
}
END
systemctl daemon-reload
for unit in pos-demo shop-one shop-two; do systemctl restart $unit; done
for port in 8081 8082 8083; do answers $port; done
nginx -t 2>/dev/null
systemctl restart nginx
"""
NGINX: dict[str, Any] = {
    "units": {"127.0.0.1:8081": "pos-demo.service"},
    "includes": {"shop": "/etc/nginx/upstreams/shop.conf"},
    "paths": {"shop": "/health"},
    "url": "http://127.0.0.1/health",
}
_POS = """
python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1/pos/').status)"
"""
SITE = "/etc/nginx/sites-enabled/default"


def test_dead_servers_behind_nginx(healing: Healing) -> None:
    for unit, port in (("pos-demo", 8081), ("shop-one", 8082), ("shop-two", 8083)):
        healing.host.write(f"/etc/systemd/system/{unit}.service", _UNIT.format(port=port))
    healing.sh(_ANSWERS + _BEHIND)
    before = healing.host.read("/etc/nginx/upstreams/shop.conf")
    healing.sh(
        "systemctl kill -s KILL pos-demo; systemctl stop shop-two;"
        "timeout 200 sh -c 'until systemctl is-failed pos-demo; do sleep 0.1; done'"
    )
    dead = healing.run("nginx", **NGINX)
    assert dead.end == "repaired", dead.said
    assert dead.steps == ["restarted pos-demo.service", "took 127.0.0.1:8083 out of shop"]
    assert "server 127.0.0.1:8083 down;" in healing.sh("nginx -T 2>/dev/null")
    assert healing.sh(_POS).strip() == "200"
    assert healing.look("nginx", **NGINX).end == "healthy"

    healing.sh(_ANSWERS + "systemctl start shop-two; answers 8083")
    back = healing.run("nginx", **NGINX)
    assert back.end == "repaired", back.said
    assert healing.host.read("/etc/nginx/upstreams/shop.conf") == before

    healing.sh(
        "systemctl kill -s KILL nginx;"
        "timeout 200 sh -c 'until systemctl is-failed nginx; do sleep 0.1; done'"
    )
    killed = healing.run("nginx", **NGINX)
    assert (killed.end, killed.steps) == ("repaired", ["started nginx.service"]), why(killed)

    healing.sh(f"echo 'sever_tokens off;' >> {SITE}")
    broken = healing.run("nginx", **NGINX)
    assert broken.end == "escalate", broken.said
    assert f'unknown directive "sever_tokens" in {SITE}:7' in why(broken)


# -- Redis ---------------------------------------------------------------------------------------

# Its data lie on a small disk, and its allocator gives nothing back by itself.
_REDIS = """
set -e
systemctl stop redis-server
mount -t tmpfs -o size=8m,mode=0750,uid=$(id -u redis),gid=$(id -g redis) tmpfs /var/lib/redis
printf 'requirepass hush-hush\\nenable-debug-command local\\nsave ""\\n' >> /etc/redis/redis.conf
mkdir -p /etc/systemd/system/redis-server.service.d
echo '[Service]
Environment=MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,background_thread:false' \
  > /etc/systemd/system/redis-server.service.d/test.conf
systemctl daemon-reload
systemctl start redis-server
"""
ASK = "REDISCLI_AUTH=hush-hush timeout 200 redis-cli "


def ask(healing: Healing, *commands: str) -> list[str]:
    """The last line of each answer."""
    said = healing.sh("\n".join(f"{ASK} {one} | tail -n 1" for one in commands))
    return said.splitlines()


def _each(begin: int, end: int, work: str) -> str:
    """A command that works through numbers on the server's own side."""
    return f'EVAL "for i = {begin}, {end} do {work} end" 0'


def _keys(begin: int, end: int, more: str = "") -> str:
    return _each(begin, end, f"redis.call('SET', 'k' .. i, string.rep('x', 1000){more})")


def test_redis_gives_memory_back_and_saves_again(healing: Healing) -> None:
    healing.sh(_REDIS)
    # FLUSHALL would give it back itself.
    ask(healing, _keys(1, 60000), _each(1, 60000, "redis.call('DEL', 'k' .. i)"))
    waste = healing.run("redis", waste_mb=30)
    assert waste.end == "repaired", waste.said
    assert waste.own["steps"][0]["freed"] > 20 * 1024 * 1024
    assert "hush-hush" not in repr(waste.own) + waste.said

    # Keys whose time is over, which the server has not noticed.
    ask(healing, "DEBUG SET-ACTIVE-EXPIRE 0", "SET kept forever", _keys(1, 5000, ", 'PX', 1"))
    full = int(ask(healing, "INFO memory | grep ^used_memory: | tr -dc 0-9 | sed 's/$/\\n/'")[0])
    ask(healing, f"CONFIG SET maxmemory {full}")
    over = healing.run("redis")
    assert over.end == "repaired", over.said
    assert "5000 keys were over" in over.steps[0]
    assert ask(healing, "GET kept", "DBSIZE", "CONFIG GET maxmemory") == ["forever", "1", str(full)]

    # A disk that is full while it saves, and has room again afterwards.
    ask(healing, "CONFIG SET maxmemory 0", "CONFIG SET save '3600 1'", _keys(1, 2000))
    healing.sh("dd if=/dev/zero of=/var/lib/redis/filler bs=64k 2>/dev/null; true")
    ask(healing, "BGSAVE")
    healing.sh(
        "timeout 200 sh -c 'until REDISCLI_AUTH=hush-hush redis-cli INFO persistence"
        " | grep -q rdb_last_bgsave_status:err; do sleep 0.1; done'"
    )
    assert "MISCONF" in healing.sh(f"{ASK} SET refused 1")
    still = healing.run("redis")
    assert still.end == "escalate", still.said
    assert "writes are refused; room on its disk: 0 MB" in why(still)
    healing.sh("rm /var/lib/redis/filler")
    saved = healing.run("redis")
    assert (saved.end, saved.steps) == ("repaired", ["had the data saved once more"]), saved.said
    assert ask(healing, "SET taken 1") == ["OK"]

    healing.sh("systemctl stop redis-server")
    down = healing.run("redis")
    assert down.end == "escalate", down.said
    assert "that is for the action service" in why(down)
