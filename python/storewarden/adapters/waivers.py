# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads waiver files: YAML, strict, with the line of everything that is wrong.

A waiver that is misread is worse than none: other tools have shown expired ones
as valid and read a bare year as 1 January. So dates must be quoted
``"YYYY-MM-DD"``, unknown and doubled keys are errors, and one bad waiver stops
the run before anything is audited. A file is one waiver, or a list of them::

    - control: B08
      scope: {roles: [bastion], regions: [east]}   # all given kinds must match
      accepted: ["yes"]                            # the observed value; another voids it
      justification: the bastion forwards ports for the support team
      compensating: sessions are recorded, sources limited to the office
      ticket: GMBG-20260301-004
      approvers: [zhang.wei]                       # two for high controls
      approved: "2026-03-01"
      expires: "2026-05-30"                        # last valid day
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import yaml

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Scope, Waiver, objections, orphans
from storewarden.domain.errors import ConfigInvalid

_SUFFIXES = (".yml", ".yaml")
_KEYS = {
    "control",
    "scope",
    "justification",
    "compensating",
    "ticket",
    "approvers",
    "approved",
    "expires",
    "accepted",
}
_DEEPEST = 20  # levels of an accepted value; an alias inside itself has no end
_SCOPES = ("hosts", "groups", "stores", "regions", "roles")
_HINT = "nothing was audited; correct the waiver or remove it"


def load_waivers(
    places: Sequence[Path],
    *,
    severities: Mapping[str, Severity],
    devices: Sequence[DeviceFacts],
) -> tuple[Waiver, ...]:
    """All waivers of files and folders (``*.yml``, ``*.yaml``, not nested), in file order.

    ``severities`` is the whole catalogue, ``devices`` the whole estate, not the
    selection of one run. Raises ConfigInvalid with ``file:line`` for a file that
    cannot be read, a malformed waiver, an unknown control, and a waiver that
    covers no device. Expired ones are loaded: they are for a warning.
    """
    waivers = read_waivers(places, severities)
    for orphan in orphans(waivers, devices):
        _fail(orphan.source, f"the waiver for {orphan.control} covers no device of the inventory")
    return waivers


def read_waivers(places: Sequence[Path], severities: Mapping[str, Severity]) -> tuple[Waiver, ...]:
    """The same without asking whether they cover anything: for those who list them."""
    waivers = tuple(waiver for file in _files(places) for waiver in _read(file))
    for waiver in waivers:
        _check(waiver, severities)
    return waivers


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(f for f in place.iterdir() if f.suffix in _SUFFIXES and f.is_file())
        else:
            yield place


def _check(waiver: Waiver, severities: Mapping[str, Severity]) -> None:
    severity = severities.get(waiver.control)
    if severity is None:
        _fail(waiver.source, f"there is no control {waiver.control!r}")
    found = objections(waiver, severity)
    if found:
        _fail(waiver.source, f"the waiver for {waiver.control}: {'; '.join(found)}")


def _read(file: Path) -> list[Waiver]:
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as failure:
        _fail(str(file), f"cannot be read: {failure.strerror}")
    except UnicodeDecodeError:
        _fail(str(file), "is not UTF-8 text")
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        _fail(f"{file}:{mark.line + 1 if mark else 1}", f"is not YAML: {failure.problem}")
    except yaml.YAMLError as failure:
        _fail(f"{file}:1", f"is not YAML: {failure}")
    if root is None:
        return []
    page = _Page(file=file)
    if isinstance(root, yaml.MappingNode):
        return [page.waiver(root)]
    if not isinstance(root, yaml.SequenceNode):
        page.fail(root, "must be a waiver, or a list of waivers that begin with '- control:'")
    return [page.waiver(node) for node in root.value]


def _fail(where: str, what: str) -> NoReturn:
    raise ConfigInvalid(what, where=where, hint=_HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Turns the nodes of one file into waivers; nodes know their lines."""

    file: Path

    def fail(self, node: yaml.Node, what: str) -> NoReturn:
        _fail(self._at(node), what)

    def waiver(self, node: yaml.Node) -> Waiver:
        parts = self._mapping(node, "a waiver")
        self._only(parts, _KEYS, "a waiver")
        missing = sorted(_KEYS - parts.keys())
        if missing:
            self.fail(node, f"the waiver lacks {', '.join(missing)}")
        return Waiver(
            control=self._text(parts["control"], "control"),
            scope=self._scope(parts["scope"]),
            justification=self._text(parts["justification"], "justification"),
            compensating=self._text(parts["compensating"], "compensating"),
            ticket=self._text(parts["ticket"], "ticket"),
            approvers=tuple(self._texts(parts["approvers"], "approvers")),
            approved=self._date(parts["approved"], "approved"),
            expires=self._date(parts["expires"], "expires"),
            accepted=self._data(parts["accepted"]),
            source=self._at(node),
        )

    def _at(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}"

    def _mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} must be a mapping")
        parts: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._text(key, "a key")
            if name in parts:
                self.fail(key, f"{name} is given twice")
            parts[name] = value
        return parts

    def _only(self, parts: Mapping[str, yaml.Node], names: Iterable[str], what: str) -> None:
        allowed = sorted(names)
        for name, node in parts.items():
            if name not in allowed:
                self.fail(node, f"{what} has no {name!r}, only {', '.join(allowed)}")

    def _text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str"):
            self.fail(node, f"{name} must be text; quote it if it looks like something else")
        return str(node.value)

    def _texts(self, node: yaml.Node, name: str) -> list[str]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fail(node, f"{name} must be a list with at least one name")
        return [self._text(each, f"each of {name}") for each in node.value]

    def _scope(self, node: yaml.Node) -> Scope:
        parts = self._mapping(node, "scope")
        self._only(parts, _SCOPES, "scope")
        names = {kind: frozenset(self._texts(each, kind)) for kind, each in parts.items()}
        return Scope(**names)

    def _date(self, node: yaml.Node, name: str) -> date:
        text = node.value if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"') else ""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text:
            self.fail(node, f'{name} must be a quoted day like "2026-03-31"')
        return day

    def _data(self, node: yaml.Node, depth: int = 0) -> Any:
        """JSON data: text, numbers, yes/no, null, lists, mappings with text keys."""
        if depth > _DEEPEST:
            self.fail(node, f"accepted is nested deeper than {_DEEPEST} levels")
        if isinstance(node, yaml.SequenceNode):
            return [self._data(each, depth + 1) for each in node.value]
        if isinstance(node, yaml.MappingNode):
            parts = self._mapping(node, "accepted")
            return {name: self._data(each, depth + 1) for name, each in parts.items()}
        kind = node.tag.rsplit(":", 1)[-1]
        if kind not in ("str", "int", "float", "bool", "null"):
            self.fail(node, f"accepted holds {node.value!r}, a {kind}; quote it if it is text")
        return yaml.constructor.SafeConstructor().construct_object(node)
