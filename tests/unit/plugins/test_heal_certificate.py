# SPDX-License-Identifier: GPL-3.0-or-later
"""The action certificate: what openssl says, and which hook may be run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.certificate import (
    ACTION,
    OPTIONS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.certificate_hook import (
    hook_problem,
    run_hook,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _at_most
from ansible_collections.storewarden.ops.plugins.module_utils.heal.x509_facts import (
    chain_problem,
    parsed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from tests.e2e.restore_host import until
from tests.unit.plugins.heal_bench import STOPPED, HealBench

SAID = """notAfter=Nov 23 12:00:00 2026 GMT
subject=CN=Shop.example.com,O=Stores
sha256 Fingerprint=ab:CD:01
"""
OTHERS = """X509v3 Subject Alternative Name:
    DNS:b.example.com, DNS:A.example.com, IP Address:10.0.0.1
"""


def test_what_openssl_says_is_read() -> None:
    found = parsed(SAID, OTHERS)
    assert found["not_after"] == 1795435200
    assert found["names"] == ["10.0.0.1", "a.example.com", "b.example.com"]
    assert found["fingerprint"] == "AB:CD:01"


def test_without_other_names_it_goes_by_its_common_name() -> None:
    assert parsed(SAID, "No extensions in certificate\n")["names"] == ["shop.example.com"]


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """Folders as on a host, the hook ``store`` in them; they belong to root when root tests."""
    if os.geteuid() != 0:
        pytest.skip("whose a hook is can only be tried by root")
    folder = tmp_path / "etc/storewarden/renew.d"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    (folder / "store").write_text("#!/bin/sh\n")
    (folder / "store").chmod(0o755)
    return folder


def problem(hooks: Path, name: str = "store") -> str:
    return hook_problem(Host(str(hooks.parents[2])), name)


def test_a_hook_of_roots_may_be_run(hooks: Path) -> None:
    assert problem(hooks) == ""


@pytest.mark.parametrize("name", ["../passwd", "a/b", "", ".hidden", "-x", "x y", "store\n"])
def test_a_hook_is_one_name(hooks: Path, name: str) -> None:
    assert "is no name of a hook" in problem(hooks, name)


def test_a_hook_that_others_could_have_written_is_refused(hooks: Path) -> None:
    (hooks / "store").chmod(0o775)
    assert problem(hooks) == "/etc/storewarden/renew.d/store is not root's alone to write"
    (hooks / "store").chmod(0o755)
    os.chown(hooks / "store", 1000, 0)
    assert "is not root's alone" in problem(hooks)


def test_so_is_one_in_a_folder_of_somebody_else(hooks: Path) -> None:
    hooks.parent.chmod(0o777)
    assert problem(hooks) == "/etc/storewarden is not root's alone to write"


def test_a_link_a_folder_and_a_text_are_no_hooks(hooks: Path) -> None:
    (hooks / "link").symlink_to("/bin/true")
    assert problem(hooks, "link") == "/etc/storewarden/renew.d/link is a link"
    (hooks / "folder").mkdir(mode=0o755)
    assert "is no program" in problem(hooks, "folder")
    (hooks / "store").chmod(0o644)
    assert "is no program" in problem(hooks)
    assert "No such file" in problem(hooks, "gone")


# -- a hook and all that it starts ---------------------------------------------------------------

# A program of the hook's own, which would write after the hook's end.
_LIVES_ON = """#!/bin/sh
sleep 600 &
echo $! > {0}/child
{1}
"""


def _alive(pid: str) -> bool:
    """Not gone, and no more than a name in the table of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(("end", "seconds", "code"), [("exit 0", 60, 0), ("sleep 600", 2, 124)])
def test_nothing_of_a_hook_lives_on(
    hooks: Path, tmp_path: Path, end: str, seconds: float, code: int
) -> None:
    """In a session of its own; as a unit it is tried in tests/e2e."""
    (hooks / "store").write_text(_LIVES_ON.format(tmp_path, end))
    assert run_hook(Host(str(tmp_path)), "store", [], seconds) == code
    child = (tmp_path / "child").read_text().strip()
    until(lambda: not _alive(child), "what the hook had started is gone")


@pytest.mark.slow
def test_a_time_limit_from_outside_ends_it_too(hooks: Path, tmp_path: Path) -> None:
    (hooks / "store").write_text(_LIVES_ON.format(tmp_path, "sleep 600"))
    host = Host(str(tmp_path))
    with pytest.raises(HealError, match="did not end within"), _at_most(2.0):
        run_hook(host, "store", [], 500.0)
    child = (tmp_path / "child").read_text().strip()
    until(lambda: not _alive(child), "what the hook had started is gone")


