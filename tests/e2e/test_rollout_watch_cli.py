# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden rollout list|status|watch` and the orders, over a ledger with rollouts in it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import pytest

from storewarden.cli.guard import guarded
from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.record import Cause, HostState, Phase, RolloutState, WaveState
from storewarden.testing.rollout_scenes import begin, dispatch, ended, happening, open_rollout
from storewarden.wiring import Site
from tests.e2e.audit_cli import Place
from tests.e2e.change_service import Service, lay_out, serving, site_in
from tests.e2e.serve_site import PATIENCE

pytestmark = pytest.mark.slow

SCREEN, NO_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


@dataclass(slots=True)
class Cli:
    """The command line in this process, in a site of its own."""

    site: Site
    folder: Path
    capfd: pytest.CaptureFixture[str]

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self.capfd.readouterr()
        code = guarded(["rollout", *argv])
        out, err = self.capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def running(self, key: str = "k1") -> str:
        """A rollout whose first wave is under way."""
        number = open_rollout(self.site.ledger, key=key)
        begin(self.site.ledger, number)
        return number

    def happen(self, number: str, *whats: e.Happening) -> None:
        """Things happen to it."""
        count = len(self.site.ledger.rollouts.history(number))
        self.site.ledger.rollouts.amend(number, f"step {count}", happening(*whats))


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Cli]:
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with site_in(tmp_path) as site:
        yield Cli(site, tmp_path, capfd)


def over(cli: Cli, number: str, state: RolloutState) -> None:
    """It comes to an end."""
    if state is RolloutState.COMPLETED_WITH_STRAGGLERS:
        cli.happen(number, e.Moved(to=state))
        return
    cli.happen(number, e.RollbackBegan(cause=Cause.ORDER, reason="bad"))
    cli.happen(number, e.Moved(to=RolloutState.ROLLING_BACK))
    cli.happen(number, e.Moved(to=state, reason="every host restored"))


# --- list -------------------------------------------------------------------------------------


def test_a_list_shows_what_is_under_way_and_all_of_it_on_demand(cli: Cli) -> None:
    assert cli("list")[:2] == (2, "")  # no ledger yet
    first, second = cli.running("k1"), cli.running("k2")
    cli.happen(first, e.Moved(to=RolloutState.PAUSED, reason="look first"))
    code, out, err = cli("list")
    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split()[:3] == ["ROLLOUT", "PAYLOAD", "STATE"]
    assert [row.split()[0] for row in rows] == [second, first]
    assert re.search(r"paused +1/2 +0/3 .*look first$", rows[1])
    over(cli, second, RolloutState.ROLLED_BACK)
    assert second not in cli("list")[1]
    assert second in cli("list", "--all")[1]
    assert cli("list", "--change", second[:-3])[1].splitlines()[1].startswith(second)
    assert cli("list", "--all", "--limit", "1")[2] == "storewarden: there are more: --limit\n"
    assert "已暂停" in cli("list", "--lang", "zh")[1]


def test_a_list_for_programs(cli: Cli) -> None:
    number = cli.running()
    code, out, _ = cli("list", "--json")
    data = json.loads(out)
    assert (code, data["stopped"], data["more"]) == (0, "", False)
    (row,) = data["rollouts"]
    assert (row["rollout"], row["state"], row["hosts"]) == (number, "running", {"planned": 3})


def test_an_empty_list_says_so(cli: Cli) -> None:
    assert cli.site.ledger.head().sequence == 0
    assert cli("list") == (
        0, "", "storewarden: no rollout under way (--all shows those that are over)\n",
    )  # fmt: skip
    assert cli("list", "--all", "--lang", "zh") == (0, "", "storewarden: 尚无发布\n")


# --- status -----------------------------------------------------------------------------------


def test_status_in_both_languages_and_for_programs(cli: Cli) -> None:
    number, book = cli.running(), cli.site.ledger.rollouts
    book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
    code, out, err = cli("status", number)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(f"Rollout {number} · config · running · ")
    assert "Under way: 1 host" in out
    assert "000101 p." in out
    assert "进行中：1 台主机" in cli("status", number, "--lang", "zh")[1]
    data = json.loads(cli("status", number, "--json")[1])
    assert [each["id"] for each in data["dispatches"]] == [f"{number}-d1"]


def test_how_it_came_out_is_the_exit_code(cli: Cli) -> None:
    for state, code in (
        (RolloutState.ROLLED_BACK, 1),
        (RolloutState.ROLLED_BACK_WITH_DEBT, 4),
        (RolloutState.COMPLETED_WITH_STRAGGLERS, 4),
    ):
        number = cli.running(state.value)
        over(cli, number, state)
        assert cli("status", number)[0] == code
        assert cli("watch", number)[0] == code


