# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden change` and `person`: the real command line against a real service."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.domain.errors import Refused
from storewarden.flows.person_tokens import withdraw_tokens
from storewarden.wiring.people import token_parts
from storewarden.wiring.service import refuse_strangers
from tests.e2e.audit_cli import PATIENCE, Done, Place
from tests.e2e.change_service import HOSTS, Service, lay_out, serving, site_in, token_for

pytestmark = pytest.mark.slow

NEW = (
    "change", "new", "--summary", "新价格服务", "--kind", "standard", "--risk", "low",
    "--reason", "wrong prices", "--host", "store_000101", "--plan", "install",
    "--rollback", "install 1.4", "--rollback-when", "no sale", "--rollback-by", "op.one",
    "--operation", "service-recovery",
)  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(lay_out(tmp_path)) as running:
        yield running


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """For words that change nothing."""
    with serving(lay_out(tmp_path_factory.mktemp("site"))) as running:
        yield running


def cli(service: Service, person: str, *argv: str) -> Done:
    """The command line with a person's token file."""
    done = Place(service.folder).run(*argv, "--token-file", str(service.token_file(person)))
    assert "Traceback" not in done.err
    return done


def new(service: Service, *more: str) -> str:
    done = cli(service, "op.one", *NEW, *more)
    assert done.code == 0, done.err
    found = re.match(r"GMBG-\d{8}-\d{3}", done.out)
    assert found, done.out
    return found[0]


def test_two_people_take_a_change_from_request_to_close(service: Service) -> None:
    number = new(service, "--step", "backup!", "--step", "install")
    own = cli(service, "op.one", "change", "approve", number)
    assert (own.code, own.out) == (3, "")
    assert own.lines == [
        f"storewarden: {number}: nobody approves their own change: op.one requested it "
        "(waits for approval by: department head)"
    ]
    yes = cli(service, "head", "change", "approve", number, "--comment", "好的")
    assert (yes.code, yes.out.strip()) == (0, f"{number} approved")
    assert cli(service, "op.one", "change", "start", number, "--needs", "40m").code == 0
    assert cli(service, "op.one", "change", "step", number, "backup").code == 0
    assert cli(service, "op.one", "change", "step", number, "backup", "--check").code == 3
    assert cli(service, "lead", "change", "step", number, "backup", "--check").code == 0
    assert cli(service, "op.one", "change", "step", number, "install").code == 0
    report = service.folder / "结果.html"
    report.write_text("<p>ok</p>")
    attached = cli(service, "op.one", "change", "attach", number, str(report), "--kind", "test")
    assert attached.code == 0
    closed = cli(service, "op.one", "change", "close", number, "--outcome", "successful")
    assert closed.out.strip() == f"{number} closed"

    shown = cli(service, "sec", "change", "show", number).out
    for text in (
        "新价格服务", "standard, low risk", "2 in 1 store: 000101 (2)", "head as department head",
        '"好的"', "[x] backup (done by op.one, checked by lead)", "结果.html", "successful, closed",
        "op.one  refused (approve): nobody approves their own change", "when: no sale",
    ):  # fmt: skip
        assert text in shown
    chinese = cli(service, "sec", "change", "show", number, "--lang", "zh").out
    for text in ("已关闭", "标准变更", "低风险", "2 个，1 家门店", "关键步骤", "复核步骤"):
        assert text in chinese
    data = json.loads(cli(service, "sec", "change", "show", number, "--json").out)
    assert data["change"]["outcome"] == "successful"
    assert data["history"][0]["kind"] == "change opened"


