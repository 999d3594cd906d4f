# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden heal import`: rules on stdout, everything that was not taken over beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from storewarden.cli.exits import Exit
from storewarden.cli.heal_import import import_
from storewarden.ports.reports import Language

MAPPING = """
modules:
  ansible.builtin.systemd: {action: service, options: {unit: nginx.service}}
target: {address: "{instance}"}
"""

RULEBOOK = """
- name: Tills
  hosts: all
  rules:
    - name: Web server
      condition: event.alert.labels.job == "nginx" or event.alert.labels.tier is defined
      action: {run_module: {name: ansible.builtin.systemd, module_args: {state: restarted}}}
    - name: Number
      condition: event.alert.labels.count > 5
      action: {run_module: {name: ansible.builtin.systemd}}
"""


@pytest.mark.parametrize(
    ("language", "heads"),
    [
        (Language.EN, ("not taken over:", "taken over with a difference:")),
        (Language.ZH, ("未能转换：", "已转换，但有差异：")),
    ],
)
def test_rules_go_to_stdout_and_the_rest_to_stderr(
    language: Language,
    heads: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mapping.yml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "tills.yml").write_text(RULEBOOK, encoding="utf-8")
    status = import_([tmp_path / "tills.yml"], mapping=tmp_path / "mapping.yml", lang=language)
    said = capsys.readouterr()
    assert status is Exit.FINE
    assert [each["name"] for each in yaml.safe_load(said.out)["rules"]] == [
        "Web server (1)",
        "Web server (2)",
    ]
    assert "&id" not in said.out
    lines = [line.removeprefix("storewarden: ").strip() for line in said.err.splitlines()]
    assert lines[0] == heads[0]
    assert lines[1] == "tills.yml: Number: count: > cannot be said with a matcher"
    assert lines[2] == heads[1]
    assert "state is not handed on" in lines[3]