def test_what_is_no_rollout_is_one_line_and_2(cli: Cli) -> None:
    assert cli.site.ledger.head().sequence == 0
    for number, says in (
        ("GMBG-20260601-001-R7", "there is no such rollout (storewarden rollout list --all)"),
        ("GMBG-20260601-001", "'GMBG-20260601-001' is no rollout number"),
        ("../../etc", "'../../etc' is no rollout number"),
        ("GMBG-20260601-001-R1\x1b[2J", "is no rollout number"),
    ):
        for verb in ("status", "watch"):
            code, out, err = cli(verb, number)
            assert (code, out, len(err.splitlines())) == (2, "", 1)
            assert says in err
            assert "\x1b" not in err


# --- watch ------------------------------------------------------------------------------------


def test_a_log_gets_a_line_per_happening_until_the_end(cli: Cli) -> None:
    number = cli.running()
    process = Place(cli.folder).start("rollout", "watch", number)
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    over(cli, number, RolloutState.ROLLED_BACK)  # while somebody watches
    out = first + process.stdout.read()  # communicate() would not know what lies in its buffer
    err = process.stderr.read()
    assert (process.wait(), err) == (1, "")
    told = [line[20:] for line in out.splitlines()]
    assert told[1:4] == ["its change is approved", "begun", "wave 1 begins"]
    assert told[-1] == "rolled back: every host restored"
    assert "第 1 波开始" in cli("watch", number, "--lang", "zh")[1]


def test_programs_get_a_json_line_per_entry_also_of_those_that_only_count(cli: Cli) -> None:
    number = cli.running()
    over(cli, number, RolloutState.ROLLED_BACK)
    out = cli("watch", number, "--json")[1]
    lines = [json.loads(line) for line in out.splitlines()]
    history = cli.site.ledger.rollouts.history(number)
    assert [line["sequence"] for line in lines] == [entry.sequence for entry in history]
    assert lines[-1]["kind"] == "rollout moved"
    assert lines[-1]["told"]["zh"].startswith("已回退")


def test_ctrl_c_ends_the_watching_and_nothing_else(cli: Cli) -> None:
    number = cli.running()
    process = Place(cli.folder).start("rollout", "watch", number)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate()
    assert "planned: config, 3 hosts in 2 waves" in first
    assert "Traceback" not in rest
    assert err == "storewarden: no longer watched; the rollout is not touched by that\n"
    assert process.returncode == 130
    found = cli.site.ledger.rollouts.rollout(number)
    assert found is not None
    assert found.state is RolloutState.RUNNING


class Terminal:
    """`storewarden rollout watch` on a terminal of 80 x 20."""

    def __init__(self, folder: Path, *argv: str, **environment: str) -> None:
        self._line, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "storewarden"), "rollout", "watch", *argv],
            cwd=folder,
            env=Place(folder).environment() | {"TERM": "xterm"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str) -> None:
        """Wait for something to be drawn."""
        end = time.monotonic() + PATIENCE.total_seconds()
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self._read(1.0)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        while self._read(PATIENCE.total_seconds()):
            pass
        os.close(self._line)
        return self.process.wait()

    def _read(self, patience: float) -> bool:
        if not select.select([self._line], [], [], patience)[0]:
            return False
        try:
            self.seen += os.read(self._line, 1 << 16).decode()
        except OSError:  # nobody holds the other end any more
            return False
        return True


def test_a_terminal_gets_a_picture_that_stays_in_place_and_then_the_last_state(cli: Cli) -> None:
    number = cli.running()
    terminal = Terminal(cli.folder, number)
    terminal.until("What happened last")
    cli.happen(number, e.WaveMoved(wave=1, to=WaveState.HELD, reason="no trade was seen"))
    terminal.until("waits for a person")
    over(cli, number, RolloutState.ROLLED_BACK)
    assert terminal.end() == 1
    live, _, last = terminal.seen.partition(NO_SCREEN)
    assert live.count(SCREEN) == 1
    pictures = live.split("\x1b[H")[1:]
    assert len(pictures) > 1
    assert max(picture.count("\n") for picture in pictures) < 20  # never scrolls
    assert "rolled back" in last.splitlines()[0]
    assert "What happened last" in last


