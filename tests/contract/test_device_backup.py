# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of network devices: real netmiko sessions, a real Git history, a real ledger."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.config_git import GitConfigs
from storewarden.adapters.devices import DeviceLogin, NetmikoDevices
from storewarden.domain.backup.device_config import Platform
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused
from storewarden.flows.device_backup import (
    Came,
    DeviceBackupParts,
    DeviceResult,
    back_up_devices,
)
from storewarden.ports.devices import DeviceAccess
from storewarden.ports.secrets import Secret
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.servers.network_devices import PASSWORD, USER, Router, host_keys, routers

pytestmark = [
    pytest.mark.slow,  # SSH servers of Python
    # FakeNOS' threads complain of clients that leave early.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


def config(name: str, address: str = "10.0.0.1") -> str:
    return (
        f"Building configuration...\n!\nversion 15.2\nhostname {name}\n!\n"
        f"interface Gi0/1\n ip address {address} 255.255.255.0\n!\n"
        "line vty 0 4\n transport input ssh\n!\nend"
    )


class Chain:
    """Three routers, a folder and a ledger."""

    def __init__(self, folder: Path, known_hosts: Path) -> None:
        self.texts = {name: config(name) for name in ("Router-A", "Router-B", "Router-C")}
        self.routers = [
            Router(name=name, config=lambda n=name: self.texts[n]) for name in self.texts
        ]
        self.folder = folder
        self.known_hosts = known_hosts
        self.password = PASSWORD
        self.clock = ManualClock(datetime(2026, 6, 1, 2, tzinfo=UTC))
        self.ledger = MemoryLedger(self.clock)

    def _text(self, name: str) -> Callable[[], str]:
        return lambda: self.texts[name]

    def back_up(self, *names: str, smaller: bool = False) -> dict[str, DeviceResult]:
        login = DeviceLogin(
            user=USER,
            password=Secret(self.password),
            known_hosts=self.known_hosts,
            timeout=timedelta(seconds=20),
        )
        parts = DeviceBackupParts(
            devices=NetmikoDevices(login),
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            zone=UTC,
            smaller=smaller,
        )
        self.clock.advance(timedelta(minutes=1))
        wanted = [self.access(each) for each in self.routers if not names or each.name in names]
        return {each.device: each for each in back_up_devices(parts, wanted)}

    @property
    def store(self) -> GitConfigs:
        return GitConfigs(self.folder)

    def access(self, router: Router) -> DeviceAccess:
        return DeviceAccess(
            device=router.name,
            address="127.0.0.1",
            platform=Platform.CISCO_IOS,
            port=router.port,
        )

    def git(self, *argv: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *argv], capture_output=True, text=True, check=True
        )
        return done.stdout


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("devices")
    chain = Chain(folder / "configurations", folder / "known_hosts")
    with routers(*chain.routers):
        chain.known_hosts.write_text(host_keys(*chain.routers))
        yield chain


@pytest.fixture
def chain(running: Chain, tmp_path: Path) -> Chain:
    running.folder = tmp_path / "configurations"
    running.texts.update({name: config(name) for name in running.texts})
    running.password = PASSWORD
    running.ledger = MemoryLedger(running.clock)
    return running


def test_what_changed_is_kept_under_the_guide_s_name_with_its_history(chain: Chain) -> None:
    first = chain.back_up()
    assert {each.came for each in first.values()} == {Came.FIRST}
    day = f"{chain.clock.now():%Y%m%d}"
    assert first["Router-A"].file == f"Router-A-{day}-v1.0.cfg"
    chain.texts["Router-A"] = config("Router-A", "10.9.9.9")
    second = chain.back_up()
    assert second["Router-A"].file == f"Router-A-{day}-v1.1.cfg"
    assert {second[name].came for name in ("Router-B", "Router-C")} == {Came.UNCHANGED}
    files = chain.store.files("Router-A")
    assert "10.9.9.9" in chain.store.text(files[-1])
    assert "10.0.0.1" in chain.store.text(files[0])
    assert chain.git("log", "--oneline").count("\n") == 2
    assert chain.git("status", "--porcelain") == ""
    told = [entry for entry in chain.ledger.journal() if entry.run.startswith("configurations")]
    assert [entry.body.get("came") for entry in told if entry.step == "Router-A"] == [
        "first",
        "changed",
    ]
    assert told[-1].body["unchanged"] == 2


def test_an_error_text_is_refused_and_the_one_before_stays(chain: Chain) -> None:
    good = chain.back_up()["Router-A"].file
    chain.texts["Router-A"] = "% Authorization failed.\n" * 9
    told = chain.back_up()["Router-A"]
    assert (told.came, told.file) == (Came.REJECTED, good)
    chain.texts["Router-A"] = config("Router-A")
    assert chain.back_up()["Router-A"].came is Came.UNCHANGED