def test_a_chinese_site_is_told_what_was_refused_and_what_comes_next(tmp_path: Path) -> None:
    with serving(lay_out(tmp_path, "site: {language: zh}\n")) as service:
        asked = cli(service, "op.one", *NEW, "--step", "备份!")
        number = asked.out.split()[0]
        assert asked.out == f"{number} 待审批; 待部门负责人审批\n"
        approve = f"storewarden change approve {number}"
        assert asked.lines == [f"storewarden: 下一步: 部门负责人：{approve}（或 reject）"]
        own = cli(service, "op.one", "change", "approve", number)
        assert own.lines == [
            f"storewarden: {number}: 不能审批自己的变更：op.one 是申请人 (待部门负责人审批)"
        ]
        assert cli(service, "head", "change", "approve", number).code == 0
        begun = cli(service, "op.one", "change", "start", number)
        assert f"storewarden change step {number} '备份'" in begun.err
        shown = cli(service, "op.one", "change", "show", number).out
        assert f"下一步      storewarden change step {number} '备份'" in shown
        assert "操作被拒绝 (批准): 不能审批自己的变更" in shown


def test_mine_says_what_keeps_the_service_from_knowing_who_it_is(service: Service) -> None:
    own = service.folder / ".config/storewarden/token"
    own.parent.mkdir(parents=True)
    own.write_text(service.token_file("head").read_text())
    own.chmod(0o644)
    mine = Place(service.folder).run("change", "list", "--mine")
    assert (mine.code, "others may read this token" in mine.err) == (2, True)


ALWAYS_OPEN = HOSTS.replace("sw_role: pos,", 'sw_role: pos, sw_hours: "00:00-24:00",')


def test_two_others_let_work_on_tills_begin_while_the_store_trades(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "hosts.yml").write_text(ALWAYS_OPEN)
    with serving(tmp_path) as service:
        number = new(service, "--operation", "pos")
        assert cli(service, "head", "change", "approve", number).code == 0
        closed = cli(service, "op.one", "change", "start", number)
        assert (closed.code, len(closed.lines)) == (3, 1)
        assert "the store is open" in closed.err

        until = (datetime.now(UTC) + timedelta(hours=6)).isoformat(timespec="minutes")
        asked = ("change", "override", number, "--reason", "收银台无法销售", "--until", until)
        first = cli(service, "op.one", *asked)
        assert first.code == 0, first.err
        assert f"{number} asked by op.one, 0 of 2 people said yes" in first.out
        yes = ("change", "override", number, "--approve")
        own = cli(service, "op.one", *yes)
        assert (own.code, "nobody approves their own override" in own.err) == (3, True)
        assert cli(service, "lead", *yes, "--comment", "好的").code == 0
        one = cli(service, "op.one", "change", "start", number)
        assert (one.code, "the override does not count" in one.err) == (3, True)
        two = cli(service, "sec", *yes, "--json")
        assert len(json.loads(two.out)["change"]["override"]["approvals"]) == 2
        assert cli(service, "op.one", "change", "start", number).code == 0

        shown = cli(service, "head", "change", "show", number).out
        for text in (
            "2 of 2 people said yes", "收银台无法销售", "lead as operations lead, IT",
            '"好的"', "sec as security lead", "sec  approved the override",
            "op.one  started the work: lead, sec: 收银台无法销售", "set aside: pos01.000101 and 1",
        ):  # fmt: skip
            assert text in shown, text
        verified = Place(tmp_path).run("ledger", "verify")
        assert (verified.code, "OK" in verified.out) == (0, True)


def test_lists_say_who_has_to_approve_and_debts_what_is_owed(service: Service) -> None:
    first = new(service)
    second = new(service, "--kind", "emergency")
    assert cli(service, "op.one", "change", "start", second).code == 0
    listed = cli(service, "head", "change", "list")
    assert [line.split()[0] for line in listed.out.splitlines() if line.startswith("GMBG")] == [
        second, first,
    ]  # fmt: skip
    assert "waits for approval by department head" in listed.out
    mine = cli(service, "head", "change", "list", "--mine", "--state", "requested", "--json")
    assert [row["number"] for row in json.loads(mine.out)["changes"]] == [first]
    owed = cli(service, "head", "change", "debts")
    assert (owed.code, owed.out.count(second)) == (0, 3)
    assert cli(service, "head", "change", "debts", "--overdue").out.strip() == "nothing is owed"


