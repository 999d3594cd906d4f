# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python knows of payloads is what the collection's own reader says."""

from __future__ import annotations

from pathlib import Path

import pytest

from storewarden.adapters.ansible.payloads import InstalledPayloads
from storewarden.config.rollout_file import read_rollout_file
from storewarden.config.rollout_words import wave
from storewarden.domain.errors import ConfigInvalid, ContentMissing
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.rollout.plan import settled

pytestmark = pytest.mark.slow  # each question is a process


def names(root: Path) -> list[str]:
    found = root.glob("roles/payload_*/meta/payload.yml")
    return sorted(path.parent.parent.name.removeprefix("payload_") for path in found)


def test_every_payload_of_ours_is_a_rollout_by_its_name_alone(
    project_root: Path, tmp_path: Path
) -> None:
    payloads = InstalledPayloads()
    assert "packages" in names(project_root)
    for name in names(project_root):
        about = payloads.about(name)
        assert {"en", "zh"} <= about.summary.keys()
        assert OperationClass(about.operation)
        assert about.waves
        assert all(wave(word) for word in about.waves)
        (tmp_path / "rollout.yml").write_text(f"payload: {name}\n")
        spec = read_rollout_file(tmp_path / "rollout.yml", "rollout.yml", payloads.about)
        assert (spec.payload, spec.timing, spec.soak) == (name, about.timing, about.soak)
        assert len(settled(spec).waves) == len(about.waves)


def test_a_payload_that_nobody_has_is_one_line_with_those_that_there_are() -> None:
    with pytest.raises(ConfigInvalid, match=r"no payload nonsense .*packages"):
        InstalledPayloads().about("nonsense")
    with pytest.raises(ConfigInvalid, match="--json"):
        InstalledPayloads().about("--json")


def test_a_collection_without_a_reader_is_missing_content(tmp_path: Path) -> None:
    with pytest.raises(ContentMissing, match="no reader of payloads"):
        InstalledPayloads(tmp_path).about("packages")


def test_a_payload_of_the_sites_own_is_found_where_its_plays_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``roles_path`` of the site's ansible.cfg, as ansible-playbook reads it."""
    meta = tmp_path / "roles" / "payload_mine" / "meta" / "payload.yml"
    meta.parent.mkdir(parents=True)
    meta.write_text(
        "{summary: {en: mine, zh: 我的}, class: config, reversibility: A, operation: configuration,"
        " timing: {apply: 7}}\n"
    )
    (tmp_path / "ansible.cfg").write_text("[defaults]\nroles_path = roles\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    about = InstalledPayloads().about("mine")
    assert (about.summary["en"], about.timing.apply.total_seconds()) == ("mine", 7.0)