def test_ctrl_c_on_a_terminal_gives_it_back_as_it_was(cli: Cli) -> None:
    number = cli.running()
    terminal = Terminal(cli.folder, number, NO_COLOR="1")
    terminal.until("What happened last")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    live, _, last = terminal.seen.partition(NO_SCREEN)
    assert "\x1b[?25h" in live[-20:]  # the cursor is seen again
    assert "\x1b" not in last
    assert last.splitlines()[-1] == (
        "storewarden: no longer watched; the rollout is not touched by that"
    )
    assert not re.search(r"\x1b\[[0-9;]*m", live)  # no colours


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(cli: Cli) -> None:
    number = cli.running()
    over(cli, number, RolloutState.ROLLED_BACK)
    terminal = Terminal(cli.folder, number, TERM="dumb")
    assert terminal.end() == 1
    assert ("\x1b" in terminal.seen, "wave 1 begins" in terminal.seen) == (False, True)


# --- orders -----------------------------------------------------------------------------------


@pytest.fixture
def service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[tuple[Service, Cli]]:
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(tmp_path) as running:
        yield running, Cli(running.site, tmp_path, capfd)


def token(service: Service, person: str = "lead") -> tuple[str, str]:
    return "--token-file", str(service.token_file(person))


def test_orders_go_through_the_service_with_ones_name(service: tuple[Service, Cli]) -> None:
    running, cli = service
    number, book = cli.running(), running.site.ledger.rollouts
    mine = token(running, "head")
    code, out, err = cli("pause", number, "--reason", "tills are slow", *token(running))
    assert (code, out) == (0, f"{number} paused\n")
    assert err == f"storewarden: storewarden rollout watch {number}\n"
    code, out, _ = cli("resume", number, "--reason", "fine again", "--json", *mine)
    assert (code, json.loads(out)) == (0, {"rollout": number, "state": "running"})
    book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
    book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, e.Report.REFUSED, "pos1"))
    assert cli("release", number, "pos1", "--reason", "it is scrap", *mine)[0] == 0
    assert cli("abort", number, "--reason", "enough", *mine)[1] == (
        f"{number} going back: waits for what is under way\n"
    )
    found = book.rollout(number)
    assert found is not None
    assert found.hosts["pos1"].state is HostState.SKIPPED
    given = [entry.body for entry in book.history(number) if entry.kind == "rollout ordered"]
    assert [(each["by"], each["order"]) for each in given] == [
        ("lead", "pause"), ("head", "resume"), ("head", "release"), ("head", "abort"),
    ]  # fmt: skip


def test_a_refused_order_is_3_and_one_line(service: tuple[Service, Cli]) -> None:
    running, cli = service
    number = cli.running()
    code, out, err = cli("promote", number, "--reason", "x", *token(running, "biz"))
    assert (code, out) == (3, "")
    assert err == (
        f"storewarden: {number}: wave 1 is running: only a held wave is promoted by a person\n"
    )
    assert cli("cancel", number, "--reason", "x", *token(running))[0] == 3
    assert cli("rollback", "GMBG-20260601-009-R1", "--reason", "x", *token(running))[0] == 2


def test_a_refusal_is_told_in_the_sites_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lay_out(tmp_path, "site: {language: zh}\n"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(tmp_path) as running:
        cli = Cli(running.site, tmp_path, capfd)
        number = cli.running()
        code, _, err = cli("resume", number, "--reason", "看过了", *token(running))
        assert (code, err) == (3, f"storewarden: {number}: 未处于暂停状态\n")
        assert cli("pause", number, "--reason", "慢", *token(running))[1] == f"{number} 已暂停\n"


def test_the_kill_switch_by_command(service: tuple[Service, Cli]) -> None:
    running, cli = service
    number = cli.running()
    code, out, _ = cli("stop-all", "--reason", "tills are dark", *token(running))
    assert (code, out) == (0, "stopped by lead: tills are dark\n")
    told = "kill switch: nothing new begins in any rollout: stopped by lead: tills are dark"
    assert told in cli("list")[2]
    assert told in cli("status", number)[1]
    assert cli("go-on", "--reason", "lamp", *token(running))[1] == "nothing is stopped\n"
    assert told not in cli("status", number)[1]


def test_an_order_needs_a_reason_and_a_number_before_anybody_is_asked(cli: Cli) -> None:
    for verb in ("pause", "abort", "promote", "rollback", "resume", "cancel"):
        code, out, err = cli(verb, "GMBG-20260601-001-R1")
        assert (code, out) == (2, "")
        assert err == "storewarden: --reason: say why (it stands in the journal)\n"
        code, _, err = cli(verb, "../changes/GMBG-20260601-001", "--reason", "x")
        assert (code, "is no rollout number" in err) == (2, True)


def test_without_a_service_or_a_token_an_order_says_what_is_missing(cli: Cli) -> None:
    number = cli.running()
    assert cli("pause", number, "--reason", "x")[0] == 5
    with serving(cli.folder):
        code, _, err = cli("pause", number, "--reason", "x", "--token-file", "nothing")
        assert (code, "no token" in err) == (2, True)
