# SPDX-License-Identifier: GPL-3.0-or-later
"""A new site works as it is, shows every key, and never overwrites anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from storewarden.adapters.waivers import load_waivers
from storewarden.config import SiteConfig, load_config
from storewarden.config.scaffold import template_files, write_site
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.waiver import DeviceFacts
from storewarden.domain.errors import Refused
from storewarden.domain.estate.device import read_estate


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_site(tmp_path / "site")
    return tmp_path / "site"


def test_the_new_sites_settings_load(site: Path) -> None:
    config = load_config(None, {"HOME": "/home/op"}, site)
    assert config.inventory == (site / "inventory/stores.yml",)
    assert all(path.is_file() for path in config.inventory)


def keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys(field.annotation)
    return found


def test_every_key_is_in_the_template_and_valid_when_uncommented(site: Path) -> None:
    text = (site / "storewarden.yml").read_text()
    shown = set(re.findall(r"^ *(?:# )?([a-z_]+):(?: |$)", text, re.MULTILINE))
    assert keys(SiteConfig) - {"source"} <= shown
    live = re.sub(r"^( *)# ([a-z_]+: \S+( \S+)?)$", r"\1\2", text, flags=re.MULTILINE)
    assert live.count("#") < text.count("#")
    (site / "storewarden.yml").write_text(live)
    config = load_config(None, {"HOME": "/home/op"}, site)
    assert config.audit.controls_dirs == (site / "controls",)
    assert config.secrets.vault_password_file == Path("/home/op/.config/storewarden/vault-password")


def test_commented_defaults_are_the_real_ones(site: Path) -> None:
    text = (site / "storewarden.yml").read_text()
    plain = load_config(None, {"HOME": "/home/op"}, site.parent)
    audit = {name: str(value) for name, value in plain.audit.model_dump().items()}
    written = dict(
        re.findall(r"^  # (shard_size|at_once|forks|timeout_minutes): (\d+)$", text, re.M)
    )
    assert written == {name: audit[name] for name in written}
    assert len(written) == 4


@pytest.mark.slow
def test_ansible_reads_the_new_site_as_a_complete_estate(site: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "--list",
         "-i", site / "inventory/stores.yml"],
        capture_output=True, text=True, check=True, cwd=site,
    )  # fmt: skip
    hosts = json.loads(done.stdout)["_meta"]["hostvars"]
    estate = read_estate(hosts, lambda name: name == "Asia/Shanghai")
    assert [str(finding) for finding in estate.findings] == []
    assert len(estate.devices) == 5


def test_an_occupied_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refused, match="not empty"):
        write_site(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(Refused, match="is a file"):
        write_site(tmp_path / "mine.txt")


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    written = write_site(tmp_path)
    assert tmp_path / ".gitignore" in written
    assert {path.relative_to(tmp_path).as_posix() for path in written} == set(template_files())


def test_the_sample_waiver_is_one_when_its_name_ends_in_yml(site: Path) -> None:
    device = DeviceFacts(host="server01.000101", store="000101", role="server")
    severities = {"B08": Severity.MEDIUM}
    assert load_waivers([site / "waivers"], severities=severities, devices=[device]) == ()
    (site / "waivers/example.yml.sample").rename(site / "waivers/example.yml")
    (waiver,) = load_waivers([site / "waivers"], severities=severities, devices=[device])
    assert waiver.scope.covers(device)
