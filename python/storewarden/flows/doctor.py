# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: what on this machine would spoil a run later, judged before it does.

Looking is the Machine port's; here is only the judging, one function per subject. A check
is data: a code and its values, which the command line puts into the reader's language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storewarden.domain.change.approvals import unfillable
from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules, spoken
from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import read_estate
from storewarden.domain.maintenance.calendar import Calendar
from storewarden.ports.inventory import Inventory
from storewarden.ports.machine import FileFacts, Machine, MachineFacts, Places

PYTHON = ((3, 12), None)  # pyproject: requires-python
VERSIONS = {"ansible-core": ((2, 20), None), "ansible-runner": ((2, 4), (2, 5))}
"""At least, and below; the same as in pyproject (a test compares)."""

DISK_NEEDED = 1_000_000_000  # bytes; below it, a full disk is a matter of days
OLDEST_YEAR = 2025  # before that nothing of this can have been installed
LAST_YEAR = 2100

type Bounds = tuple[tuple[int, int], tuple[int, int] | None]
LedgerProbe = Callable[[Path | str], str]
"""Opens the ledger at a path or address for reading; its schema version, "" when a server has
none yet. Raises StorewardenError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor: `code` names the sentence, `values` fill it."""

    subject: str
    ok: bool
    code: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsNow:
    """How rollouts stand: how many are ``under_way``, why the kill switch lets nothing begin (""
    when it does), which ones need a person, and workers that have work and are not heard of."""

    under_way: int = 0
    stopped: str = ""
    waiting: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What to examine. Without a `probe` the ledger's schema is not asked for; without
    `sources` or `inventory` no inventory is read."""

    places: Places
    sources: tuple[Path, ...] = ()
    vault_password: Path | None = None
    probe: LedgerProbe | None = None
    inventory: Inventory | None = None
    zone_known: Callable[[str], bool] = field(default=bool)
    tickets: Callable[[], str] | None = None
    """Asks the ticket system whether it would take tickets; its name, or empty when there is
    none. Raises StorewardenError."""
    windows: Callable[[], Calendar | None] | None = None
    """Reads the site's calendars, None when there is no folder of them. Raises
    StorewardenError."""
    people: Callable[[], tuple[Person, ...] | None] | None = None
    """Reads who is there, None when there is no people file. Raises StorewardenError."""
    approvals: ApprovalRules = field(default_factory=ApprovalRules)
    rollouts: Callable[[], RolloutsNow | None] | None = None
    """Looks at the ledger's rollouts, None when there is no ledger that can be read. Raises
    StorewardenError."""


def examine(wanted: Examination, machine: Machine) -> tuple[Check, ...]:
    """Every check, in reading order; never raises for what is wrong with the machine."""
    facts = machine.look(wanted.places)
    return (
        *judge_versions(facts),
        *judge_programs(facts),
        *judge_collections(facts),
        *judge_ssh(facts),
        *judge_files(facts.files),
        *judge_state(facts, wanted.places),
        *_ledger(facts, wanted),
        *_rollouts(wanted),
        *judge_clock(facts),
        *judge_locale(facts),
        *_inventory(wanted),
        *_windows(wanted),
        *_people(wanted),
        *_tickets(wanted),
    )


def _good(subject: str, code: str, **values: object) -> Check:
    return Check(subject=subject, ok=True, code=code, values=values)


def _bad(subject: str, code: str, **values: object) -> Check:
    return Check(subject=subject, ok=False, code=code, values=values)


# --- versions and programs -------------------------------------------------------------------


def judge_versions(facts: MachineFacts) -> Iterator[Check]:
    """Python, ansible-core and ansible-runner against what this release was made for."""
    yield _version("python", "Python", facts.python, PYTHON)
    for name, bounds in VERSIONS.items():
        found = facts.packages.get(name, "")
        if found:
            yield _version(name, name, found, bounds)
        else:
            yield _bad(name, "package_missing", name=name, wanted=_range(bounds))


def _version(subject: str, name: str, found: str, bounds: Bounds) -> Check:
    least, below = bounds
    number = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    fits = number >= least and (below is None or number < below)
    values = {"name": name, "found": found, "wanted": _range(bounds)}
    code = "version_fits" if fits else "version_outside"
    return Check(subject=subject, ok=fits, code=code, values=values)


def _range(bounds: Bounds) -> str:
    least, below = (".".join(map(str, part)) if part else "" for part in bounds)
    return f">= {least}, < {below}" if below else f">= {least}"


def judge_programs(facts: MachineFacts) -> Iterator[Check]:
    """Ansible's programs are beside the interpreter, and a shell does not find others."""
    fine = True
    for name, program in facts.programs.items():
        if not program.beside:
            yield _bad("programs", "program_missing", name=name, executable=facts.executable)
        elif program.on_path and _real(program.on_path) != _real(program.beside):
            values = {"name": name, "other": program.on_path, "beside": program.beside}
            yield _bad("programs", "program_shadowed", **values)
        else:
            continue
        fine = False
    if fine:
        yield _good("programs", "programs_fine", folder=str(Path(facts.executable).parent))