def test_a_month_below_the_bar_is_1_with_a_service_and_without_one(tmp_path: Path) -> None:
    """A change of a core system that was taken back: the report names its class."""
    lay_out(tmp_path)
    (tmp_path / "hosts.yml").write_text(HOSTS.replace("sw_tier: ordinary", "sw_tier: core"))
    with serving(tmp_path) as service:
        number = new(service)
        for person, verb, body in (
            ("head", "approve", {}),
            ("op.one", "start", {}),
            ("op.one", "close", {"outcome": "rolled back", "reason": "no sale"}),
        ):
            assert service.post(person, f"/changes/{number}/{verb}", body).status_code == 200
        asked = cli(service, "sec", "change", "report")
    read = Place(tmp_path).run("change", "report")
    assert (asked.code, read.code) == (1, 1)
    assert asked.out == read.out
    assert re.search(r"core systems +0 of 1 +0 % +BELOW 95 %", read.out)
    assert re.search(r"service-recovery .* fails more often than 5 %: analyse why", read.out)
    data = json.loads(Place(tmp_path).run("change", "report", "--json").out)
    assert [each["number"] for each in data["changes"]] == [number]


def test_a_change_from_a_file_and_the_template_is_one(service: Service) -> None:
    template = Place(service.folder).run("change", "new", "--template").out
    live = re.sub(r"^# (window: \{starts|steps|  - \{name)", r"\1", template, flags=re.MULTILINE)
    live = re.sub(r"^#(   - \{name)", r"\1", live, flags=re.MULTILINE).replace("2026-", "2096-")
    (service.folder / "change.yml").write_text(live)
    done = cli(service, "op.one", "change", "new", "--file", "change.yml", "--json")
    assert done.code == 0, done.err
    draft = json.loads(done.out)["change"]["draft"]
    assert draft["plan"].startswith("1. stop the till software\n2.")
    assert draft["window"]["starts"] == "2096-06-02T22:30:00.000000Z"
    assert [(s["name"], s["two_person"]) for s in draft["steps"]] == [
        ("database backup", True), ("install", False),
    ]  # fmt: skip
    (service.folder / "change.yml").write_text("summary: x\nkind: standard\nrisk: low\nwindw: 1\n")
    wrong = cli(service, "op.one", "change", "new", "--file", "change.yml")
    assert (wrong.code, len(wrong.lines)) == (2, 1)
    assert "windw" in wrong.err


def test_the_same_key_again_is_the_same_change(service: Service) -> None:
    assert new(service, "--key", "import-7") == new(service, "--key", "import-7")


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("change", "new"), 2, "--summary: is needed"),
        (("change", "show", "GMBG-20260101-001"), 2, "there is no such change"),
        (("change", "report", "--month", "June"), 2, "month: 'June' is no month"),
        (("change", "new", "--window", "soon"), 2, "--window: must be START/END or next"),
        (("change", "new", "--window", "next", "--needs", "x"), 2, "--needs"),
        (("change", "start", "GMBG-20260101-001", "--needs", "x"), 2, "--needs: 'x' is no"),
        (("change", "new", "--standing", "x"), 2, "--standing, --until"),
        (("change", "new", "--file", "nothing.yml"), 2, "nothing.yml: cannot be read"),
        (("change", "attach", "GMBG-20260101-001", "none.pdf", "--kind", "test"), 2, "none.pdf"),
        (("change", "close", "GMBG-20260101-001", "--outcome", "fine"), 2, "successful"),
        (("change", "reject", "GMBG-20260101-001"), 2, "--reason"),
        (("change", "show", "../me"), 2, "'../me' is no change number"),
        (("change", "approve", "GMBG-20260101-001/note#"), 2, "is no change number"),
        (("change", "show", "\udcff"), 2, "is no change number"),
        (("change", "approve", "GMBG-20260101-001", "--key", "é"), 2, "--key: must be"),
        (("change", "list", "--host", "\udcff"), 2, "cannot be sent"),
        (("change", "attach", "GMBG-20260101-001", "/dev/null", "--kind", "test"), 2, "empty"),
        (("change", "override", "GMBG-20260101-001"), 2, "either asked for or approved"),
        (
            ("change", "override", "GMBG-20260101-001", "--reason", "x", "--approve"),
            2,
            "either asked for or",
        ),
        (
            ("change", "override", "GMBG-20260101-001", "--reason", "x"),
            2,
            "needs a reason and an end",
        ),
        (
            ("change", "override", "GMBG-20260101-001", "--reason", "x", "--until", "soon"),
            2,
            "--until",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    standing: Service, argv: tuple[str, ...], code: int, said: str
) -> None:
    done = cli(standing, "op.one", *argv)
    assert (done.code, len(done.lines), done.out) == (code, 1, "")
    assert said in done.err


