# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/developers/python-api.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.change_service import lay_out, serving, site_in, standard, token_for

pytestmark = pytest.mark.slow


def examples(project_root: Path) -> list[str]:
    page = (project_root / "docs/developers/python-api.md").read_text()
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_a_desk_in_ones_own_process(
    project_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lay_out(tmp_path)
    with site_in(tmp_path) as site:
        token = token_for(site, "op.one")
    monkeypatch.chdir(tmp_path)
    exec(compile(examples(project_root)[1], "python-api.md", "exec"), {"token": token})  # noqa: S102
    assert "nobody approves their own change" in capsys.readouterr().out
    with site_in(tmp_path) as site:
        (change,) = site.changes.changes()
        assert (change.requester, change.draft.summary) == ("op.one", "New price service")


def test_a_client_of_the_service(project_root: Path, tmp_path: Path) -> None:
    with serving(lay_out(tmp_path)) as service:
        code = examples(project_root)[0]
        body = '{"summary": "...", "kind": "standard", ...}'
        assert body in code
        code = code.replace(body, repr(standard())).replace("http://127.0.0.1:8787", service.url)
        names: dict[str, object] = {"token": service.token("op.one")}
        exec(compile(code, "python-api.md", "exec"), names)  # noqa: S102
        assert service.site.changes.change(str(names["number"])) is not None