def _real(path: str) -> Path:
    """Without `..` and double slashes; links are not followed, so nothing is read."""
    return Path(path).absolute()


def judge_collections(facts: MachineFacts) -> Iterator[Check]:
    """Ours is there, and no second copy can be taken for it."""
    ours = next((copy for copy in facts.collections if copy.ours), None)
    if ours is None:
        yield _bad("collection", "collection_missing")
    else:
        yield _good("collection", "collection_found", path=ours.path, version=ours.version)
    for copy in facts.collections:
        if not copy.ours:
            code = "collection_wins" if copy.plain else "collection_second"
            yield _bad("collection", code, path=copy.path, version=copy.version)


# --- connection and files --------------------------------------------------------------------


def judge_ssh(facts: MachineFacts) -> Iterator[Check]:
    """A client, and host keys to compare with."""
    if facts.ssh:
        yield _good("ssh", "ssh_found", version=facts.ssh)
    else:
        yield _bad("ssh", "ssh_missing")
    usable = [file for file in facts.known_hosts if file.readable and file.size]
    if usable:
        yield _good("known_hosts", "known_hosts_found", path=usable[0].path)
    else:
        looked = ", ".join(str(file.path) for file in facts.known_hosts)
        yield _bad("known_hosts", "known_hosts_missing", paths=looked)


def judge_files(files: Iterable[FileFacts]) -> Iterator[Check]:
    """Keys and password files that the settings name: there, readable, and nobody else's."""
    for file in files:
        values = {"key": file.key, "path": file.path}
        if not file.exists or not file.readable:
            yield _bad("files", "file_missing", **values)
        elif not file.private:
            yield _bad("files", "file_open", **values)
        else:
            yield _good("files", "file_fine", **values)


# --- state, clock, terminal ------------------------------------------------------------------


def judge_state(facts: MachineFacts, places: Places) -> Iterator[Check]:
    """Room and permission where runs and the ledger are kept."""
    path, free = places.state_dir, f"{facts.disk_free / 1e9:.1f}"
    if not facts.state_writable:
        yield _bad("state", "state_not_writable", path=path)
    if facts.disk_free < DISK_NEEDED:
        yield _bad("disk", "disk_low", path=path, free=free, needed=f"{DISK_NEEDED / 1e9:g}")
    else:
        yield _good("disk", "disk_fine", path=path, free=free)


def _ledger(facts: MachineFacts, wanted: Examination) -> Iterator[Check]:
    path = wanted.places.ledger
    if facts.ledger_kind == "absent":
        yield _good("ledger", "ledger_absent", path=path)
    elif facts.ledger_kind not in ("sqlite", "server"):
        yield _bad("ledger", "ledger_foreign", path=path)
    elif wanted.probe is None:
        yield _good("ledger", "ledger_there", path=path)
    else:
        try:
            schema = wanted.probe(path)
        except StorewardenError as error:
            yield _bad("ledger", "ledger_broken", path=path, error=error)
            return
        code = "ledger_opens" if schema else "ledger_absent"
        yield _good("ledger", code, path=path, schema=schema)