def test_hosts_that_match_nothing_are_named(standing: Service) -> None:
    done = cli(standing, "op.one", *NEW, "--host", "pos99")
    assert (done.code, len(done.lines)) == (2, 1)
    assert "pos99 matches no host" in done.err


def test_tokens_that_do_not_count(service: Service) -> None:
    number = new(service)
    place, path = Place(service.folder), service.token_file("head")
    argv = ("change", "approve", number, "--token-file", str(path))
    path.chmod(0o644)
    loose = place.run(*argv)
    assert (loose.code, "others may read this token" in loose.err) == (2, True)
    path.chmod(0o600)
    withdraw_tokens(token_parts(service.site, "test"), "head")
    gone = place.run(*argv)
    assert (gone.code, "the token is not accepted" in gone.err) == (3, True)
    path.write_text(token_for(service.site, "head", timedelta(microseconds=1)))
    assert place.run(*argv).code == 3
    path.write_text("password\n")
    assert place.run(*argv).code == 2
    assert "password" not in place.run(*argv).err
    path.unlink()
    none = place.run(*argv)
    assert (none.code, len(none.lines)) == (2, 1)
    assert "person token" in none.err


def test_without_a_service_writing_says_so_and_reading_still_works(tmp_path: Path) -> None:
    with serving(lay_out(tmp_path)) as service:
        number = new(service)
        token = service.token_file("head")
    place = Place(tmp_path)
    away = place.run("change", "approve", number, "--token-file", str(token))
    assert (away.code, len(away.lines), away.out) == (5, 1, "")
    assert "no service runs here" in away.err
    assert "storewarden serve" in away.err
    assert number in place.run("change", "list").out
    shown = place.run("change", "show", number)
    assert (shown.code, "waits for approval by department head" in shown.out) == (0, True)
    assert place.run("change", "debts").code == 0
    assert place.run("change", "list", "--mine").code == 5


