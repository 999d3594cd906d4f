# SPDX-License-Identifier: GPL-3.0-or-later
"""One YAML file, read strictly, with the line of everything that is wrong.

A window that is misread opens a store at noon. So unknown and doubled keys are errors, and a
value is what stands there: YAML itself would make an unquoted 09:30 the number 570, an unquoted
000101 the number 65 and a "no" false.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import yaml

from storewarden.domain.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A file that messages call ``shown``."""

    shown: str

    def fail(self, node: yaml.Node, what: str, hint: str = "") -> NoReturn:
        """ConfigInvalid at the line of ``node``."""
        raise ConfigInvalid(what, where=self.at(node), hint=hint)

    def at(self, node: yaml.Node) -> str:
        """``file:line``."""
        return f"{self.shown}:{node.start_mark.line + 1}"

    def root(self, path: Path) -> yaml.Node | None:
        """The content of the file, None when it is empty; ConfigInvalid."""
        try:
            text = path.read_text(encoding="utf-8-sig")
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigInvalid(f"cannot be read: {reason}", where=self.shown) from error
        except UnicodeDecodeError as error:
            raise ConfigInvalid(
                "is not UTF-8", where=self.shown, hint="save it as UTF-8"
            ) from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{self.shown}:{mark.line + 1 if mark else 1}"
            raise ConfigInvalid(f"not valid YAML: {error.problem}", where=where) from error
        except yaml.YAMLError as error:
            raise ConfigInvalid(f"not valid YAML: {error}", where=self.shown) from error

    def mapping(self, node: yaml.Node, what: str, keys: Iterable[str]) -> dict[str, yaml.Node]:
        """Its keys with their values; an empty value is as if the key were not there."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} must be keys with values")
        known, parts, seen = tuple(keys), {}, set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                self.fail(key, f"{name}: given twice")
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                if (
                    isinstance(value, yaml.ScalarNode) and not value.value
                ):  # {rule: FREQ=WEEKLY;BYDAY=MO,TU} is two keys
                    hint = "a text with a comma in it needs quotes here"
                self.fail(key, f"{name}: unknown key of {what}", hint)
            seen.add(name)
            if not (isinstance(value, yaml.ScalarNode) and value.tag.endswith(":null")):
                parts[name] = value
        return parts

    def entries(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The entries of a list."""
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, f"{what}: must be a list, one entry after each '- '")
        return list(node.value)

    def text(self, node: yaml.Node, what: str) -> str:
        """A text as it stands there, quoted or not; not empty."""
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, f"{what}: must be one text")
        if not node.value.strip():
            self.fail(node, f"{what}: is empty")
        return str(node.value).strip()

    def texts(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        """A list of texts with at least one; a single one may stand alone."""
        if isinstance(node, yaml.ScalarNode):
            return (self.text(node, what),)
        found = tuple(self.text(each, what) for each in self.entries(node, what))
        if not found:
            self.fail(node, f"{what}: is an empty list", "leave the key out")
        return found

    def number(self, node: yaml.Node, what: str, most: int) -> int:
        """A whole number from 0 to ``most``."""
        value = node.value if isinstance(node, yaml.ScalarNode) else ""
        if not str(value).isascii() or not str(value).isdigit() or int(value) > most:
            self.fail(node, f"{what}: must be a whole number from 0 to {most}")
        return int(value)
