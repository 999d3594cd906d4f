# SPDX-License-Identifier: GPL-3.0-or-later
"""Jira's REST API version 2 (Server and Data Center), as far as a change needs it.

Kept from the real one, because clients fall over it: JQL reads an index that is behind, so
that an issue just created is not found for ``index_lag`` searches; ``~`` finds what merely
contains the text; texts over 32,767 characters are refused; a comment inside a transition
without a screen is dropped; attachments need ``X-Atlassian-Token``; with
``anonymous_when_expired`` credentials that no longer hold give an anonymous user's empty
answers instead of a 401, as Jira Cloud does. Mishaps are ordered with ``suffer``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.testing.loopback import Answer, LoopbackService, Request

TEXT_LIMIT = 32_767
RUN_FIELD = "customfield_10100"
FIELDS = {
    "summary": "Summary", "description": "Description", "labels": "Labels",
    RUN_FIELD: "Run ID", "customfield_10101": "Risk", "customfield_10102": "Requester",
}  # fmt: skip
WORKFLOW = {
    "To Do": (("11", "Start", "In Progress"),),
    "In Progress": (("21", "Stop", "To Do"), ("31", "Finish", "Done")),
    "Done": (("41", "Reopen", "To Do"),),
}
_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
_API = "/rest/api/2/"
_ISSUE = re.compile(r"issue/([^/]+)(?:/(comment|transitions|attachments))?")
_CLAUSE = re.compile(r'([\w\[\].]+)\s*(=|~)\s*("(?:\\.|[^"\\])*"|\S+)')
_BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@dataclass(slots=True)
class _Issue:
    number: int
    fields: dict[str, object]
    created: str
    visible_after: int
    status: str = "To Do"
    comments: list[dict[str, object]] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)


@dataclass(slots=True)
class _Site:
    issues: list[_Issue] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    searches: int = 0
    keys: int = 0
    count: int = 0


class FakeJira(LoopbackService[_Site]):
    """A site with the project OPS and one user; ``token`` is the personal access token."""

    project = "OPS"
    user = "storewarden"
    password = "pa55-芝麻"
    token = "pat-MDk4NzY1"

    def __init__(self, *, index_lag: int = 0) -> None:
        super().__init__(_Site())
        self.index_lag = index_lag
        self.anonymous_when_expired = False

    def handle(self, request: Request) -> Answer:
        """The REST API and the download of attachments."""
        if not self._known(request):
            return self.unauthorised()
        if request.path.startswith("/secure/attachment/"):
            return self._download(request.path.split("/")[3])
        if not request.path.startswith(_API):
            return Answer(status=404, body=b"<html><title>Oops</title></html>")
        answer = self._api(request, request.path.removeprefix(_API))
        named = {"X-AUSERNAME": self.user, **answer.headers}
        return Answer(status=answer.status, body=answer.body, headers=named)

    def unauthorised(self) -> Answer:
        """401, or what an anonymous user sees: nothing."""
        if self.anonymous_when_expired:
            return Answer(
                body={"startAt": 0, "maxResults": 50, "total": 0, "issues": []},
                headers={"X-AUSERNAME": "anonymous"},
            )
        return Answer(
            status=401, body=b"<html><title>Unauthorized (401)</title></html>",
            headers={"Content-Type": "text/html", "X-Seraph-LoginReason": "AUTHENTICATED_FAILED"},
        )  # fmt: skip

    def plant(self, **fields: object) -> str:
        """An issue made by a person; its key."""
        return self._key(self._add(fields))

    def remove(self, key: str) -> None:
        """As if a person had deleted it; its key is never given again."""
        self.state.issues = [i for i in self.state.issues if self._key(i) != key]

    def issue(self, run_id: str) -> _Issue:
        """The first issue with that run id, for a test to look at."""
        return next(i for i in self.state.issues if run_id in _texts(i.fields))

    def _known(self, request: Request) -> bool:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        given = request.headers.get("authorization", "")
        return given in (f"Basic {pair}", f"Bearer {self.token}")

    def _api(self, request: Request, path: str) -> Answer:
        fixed: dict[str, object] = {
            "myself": {"name": self.user, "active": True},
            "field": [{"id": i, "name": name} for i, name in FIELDS.items()],
            f"project/{self.project}": {"key": self.project, "issueTypes": [{"name": "Change"}]},
        }
        if path in fixed:
            return Answer(body=fixed[path])
        if path in ("search", "search/jql"):
            return self._search(request)
        if path == "issue" and request.method == "POST":
            return self._create(request)
        if found := _ISSUE.fullmatch(path):
            return self._of_issue(request, found[1], found[2] or "")
        return _refused("Not found", status=404)

    def _create(self, request: Request) -> Answer:
        fields = request.data.get("fields")
        if not isinstance(fields, dict):
            return _refused("Field 'fields' is required")
        errors = _errors(fields, self.project)
        if errors:
            return Answer(status=400, body={"errorMessages": [], "errors": errors})
        issue = self._add(fields)
        return Answer(status=201, body={"id": str(10_000 + issue.number), "key": self._key(issue)})

    def _add(self, fields: Mapping[str, object]) -> _Issue:
        self.state.count += 1
        self.state.keys += 1
        issue = _Issue(
            number=self.state.keys,
            fields={k: v for k, v in fields.items() if k in FIELDS},
            created=self._now(),
            visible_after=self.state.searches + self.index_lag,
        )
        self.state.issues.append(issue)
        return issue

    def _search(self, request: Request) -> Answer:
        self.state.searches += 1
        asked = {**request.query, **request.data}
        jql = str(asked.get("jql", ""))
        unknown = [c[0] for c in _CLAUSE.findall(jql) if not self._searchable(c[0])]
        if unknown:
            return _refused(f"Field '{unknown[0]}' does not exist or you do not have permission")
        found = [i for i in self.state.issues if i.visible_after < self.state.searches]
        for name, operator, value in _CLAUSE.findall(jql):
            found = [i for i in found if self._matches(i, name, operator, _unquoted(value))]
        if re.search(r"ORDER BY \w+ DESC", jql, re.IGNORECASE):
            found.reverse()
        page = found[: int(str(asked.get("maxResults", 50)))]
        return Answer(
            body={
                "startAt": 0, "maxResults": 50, "total": len(found),
                "issues": [self._shown(i, str(asked.get("fields", ""))) for i in page],
            }
        )  # fmt: skip

    @staticmethod
    def _searchable(name: str) -> bool:
        return name in ("project", "labels", "key", "summary") or _field_of(name) in FIELDS

    def _matches(self, issue: _Issue, name: str, operator: str, wanted: str) -> bool:
        if name == "project":
            return wanted == self.project
        if name == "key":
            return wanted == self._key(issue)
        value = issue.fields.get(_field_of(name))
        if operator == "~":
            return wanted.strip('"').lower() in str(value or "").lower()
        return wanted in value if isinstance(value, list) else wanted == value

    def _of_issue(self, request: Request, key: str, part: str) -> Answer:
        issue = next((i for i in self.state.issues if self._key(i) == key), None)
        if issue is None:
            return _refused("Issue Does Not Exist", status=404)
        if part == "comment":
            return self._comments(request, issue)
        if part == "transitions":
            return self._transitions(request, issue)
        if part == "attachments":
            return self._attach(request, issue)
        return Answer(body=self._shown(issue, request.query.get("fields", "")))

    def _comments(self, request: Request, issue: _Issue) -> Answer:
        if request.method == "POST":
            body = str(request.data.get("body", ""))
            if not body.strip():
                return _refused("Comment body can not be empty!")
            if _length(body) > TEXT_LIMIT:
                return Answer(status=400, body={"errors": {"comment": _too_long()}})
            self.state.count += 1
            comment: dict[str, object] = {
                "id": str(self.state.count),
                "body": body,
                "created": self._now(),
            }
            issue.comments.append(comment)
            return Answer(status=201, body=comment)
        begin = int(request.query.get("startAt", "0"))
        page = issue.comments[begin : begin + int(request.query.get("maxResults", "50"))]
        return Answer(body={"startAt": begin, "total": len(issue.comments), "comments": page})

    def _transitions(self, request: Request, issue: _Issue) -> Answer:
        offered = WORKFLOW[issue.status]
        if request.method == "GET":
            return Answer(
                body={
                    "transitions": [{"id": i, "name": n, "to": _status(to)} for i, n, to in offered]
                }
            )
        wanted = request.data.get("transition")
        chosen = str(wanted.get("id", "")) if isinstance(wanted, dict) else ""
        target = next((to for i, _, to in offered if i == chosen), None)
        if target is None:
            return _refused("It seems that you have tried to perform an illegal workflow operation")
        if request.data.get("fields"):
            return _refused("Field 'resolution' cannot be set. It is not on the appropriate screen")
        issue.status = target
        return Answer(status=204)

    def _attach(self, request: Request, issue: _Issue) -> Answer:
        if request.headers.get("x-atlassian-token") not in ("no-check", "nocheck"):
            return Answer(status=403, body=b"XSRF check failed")
        added = []
        for name, media_type, content in _parts(request):
            self.state.count += 1
            number = str(self.state.count)
            self.state.contents[number] = content
            added.append(
                {
                    "id": number, "filename": name, "size": len(content), "mimeType": media_type,
                    "content": f"{self.url}/secure/attachment/{number}/{number}",
                }
            )  # fmt: skip
        issue.files.extend(added)
        return Answer(body=added)

    def _download(self, number: str) -> Answer:
        if number not in self.state.contents:
            return Answer(status=404, body=b"")
        return Answer(body=self.state.contents[number])

    def _shown(self, issue: _Issue, wanted: str) -> dict[str, object]:
        fields: dict[str, object] = {
            **dict.fromkeys(FIELDS), **issue.fields,
            "status": _status(issue.status), "created": issue.created,
            "attachment": list(issue.files),
        }  # fmt: skip
        names = [name for name in re.split(r"[,\s'\[\]]+", wanted) if name]
        if names:
            fields = {name: value for name, value in fields.items() if name in names}
        number = str(10_000 + issue.number)
        return {"id": number, "key": self._key(issue), "fields": fields}

    def _key(self, issue: _Issue) -> str:
        return f"{self.project}-{issue.number}"

    def _now(self) -> str:
        moment = _BEGIN + timedelta(seconds=self.state.count // 3)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _errors(fields: Mapping[str, object], project: str) -> dict[str, str]:
    errors = {
        name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        for name in fields
        if name not in FIELDS and name not in ("project", "issuetype")
    }
    if fields.get("project") != {"key": project}:
        errors["project"] = "valid project is required"
    if fields.get("issuetype") != {"name": "Change"}:
        errors["issuetype"] = "valid issue type is required"
    summary = str(fields.get("summary", ""))
    if not summary or len(summary) > 255 or "\n" in summary:
        errors["summary"] = "Summary must be one line of at most 255 characters"
    if _length(str(fields.get("description", ""))) > TEXT_LIMIT:
        errors["description"] = _too_long()
    labels = fields.get("labels")
    if isinstance(labels, list) and any(" " in str(label) for label in labels):
        errors["labels"] = "The label contains spaces which is invalid."
    return errors


def _length(text: str) -> int:
    """As Java counts: in UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def _too_long() -> str:
    return "The entered text is too long. It exceeds the allowed limit of 32,767 characters."


def _refused(message: str, status: int = 400) -> Answer:
    return Answer(status=status, body={"errorMessages": [message], "errors": {}})


def _status(name: str) -> dict[str, object]:
    return {"name": name, "statusCategory": {"key": _CATEGORIES[name]}}


def _field_of(name: str) -> str:
    found = re.fullmatch(r"cf\[(\d+)\]", name)
    return f"customfield_{found[1]}" if found else name


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _texts(fields: Mapping[str, object]) -> list[object]:
    found: list[object] = []
    for value in fields.values():
        found.extend(value if isinstance(value, list) else [value])
    return found


def _parts(request: Request) -> list[tuple[str, str, bytes]]:
    """Name, media type and bytes of each file of a multipart form."""
    boundary = re.search(r"boundary=\"?([^\";]+)", request.headers.get("content-type", ""))
    if boundary is None:
        return []
    found = []
    for part in request.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        words = head.decode("utf-8", "replace")
        name = re.search(r'filename="([^"]*)"', words)
        kind = re.search(r"Content-Type:\s*(\S+)", words, re.IGNORECASE)
        if name:
            found.append((name[1], kind[1] if kind else "", content.removesuffix(b"\r\n")))
    return found