def test_one_that_shrank_is_taken_when_a_person_says_so(chain: Chain) -> None:
    big = "".join(f" description port {number}\n" for number in range(40))
    chain.texts["Router-C"] = config("Router-C").replace("line vty", f"{big}line vty")
    chain.back_up("Router-C")
    chain.texts["Router-C"] = config("Router-C")
    told = chain.back_up("Router-C")["Router-C"]
    assert told.came is Came.REJECTED
    assert "--smaller" in told.en
    assert chain.back_up("Router-C", smaller=True)["Router-C"].came is Came.CHANGED


def test_chinese_comes_through_whole(chain: Chain) -> None:
    chain.texts["Router-A"] = config("Router-A").replace("line vty", "! 上海南京东路门店\nline vty")
    file = chain.back_up("Router-A")["Router-A"].file
    assert "上海南京东路门店" in chain.store.text(chain.store.files("Router-A")[-1])
    assert file


def test_a_history_that_was_cut_off_in_the_middle_goes_on(chain: Chain) -> None:
    chain.back_up("Router-A")
    (chain.folder / ".git/index.lock").write_text("")
    chain.texts["Router-A"] = config("Router-A", "10.7.7.7")
    assert chain.back_up("Router-A")["Router-A"].came is Came.CHANGED
    assert chain.git("status", "--porcelain") == ""


def test_one_that_is_being_typed_is_refused(chain: Chain) -> None:
    chain.back_up()
    count = iter(range(100))
    router = next(each for each in chain.routers if each.name == "Router-B")
    before = router.config
    router.config = lambda: config("Router-B", f"10.1.1.{next(count)}")
    try:
        told = chain.back_up("Router-B")["Router-B"]
    finally:
        router.config = before
    assert told.came is Came.REJECTED
    assert "being changed" in told.en


def test_one_device_that_fails_does_not_hold_up_the_others(chain: Chain) -> None:
    chain.routers += [Router(name=name, config=str, port=1) for name in ("Router-X", "路由器")]
    try:
        found = chain.back_up()
    finally:
        del chain.routers[-2:]
    assert {found[name].came for name in ("Router-X", "路由器")} == {Came.FAILED}
    assert {found[name].came for name in ("Router-A", "Router-B", "Router-C")} == {Came.FIRST}


def test_a_refused_login_says_so_and_nothing_of_the_password(chain: Chain) -> None:
    chain.password = "wrong-secret-0815"
    told = chain.back_up("Router-A")["Router-A"]
    assert told.came is Came.FAILED
    assert told.en.startswith("the login was refused")
    everything = repr(told) + "".join(map(repr, chain.ledger.journal()))
    assert "wrong-secret-0815" not in everything


def test_a_device_whose_key_nobody_knows_gets_no_password(chain: Chain, tmp_path: Path) -> None:
    known, chain.known_hosts = chain.known_hosts, tmp_path / "nobody"
    chain.known_hosts.write_text("")
    try:
        told = chain.back_up("Router-A")["Router-A"]
    finally:
        chain.known_hosts = known
    assert told.came is Came.FAILED
    assert "host key" in told.en


def test_only_one_keeps_configurations_at_a_time(chain: Chain) -> None:
    with chain.store.writing(), pytest.raises(Refused):
        chain.back_up()


def test_what_a_killed_run_had_kept_is_history_after_the_next(chain: Chain) -> None:
    file = chain.store.files("Router-A")
    assert file == ()
    chain.back_up("Router-B")
    left = chain.folder / "Router-A"
    left.mkdir()
    (left / "Router-A-20260601-v1.0.cfg").write_text(config("Router-A"))
    assert chain.back_up("Router-A")["Router-A"].came is Came.UNCHANGED
    assert "Router-A-20260601-v1.0.cfg" in chain.git("log", "--name-only", "--format=")


def test_a_platform_without_a_command_is_told(chain: Chain) -> None:
    access = DeviceAccess(device="x", address="127.0.0.1", platform=Platform.GENERIC)
    with pytest.raises(ConfigInvalid, match="nobody says how"):
        NetmikoDevices(DeviceLogin(user=USER)).read(access)


def test_names_that_lead_elsewhere_are_refused(chain: Chain) -> None:
    for name in ("../etc", "a/b", "", ".git"):
        with pytest.raises(ConfigInvalid):
            chain.store.files(name)


def test_a_folder_that_cannot_be_written_is_one_error(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    chain.folder = tmp_path / "file/configurations"
    with pytest.raises(AdapterError):
        chain.back_up()