def test_a_token_is_made_once_into_a_file_of_ones_own(tmp_path: Path) -> None:
    place = Place(lay_out(tmp_path))
    made = place.run("person", "token", "head", "--expires", "10d")
    assert (made.code, made.out) == (0, "")
    path = tmp_path / "head.token"
    token = path.read_text().strip()
    assert re.fullmatch(r"sw_head_[0-9a-f]{64}", token)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in made.err
    again = place.run("person", "token", "head")
    assert (again.code, "is there already" in again.err) == (2, True)
    printed = place.run("person", "token", "head", "--stdout")
    assert re.fullmatch(r"sw_head_[0-9a-f]{64}\n", printed.out)
    listed = json.loads(place.run("person", "list", "--json").out)["people"]
    assert {each["id"]: each["tokens"] for each in listed}["head"] == 2
    assert place.run("person", "withdraw", "head").code == 0
    with site_in(tmp_path) as site:
        entries = [entry for entry in site.ledger.journal() if entry.kind.startswith("token")]
        text = json.dumps([dict(entry.body) for entry in entries], default=str)
    assert [entry.kind for entry in entries] == ["token issued"] * 2 + ["token withdrawn"] * 2
    assert "@" in str(entries[0].body["by"])
    for secret in (token, printed.out.strip()):
        assert secret not in text
        assert secret.rsplit("_", 1)[1] not in text


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("person", "token", "nobody"), 2, "nobody in the people file"),
        (("person", "token", "../x"), 2, "nobody in the people file"),
        (("person", "token", "head", "--expires", "90d"), 3, "at most 60 days"),
        (("person", "token", "head", "--expires", "2020-01-01"), 2, "is over already"),
        (("person", "token", "head", "--expires", "soon"), 2, "is no day"),
    ],
)
def test_a_token_that_is_not_given_leaves_nothing(
    tmp_path: Path, argv: tuple[str, ...], code: int, said: str
) -> None:
    place = Place(lay_out(tmp_path))
    done = place.run(*argv)
    assert (done.code, len(done.lines)) == (code, 1)
    assert said in done.err
    assert list(tmp_path.glob("*.token")) == []
    with site_in(tmp_path) as site:
        assert [e for e in site.ledger.journal() if e.kind == "token issued"] == []


def test_withdrawing_needs_no_people_file_and_a_name_that_is_one(tmp_path: Path) -> None:
    place = Place(lay_out(tmp_path))
    with serving(tmp_path) as service:
        service.token("head")
        wrong = place.run("person", "withdraw", "haed")
        assert (wrong.code, len(wrong.lines)) == (2, 1)
        assert "has and had no token" in wrong.err
        (tmp_path / "people.yml").write_text("people: [")
        done = place.run("person", "withdraw", "head")
        assert (done.code, "1 tokens of head withdrawn" in done.err) == (0, True)
        with service.client("head") as http:
            assert http.get("/api/v1/me").status_code == 401


def test_a_closed_stdout_is_no_fault(tmp_path: Path) -> None:
    program = str(Path(sys.executable).parent / "storewarden")
    done = subprocess.run(
        ["sh", "-c", f"{program} person list >&-"],
        cwd=lay_out(tmp_path), env=Place(tmp_path).environment(),
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert "fault of storewarden" not in done.stderr


def test_a_token_is_not_sent_to_a_strangers_program(tmp_path: Path) -> None:
    """The service is down, its folder is not ours to look into, and somebody took its port."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    listen = (
        "import os, socket, sys; os.setuid(4321); line = socket.create_server(('127.0.0.1', 0));"
        "print(line.getsockname()[1], flush=True); line.accept()"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", listen], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        lay_out(tmp_path, f'controller: {{listen: "127.0.0.1:{port}"}}\n')
        (tmp_path / "state").mkdir(mode=0o700)
        with site_in(tmp_path) as site:
            config = site.config
        os.chown(config.state_dir, 1234, 1234)
        with pytest.raises(Refused, match="belongs to the user 4321"):
            refuse_strangers(config)
        os.chown(config.state_dir, 4321, 4321)
        refuse_strangers(config)  # the service's user, who may listen there
        other.kill()


def test_no_token_is_ever_in_argv(service: Service) -> None:
    """Who looks at the list of processes while a verb waits for the service."""
    token = service.token("op.one")
    path = service.token_file("op.one")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "storewarden"), *NEW, "--token-file", str(path)],
        cwd=service.folder, env=Place(service.folder).environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    seen = []
    while process.poll() is None:
        for name in ("cmdline", "environ"):
            try:
                seen.append(Path(f"/proc/{process.pid}/{name}").read_bytes())
            except OSError:
                break
        time.sleep(0.05)
    process.communicate()
    assert process.returncode == 0
    assert any(b"token-file" in each for each in seen)
    assert not any(token.encode() in each for each in seen)
    assert os.environ.get("STOREWARDEN_TOKEN_FILE") is None
