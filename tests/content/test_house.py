# SPDX-License-Identifier: GPL-3.0-or-later
"""The house rules that no linter knows: sizes, names, links, and words that must not appear."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import order

_ROOT = Path(__file__).resolve().parents[2]
_EMPTY_NAMES = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "manager",
    "types",
    "models",
    "misc",
}


def _tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = (_ROOT / line for line in listed.stdout.splitlines())
    return sorted(p for p in found if p.is_file() and (not suffixes or p.suffix in suffixes))


def _shipped_python() -> list[Path]:
    shipped = (_ROOT / "python", _ROOT / "plugins")
    return [p for p in _tracked(".py") if any(p.is_relative_to(folder) for folder in shipped)]


def test_files_say_in_their_name_what_they_hold() -> None:
    assert [p for p in _tracked(".py") if p.stem in _EMPTY_NAMES] == []


def test_no_shipped_file_is_longer_than_400_lines() -> None:
    long = {p.name: n for p in _shipped_python() if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """What is asked about a file; its tree is large, and is not kept."""

    explained: bool
    long: list[str]  # functions of more than 50 lines


@functools.cache
def _read(path: Path) -> _Module:
    tree = ast.parse(path.read_text())
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for node in _statements(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or node.lineno) - node.lineno + 1 > 50
    ]
    return _Module(explained=bool(ast.get_docstring(tree)), long=long)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node that may hold functions: expressions, most of a tree, hold none."""
    for block in ("body", "handlers", "cases", "orelse", "finalbody"):
        for each in getattr(node, block, ()):
            yield each
            yield from _statements(each)


def test_no_shipped_function_is_longer_than_50_lines() -> None:
    assert [function for path in _shipped_python() for function in _read(path).long] == []


@pytest.mark.parametrize("folder", ["python", "plugins"])
def test_every_module_explains_itself(folder: str) -> None:
    mute = [
        str(p.relative_to(_ROOT))
        for p in _shipped_python()
        if p.is_relative_to(_ROOT / folder) and p.read_text().count("\n") > 3
        and "DOCUMENTATION" not in p.read_text() and not _read(p).explained
    ]  # fmt: skip
    assert mute == []


def test_every_source_file_names_its_licence() -> None:
    silent = [str(p) for p in _tracked(".py") if "GPL-3.0-or-later" not in p.read_text()[:400]]
    assert silent == []


def test_the_order_of_test_files_names_files_that_exist() -> None:
    assert [name for name in order.SECONDS if not (_ROOT / "tests" / name).is_file()] == []


def test_links_between_our_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(_ROOT)} -> {target}"
        for page in _tracked(".md")
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_nothing_unfinished_and_no_path_of_a_developers_machine() -> None:
    marks = re.compile(
        r"\b(TO" r"DO|FIX" r"ME|HA" r"CK|XX" r"X)\b|(?<![\w.$}~])/(wo" r"rk|far" r"m)/"
    )
    found = []
    for path in _tracked():
        if path.suffix in {".png", ".lock", ".xlsx", ".zip"} or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if marks.search(line):
                found.append(f"{path.relative_to(_ROOT)}:{number} {line.strip()[:80]}")
    assert found == []


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    commands = [
        line for line in (_ROOT / ".ci/run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]  # fmt: skip
    assert commands == ["exec make test"]
    for page in ("README.md", "README.zh-CN.md"):
        assert re.search(r"^make test\b", (_ROOT / page).read_text(), re.MULTILINE), page


def test_both_readmes_name_the_same_commands() -> None:
    pages = [(_ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md")]
    commands = [
        sorted(set(re.findall(r"`(storewarden [a-z ]+?)[ `A-Z目]", page))) for page in pages
    ]
    assert commands[0] == commands[1]
