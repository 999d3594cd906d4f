# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceNow's Table and Attachment API, as far as a change needs them, on 127.0.0.1.

Kept from the real one, because clients fall over it: unknown fields are ignored in writes
and in queries (a query on them returns *every* record), texts are cut at the field's
length without a word, journal fields are written in the record and read from
``sys_journal_field``, state changes follow a model and are refused with 403 by a business
rule, closing wants a code and notes. Mishaps are ordered with ``suffer``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.testing.loopback import Answer, LoopbackService, Request

CHANGE = "change_request"
_TABLE = re.compile(r"/api/now/table/(\w+)(?:/(\w+))?")
_FILE = re.compile(r"/api/now/attachment(?:/(\w+)(/file)?)?")
_JOURNAL_LENGTH = 4000
_BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

# Lengths as the base system has them.
LENGTHS = {
    "short_description": 160, "description": 4000, "correlation_id": 100, "close_notes": 4000,
    "justification": 4000, "backout_plan": 4000, "implementation_plan": 4000,
    "type": 40, "risk": 40, "state": 40, "close_code": 40, "category": 40, "requested_by": 100,
    "assignment_group": 100, "cmdb_ci": 100, "u_hosts": 4000,
}  # fmt: skip
CHOICES = {
    "state": {
        "-5": "New", "-4": "Assess", "-3": "Authorize", "-2": "Scheduled", "-1": "Implement",
        "0": "Review", "3": "Closed", "4": "Canceled",
    },
    "risk": {"2": "High", "3": "Moderate", "4": "Low"},
    "type": {"normal": "Normal", "standard": "Standard", "emergency": "Emergency"},
}  # fmt: skip
CLOSE_CODES = ("successful", "successful_issues", "unsuccessful")
_NEXT = {
    "-5": ("-4", "-2", "-1", "4"), "-4": ("-3", "4"), "-3": ("-2", "4"), "-2": ("-1", "4"),
    "-1": ("0", "4"), "0": ("3", "4"), "3": (), "4": (),
}  # fmt: skip


@dataclass(slots=True)
class _Instance:
    records: list[dict[str, str]] = field(default_factory=list)
    journal: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    count: int = 0