def test_a_public_authority_is_not_the_sites_own(tmp_path: Path) -> None:
    trusted = next(iter(sorted(Path("/etc/ssl/certs").glob("*.pem"))), None)
    if trusted is None:
        pytest.skip("this machine trusts nobody")
    own = tmp_path / "own.crt"
    _made(own, tmp_path / "own.key", 30)
    host = Host()
    assert chain_problem(host, str(own), str(own)) == ""
    assert chain_problem(host, str(trusted), str(own)) != ""


# -- all of it, with openssl and a systemctl that is a script --------------------------------------

CERTIFICATE, KEY, NGINX = "/etc/tls/store.crt", "/etc/tls/store.key", "nginx.service"


def _made(certificate: Path, key: Path, days: int) -> None:
    words = ["-subj", "/CN=shop.example.com", "-days", str(days), "-out", str(certificate)]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]
    subprocess.run(
        ["openssl", "req", "-x509", *kind, str(key), *words], check=True, capture_output=True
    )


@pytest.fixture
def store(hooks: Path) -> HealBench:
    """A host with a certificate of six days, and a hook that has one of seven."""
    bench = HealBench(hooks.parents[2])
    (bench.root / "etc/tls").mkdir()
    _made(bench.root / "etc/tls/store.crt", bench.root / "etc/tls/store.key", 6)
    _made(bench.root / "new.crt", bench.root / "new.key", 7)
    runs = bench.root / "bin/systemd-run"
    runs.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    runs.chmod(0o755)
    (hooks / "store").write_text(
        f'#!/bin/sh\ncp {bench.root}/new.crt {bench.root}"$1"\ncp {bench.root}/new.key '
        f'{bench.root}"$2"\n'
    )
    bench.unit(NGINX, CanReload="yes")
    return bench


def _asked(**more: Any) -> dict[str, Any]:
    plain = {name: spec.get("default") for name, spec in OPTIONS.items()}
    given = {"certificate": CERTIFICATE, "key": KEY, "hook": "store", "units": ["nginx"]}
    return {**plain, **given, **more}


def _due(bench: HealBench, asked: dict[str, Any]) -> Any:
    """Judged five days later than it is: one of six days that has one left."""
    facts = ACTION.facts(bench.host, asked)
    return ACTION.diagnose({**facts, "now": time.time() + 5 * 86400}, asked)


@pytest.mark.slow
def test_a_certificate_that_lives_for_days_only_is_well_after_its_renewal(store: HealBench) -> None:
    asked = _asked()
    assert ACTION.diagnose(ACTION.facts(store.host, asked), asked).state == "healthy"
    found = _due(store, asked)
    assert found.state == "needed"
    said = [one.en for one in ACTION.act(store.host, found, asked)]
    assert said[-1] == f"reloaded {NGINX}"
    seen = ACTION.verify(store.host, found, asked)
    assert (seen.well, seen.reason) == (True, f"{CERTIFICATE} is good: 7 days left")


@pytest.mark.slow
def test_a_unit_that_was_stopped_does_not_undo_a_good_renewal(store: HealBench) -> None:
    store.unit(NGINX, **STOPPED, CanReload="yes")
    asked = _asked()
    found = _due(store, asked)
    assert len(ACTION.act(store.host, found, asked)) == 1
    assert ACTION.verify(store.host, found, asked).well


@pytest.mark.slow
def test_a_service_that_cannot_reload_goes_on_while_its_certificate_is_good(
    store: HealBench,
) -> None:
    store.unit(NGINX, CanReload="no")
    asked = _asked()
    found = _due(store, asked)
    assert len(ACTION.act(store.host, found, asked)) == 1
    seen = ACTION.verify(store.host, found, asked)
    assert (seen.well, "nginx.service cannot reload" in seen.reason) == (True, True)
    assert "restart" not in (store.root / "log").read_text()


@pytest.mark.slow
def test_a_hook_that_leaves_the_old_pair_has_not_renewed(store: HealBench, hooks: Path) -> None:
    (hooks / "store").write_text("#!/bin/sh\n")
    asked = _asked()
    found = _due(store, asked)
    with pytest.raises(HealError, match="it is still the old one"):
        ACTION.act(store.host, found, asked)
    assert not ACTION.verify(store.host, found, asked).well


def test_a_hook_that_would_take_all_the_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HealError, match="hook_seconds: 240 s are the most"):
        ACTION.facts(Host(str(tmp_path)), _asked(hook_seconds=300.0))