def _rollouts(wanted: Examination) -> Iterator[Check]:
    """What stands still until somebody comes is easily forgotten."""
    if wanted.rollouts is None:
        return
    try:
        found = wanted.rollouts()
    except StorewardenError as error:
        yield _bad("rollouts", "rollouts_broken", error=error)
        return
    if found is None:
        return
    if found.stopped:
        yield _bad("rollouts", "rollouts_stopped", why=found.stopped)
    if found.waiting:
        yield _bad("rollouts", "rollouts_wait", count=len(found.waiting), first=found.waiting[0])
    if found.silent:
        yield _bad("rollouts", "rollouts_silent", workers=", ".join(found.silent))
    if not (found.stopped or found.waiting or found.silent):
        yield _good("rollouts", "rollouts_fine", count=found.under_way)


def judge_clock(facts: MachineFacts) -> Iterator[Check]:
    """Windows, waivers and the journal stand on the clock."""
    now = f"{facts.now:%Y-%m-%d %H:%M} UTC"
    if not OLDEST_YEAR <= facts.now.year < LAST_YEAR:
        yield _bad("clock", "clock_insane", now=now)
    elif facts.synchronised is False:
        yield _bad("clock", "clock_drifts", now=now)
    elif facts.synchronised is None:
        yield _good("clock", "clock_unknown", now=now, zone=facts.zone)
    else:
        yield _good("clock", "clock_fine", now=now, zone=facts.zone)


def judge_locale(facts: MachineFacts) -> Iterator[Check]:
    """Ansible refuses to start where text is not UTF-8."""
    if facts.locale_problem:
        yield _bad("locale", "locale_unknown", error=facts.locale_problem)
    elif facts.encoding.replace("-", "") != "utf8":
        yield _bad("locale", "locale_not_utf8", encoding=facts.encoding)
    else:
        code = "locale_terminal" if facts.terminal else "locale_fine"
        yield _good("locale", code, encoding=facts.encoding)


# --- inventory --------------------------------------------------------------------------------


def _inventory(wanted: Examination) -> Iterator[Check]:
    if not wanted.sources or wanted.inventory is None:
        yield _good("inventory", "inventory_none")
        return
    try:
        found = wanted.inventory.resolve(wanted.sources, vault_password=wanted.vault_password)
    except StorewardenError as error:
        yield _bad("inventory", "inventory_broken", error=error)
        return
    yield _good("inventory", "inventory_read", hosts=len(found.hosts), source=found.source)
    estate = read_estate(found.hosts, wanted.zone_known)
    if estate.findings:
        values = {
            "count": len(estate.findings),
            "hosts": len(estate.incomplete),
            "first": estate.findings[0],
        }
        yield _bad("estate", "estate_findings", **values)
    else:
        stores = len({device.store for device in estate.devices})
        yield _good("estate", "estate_complete", hosts=len(estate.devices), stores=stores)


# --- windows and people -----------------------------------------------------------------------


def _windows(wanted: Examination) -> Iterator[Check]:
    """A calendar that cannot be read stops every start of a change; a year without official
    holidays is no problem yet, but has to be known."""
    if wanted.windows is None:
        return
    try:
        calendar = wanted.windows()
    except StorewardenError as error:
        yield _bad("windows", "windows_broken", error=error)
        return
    if calendar is None:
        yield _good("windows", "windows_none")
        return
    years = ", ".join(str(year) for year in sorted({each.year for each in calendar.provisional}))
    code = "windows_provisional" if years else "windows_ready"
    yield _good("windows", code, rules=len(calendar.rules), **({"years": years} if years else {}))


def _people(wanted: Examination) -> Iterator[Check]:
    """A role that approvals ask for and nobody holds is found when it is too late."""
    if wanted.people is None:
        return
    try:
        people = wanted.people()
    except StorewardenError as error:
        yield _bad("people", "people_broken", error=error)
        return
    if not people:
        yield _good("people", "people_none" if people is None else "people_nobody")
        return
    lacking = unfillable(wanted.approvals, people)
    if lacking:
        roles = ", ".join(spoken(role) for role in lacking)
        yield _bad("people", "people_lacking", roles=roles)
    else:
        yield _good("people", "people_ready", count=len(people))


# --- other systems ----------------------------------------------------------------------------


def _tickets(wanted: Examination) -> Iterator[Check]:
    """Credentials and fields are found wrong here, and not when the first change is opened."""
    if wanted.tickets is None:
        return
    try:
        name = wanted.tickets()
    except StorewardenError as error:
        yield _bad("tickets", "tickets_broken", error=error)
        return
    yield _good("tickets", "tickets_ready" if name else "tickets_local", name=name)