class FakeServiceNow(LoopbackService[_Instance]):
    """An instance with one user. ``token`` is the OAuth token, ``password`` the user's."""

    user = "storewarden"
    password = "pa55-öffne-dich"
    token = "oauth-7d1f0c2a"

    def __init__(self) -> None:
        super().__init__(_Instance())
        self.hidden_journal = False
        """The user may not read sys_journal_field: 200 with no rows, as the real one does."""
        self.read_only: set[str] = set()
        """Fields that an access rule keeps from being written; writes pass without a word."""

    def handle(self, request: Request) -> Answer:
        """The Table API and the Attachment API."""
        if not self._known(request):
            return self.unauthorised()
        if found := _TABLE.fullmatch(request.path):
            return self._table(request, found[1], found[2] or "")
        if request.path == "/api/now/attachment/file" and request.method == "POST":
            return self._upload(request)
        if found := _FILE.fullmatch(request.path):
            return self._files(request, found[1] or "", raw=bool(found[2]))
        return _failure(400, "Requested URI does not represent any resource", request.path)

    def unauthorised(self) -> Answer:
        """As the real one words it."""
        return _failure(401, "User Not Authenticated", "Required to provide Auth information")

    def plant(self, **values: str) -> str:
        """A record made by a person; its sys_id."""
        record = self._blank()
        record |= values
        self.state.records.append(record)
        return record["sys_id"]

    def record(self, run_id: str) -> dict[str, str]:
        """The first record with that correlation id, for a test to look at."""
        return next(r for r in self.state.records if r["correlation_id"] == run_id)

    def _known(self, request: Request) -> bool:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        given = request.headers.get("authorization", "")
        return given in (f"Basic {pair}", f"Bearer {self.token}")

    def _table(self, request: Request, table: str, sys_id: str) -> Answer:
        if table == "sys_journal_field" and request.method == "GET":
            rows = [] if self.hidden_journal else self.state.journal
            return _listed(request, rows)
        if table != CHANGE:
            return _failure(400, f"Invalid table {table}", "")
        if not sys_id:
            return self._create(request) if request.method == "POST" else self._list(request)
        found = next((r for r in self.state.records if r["sys_id"] == sys_id), None)
        if found is None:
            return _failure(
                404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval"
            )
        return (
            self._update(request, found)
            if request.method in ("PATCH", "PUT")
            else self._shown(request, found)
        )

    def _list(self, request: Request) -> Answer:
        return _listed(request, self.state.records, show=self._view)

    def _create(self, request: Request) -> Answer:
        record = self._blank()
        self._write(record, request)
        self.state.records.append(record)
        return self._shown(request, record, status=201)

    def _blank(self) -> dict[str, str]:
        record = dict.fromkeys(LENGTHS, "")
        number = self._number()
        record |= {"state": "-5", "type": "normal", "risk": "3", "sys_id": _sys_id(f"c{number}")}
        record |= {"number": f"CHG{30000 + number:07}", "sys_created_on": self._now()}
        return record

    def _update(self, request: Request, record: dict[str, str]) -> Answer:
        changed = dict(record)
        values = self._given(request)
        target = values.get("state", record["state"])
        if target != record["state"] and target not in _NEXT.get(record["state"], ()):
            return _failure(
                403, "Operation Failed",
                "Operation against file 'change_request' was aborted by Business Rule "
                "'Change Model: Check State Transition'",
            )  # fmt: skip
        self._write(changed, request)
        if changed["state"] == "3" and not (changed["close_code"] and changed["close_notes"]):
            return _failure(
                403, "Operation Failed",
                "Data Policy Exception: The following fields are mandatory: Close code, "
                "Close notes",
            )  # fmt: skip
        record.update(changed)
        return self._shown(request, record)

    def _write(self, record: dict[str, str], request: Request) -> None:
        for name, value in self._given(request).items():
            if name == "work_notes":
                self._note(record["sys_id"], value)
            elif name in LENGTHS and name not in self.read_only:
                record[name] = value[: LENGTHS[name]]

    def _given(self, request: Request) -> dict[str, str]:
        given = {name: str(value) for name, value in request.data.items()}
        if request.query.get("sysparm_input_display_value") != "true":
            return given
        return {name: _stored(name, value) for name, value in given.items()}

    def _note(self, sys_id: str, text: str) -> None:
        number = self._number()
        self.state.journal.append(
            {
                "sys_id": _sys_id(f"j{number}"), "element_id": sys_id, "name": CHANGE,
                "element": "work_notes", "value": text[:_JOURNAL_LENGTH],
                "sys_created_on": self._now(), "sys_created_by": self.user,
            }
        )  # fmt: skip

    def _upload(self, request: Request) -> Answer:
        owner = request.query.get("table_sys_id", "")
        if not any(r["sys_id"] == owner for r in self.state.records):
            return _failure(404, "No Record found", "")
        if not request.query.get("file_name"):
            return _failure(400, "missing required argument: 'file_name'", "")
        number = self._number()
        row = {
            "sys_id": _sys_id(f"f{number}"), "table_name": CHANGE, "table_sys_id": owner,
            "file_name": request.query["file_name"], "size_bytes": str(len(request.body)),
            "content_type": request.headers.get("content-type", ""),
            "hash": hashlib.sha256(request.body).hexdigest(), "sys_created_on": self._now(),
        }  # fmt: skip
        self.state.files.append(row)
        self.state.contents[row["sys_id"]] = request.body
        return Answer(status=201, body={"result": row})

    def _files(self, request: Request, sys_id: str, *, raw: bool) -> Answer:
        if not sys_id:
            return _listed(request, self.state.files)
        if sys_id not in self.state.contents:
            return _failure(404, "No Record found", "")
        if raw:
            return Answer(body=self.state.contents[sys_id])
        row = next(row for row in self.state.files if row["sys_id"] == sys_id)
        return Answer(body={"result": row})

    def _shown(self, request: Request, record: Mapping[str, str], status: int = 200) -> Answer:
        row = _projected(request, self._view(request, record))
        return Answer(status=status, body={"result": row})

    def _view(self, request: Request, record: Mapping[str, str]) -> dict[str, object]:
        """The record as asked for: values, display values, or both."""
        mode = request.query.get("sysparm_display_value", "false")
        shown = {name: _display(name, value) for name, value in record.items()}
        record = {**record, "work_notes": ""}
        shown["work_notes"] = self._notes_of(record["sys_id"])
        if mode == "true":
            return dict(shown)
        if mode == "all":
            return {n: {"value": v, "display_value": shown[n]} for n, v in record.items()}
        return dict(record)

    def _notes_of(self, sys_id: str) -> str:
        """All work notes in one text, the newest first, as a form shows them."""
        rows = [row for row in self.state.journal if row["element_id"] == sys_id]
        return "\n\n".join(
            f"{row['sys_created_on']} - {self.user} (Work notes)\n{row['value']}"
            for row in reversed(rows)
        )

    def _number(self) -> int:
        self.state.count += 1
        return self.state.count

    def _now(self) -> str:
        # Whole seconds, and several records in one of them, as on a busy instance.
        moment = _BEGIN + timedelta(seconds=self.state.count // 3)
        return moment.strftime("%Y-%m-%d %H:%M:%S")


def _display(name: str, value: str) -> str:
    return CHOICES.get(name, {}).get(value, value)


def _stored(name: str, shown: str) -> str:
    return next((v for v, text in CHOICES.get(name, {}).items() if text == shown), shown)


def _sys_id(seed: str) -> str:
    return hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()


def _failure(status: int, message: str, detail: str) -> Answer:
    return Answer(
        status=status, body={"error": {"message": message, "detail": detail}, "status": "failure"}
    )


def _projected(request: Request, row: dict[str, object]) -> dict[str, object]:
    wanted = [name for name in request.query.get("sysparm_fields", "").split(",") if name]
    return {name: row[name] for name in wanted if name in row} if wanted else row


def _listed(
    request: Request,
    rows: Iterable[dict[str, str]],
    show: Callable[[Request, Mapping[str, str]], dict[str, object]] | None = None,
) -> Answer:
    found = _queried(list(rows), request.query.get("sysparm_query", ""))
    begin = int(request.query.get("sysparm_offset", "0"))
    page = found[begin : begin + int(request.query.get("sysparm_limit", "10000"))]
    shown = [show(request, row) if show else dict[str, object](row) for row in page]
    return Answer(
        body={"result": [_projected(request, row) for row in shown]},
        headers={"X-Total-Count": str(len(found))},
    )


def _queried(rows: list[dict[str, str]], query: str) -> list[dict[str, str]]:
    """An encoded query; a condition on a field that does not exist is left out, as in the
    base system."""
    known = set(rows[0]) if rows else set()
    for part in filter(None, query.split("^")):
        if part.startswith("ORDERBY"):
            descending = part.startswith("ORDERBYDESC")
            name = part.removeprefix("ORDERBYDESC" if descending else "ORDERBY")
            rows = sorted(rows, key=lambda row: row.get(name, ""), reverse=descending)
            continue
        condition = re.fullmatch(r"(\w+?)(!=|=|STARTSWITH|LIKE)(.*)", part, re.DOTALL)
        if condition and condition[1] in known:
            rows = [row for row in rows if _holds(row[condition[1]], condition[2], condition[3])]
    return rows


def _holds(value: str, operator: str, wanted: str) -> bool:
    if operator == "STARTSWITH":
        return value.startswith(wanted)
    if operator == "LIKE":
        return wanted.lower() in value.lower()
    return (value == wanted) == (operator == "=")
