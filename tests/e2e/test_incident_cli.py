# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden incident`, and pausing and figures of `storewarden heal`: the real command line
against a real service. All but one call are made in this process, as each start costs a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.cli.guard import guarded
from storewarden.domain.healing.record import End, Stage
from tests.e2e.audit_cli import Done, Place
from tests.e2e.change_service import Service, lay_out, serving, site_in
from tests.web.incident_scenes import incident, repaired

pytestmark = pytest.mark.slow

type Look = Callable[..., Done]

SITE = """\
site: {timezone: Asia/Shanghai}
healing:
  sources: {shop: {kind: alertmanager, auth: {type: bearer, secrets: [file:hook]}}}
  rules: rules.yml
  actions: {service: {mode: approve}}
"""
RULES = """\
rules:
  - {name: till service down, match: ['alertname="PosDown"'], action: service,
     target: {name: "{host}"}, options: {unit: pos.service}}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "rules.yml").write_text(RULES)
    with serving(lay_out(folder, SITE)) as running:
        yield running


@pytest.fixture(autouse=True)
def at_the_site(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an operator would stand."""
    monkeypatch.chdir(service.folder)
    monkeypatch.setenv("HOME", str(service.folder))


@pytest.fixture
def look(capsys: pytest.CaptureFixture[str]) -> Look:
    """The command line as anybody who may read the ledger."""

    def run(*argv: str) -> Done:
        capsys.readouterr()
        code = guarded(argv)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


@pytest.fixture
def say(service: Service, look: Look) -> Look:
    """The command line with the token file of a person, who is named first."""
    return lambda person, *argv: look(*argv, "--token-file", str(service.token_file(person)))


def test_an_incident_is_seen_taken_solved_and_confirmed(
    service: Service, look: Look, say: Look
) -> None:
    ledger, began = service.site.ledger, datetime.now(UTC) - timedelta(minutes=15)
    (key,) = repaired(ledger, "pos01.000101", began, (End.NOT_WELL, Stage.ESCALATED))
    number = incident(ledger, began, occurrences=(key,))

    late = look("incident", "list")
    assert late.code == 1  # its promise is broken
    assert f"{number}  high  open" in late.out
    assert "answer 5 min late" in late.out
    assert "till service down" in late.out

    assert say("op.one", "incident", "take", number).out == f"{number} in work (op.one)\n"
    assert look("incident", "list").code == 0
    say("op.one", "incident", "note", number, "磁盘已满")
    assert say("op.one", "incident", "solve", number, "--how", "freed it").code == 0
    own = say("op.one", "incident", "confirm", number)
    assert own.code == 3
    assert own.lines == [
        f"storewarden: {number}: op.one said that it is solved: somebody else confirms that"
    ]
    again = say("biz", "incident", "dispute", number, "--why", "no receipts")
    assert again.out == f"{number} in work (op.one)\n"
    say("op.one", "incident", "solve", number, "--how", "restarted the printer")
    assert say("biz", "incident", "confirm", number).code == 0

    shown = look("incident", "show", number)
    for text in (
        "solved; op.one has it; not verified by machine; confirmed by biz",
        "POS-0101-01", "SHOP-0101", f"{key[:12]}  PosDown  pos01.000101  a person has it",
        "pos01.000101: not well, taken back", "磁盘已满", "not solved: no receipts",
    ):  # fmt: skip
        assert text in shown.out, shown.out
    chinese = look("incident", "show", number, "--lang", "zh").out
    assert "业务部门已确认" in chinese
    assert "confirmed" not in chinese
    data = json.loads(look("incident", "show", number, "--json").out)
    assert (data["state"], data["disputes"], data["alerts"][0]["key"]) == ("solved", 1, key)

    figures = look("heal", "statistics")
    assert "till service down  1       1         0       1" in figures.out
    assert "0.0 % !" in figures.out


def test_a_pause_is_set_seen_and_taken_back(look: Look, say: Look) -> None:
    wish = ("heal", "pause", "till service down", "--reason", "new software", "--for", "2h")
    set_ = say("op.one", *wish)
    assert set_.out.startswith("paused: rule:till service down until ")
    assert "paused: rule:till service down until" in look("heal", "rules").out
    rows = json.loads(look("heal", "rules", "--json").out)
    assert rows[0]["paused"] == "rule:till service down"
    gone = say("lead", "heal", "resume", "rule:till service down", "--reason", "done")
    assert gone.out == "rule:till service down goes on\n"
    assert "paused" not in look("heal", "rules").out


@pytest.mark.parametrize(
    ("argv", "code", "line"),
    [
        (
            ("heal", "pause", "till servic down", "--reason", "x"), 2,
            "storewarden: WHAT: 'till servic down' is no rule, action or source "
            "(did you mean rule:till service down?)",
        ),
        (
            ("heal", "pause", "shop", "--reason", "x", "--for", "2h", "--until", "2030-01-01"), 2,
            "storewarden: --until, --for: say one of both",
        ),
        (
            ("heal", "pause", "source:shop", "--reason", "x", "--for", "long"), 2,
            "storewarden: --for: 'long' is no duration (40m, 2h, 1h30m; at most 168h)",
        ),
        (
            ("heal", "pause", "source:shop"), 2,
            "storewarden: --reason: say why (it stands in the journal)",
        ),
        (
            ("incident", "take", "../x"), 2,
            "storewarden: INCIDENT: '../x' is no incident number "
            "(like INC-20260601-083000; storewarden incident list)",
        ),
        (
            ("incident", "take", "INC-20200101-000000"), 2,
            "storewarden: INC-20200101-000000: there is no such incident "
            "(storewarden incident list --all)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(say: Look, argv: tuple[str, ...], code: int, line: str) -> None:
    done = say("op.one", *argv)
    assert (done.code, done.out, done.lines) == (code, "", [line])


def test_a_list_without_any_says_so(
    tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ("--config", str(lay_out(tmp_path) / "storewarden.yml"))
    with site_in(tmp_path) as empty:
        assert empty.ledger.incidents.open_ones() == ()  # and the ledger is there
    monkeypatch.chdir(tmp_path)
    done = look("incident", "list", *site)
    assert (done.code, done.out) == (0, "")
    assert done.lines == ["storewarden: no open incidents (--all shows those that are closed)"]
    figures = look("heal", "statistics", "--lang", "zh", *site)
    assert "该时段内没有自愈或转人工的告警" in figures.out


def test_it_is_a_program(service: Service) -> None:
    done = Place(service.folder).run("incident", "list", "--all", "--json")
    assert (done.code, done.err) in ((0, ""), (1, ""))
    assert set(json.loads(done.out)) == {"incidents", "more"}
