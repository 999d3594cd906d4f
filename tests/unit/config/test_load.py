# SPDX-License-Identifier: GPL-3.0-or-later
"""storewarden.yml: where it is found, what it may say, and one line for each mistake."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.config import SiteConfig, load_config
from storewarden.domain.errors import ConfigInvalid

HOME = {"HOME": "/home/op"}


def load(tmp_path: Path, text: str) -> SiteConfig:
    (tmp_path / "storewarden.yml").write_text(text)
    return load_config(None, HOME, tmp_path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_every_key_has_its_default(tmp_path: Path) -> None:
    config = load_config(None, {**HOME, "XDG_STATE_HOME": "/state"}, tmp_path)
    assert config.source is None
    assert config.inventory == ()
    assert (config.audit.fail_under, config.audit.shard_size, config.audit.forks) == (95, 50, 20)
    assert config.audit.timeout == timedelta(minutes=15)
    assert config.state_dir == Path("/state/storewarden")
    assert config.ledger == Path("/state/storewarden/ledger.sqlite")
    assert (config.site.language, config.site.timezone) == ("en", "UTC")
    assert config.estate.max_drop_percent == 10


def test_state_of_root_and_of_others(tmp_path: Path) -> None:
    expected = "/var/lib/storewarden" if os.geteuid() == 0 else "/home/op/.local/state/storewarden"
    assert load_config(None, HOME, tmp_path).state_dir == Path(expected)


def test_paths_begin_where_the_file_lies(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "inventory: [inv/stores.yml, /etc/hosts.yml]\nstate_dir: state\n"
        "audit: {controls_dirs: [controls], waivers_dir: ../w}\n"
        "ssh: {private_key: ~/.ssh/id, known_hosts: kh}\n"
        "secrets: {vault_password_file: ./vault}\n",
    )
    assert config.inventory == (tmp_path / "inv/stores.yml", Path("/etc/hosts.yml"))
    assert config.state_dir == tmp_path / "state"
    assert config.ledger == tmp_path / "state/ledger.sqlite"
    assert config.audit.controls_dirs == (tmp_path / "controls",)
    assert config.audit.waivers_dir == tmp_path.parent / "w"
    assert config.ssh.private_key == Path("/home/op/.ssh/id")
    assert config.secrets.vault_password_file == tmp_path / "vault"
    assert config.source == tmp_path / "storewarden.yml"


def test_the_first_file_that_was_named_wins(tmp_path: Path) -> None:
    for name in ("option", "variable"):
        (tmp_path / f"{name}.yml").write_text(f"site: {{name: {name}}}\n")
    here = load(tmp_path, "site: {name: here}\n")
    environ = {**HOME, "STOREWARDEN_CONFIG": str(tmp_path / "variable.yml")}
    assert here.site.name == "here"
    assert load_config(None, environ, tmp_path).site.name == "variable"
    assert load_config(Path("option.yml"), environ, tmp_path).site.name == "option"


@pytest.mark.parametrize("by", ["--config", "$STOREWARDEN_CONFIG"])
def test_a_named_file_must_exist(tmp_path: Path, by: str) -> None:
    environ = {**HOME, "STOREWARDEN_CONFIG": "gone.yml"}
    with pytest.raises(ConfigInvalid) as caught:
        load_config(Path("gone.yml") if by == "--config" else None, environ, tmp_path)
    assert str(caught.value) == f"gone.yml: no such file (named by {by})"


def test_sections_and_keys_left_empty_mean_their_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "---\naudit:\nssh:\n  private_key:\ninventory:\n")
    assert config.audit.fail_under == 95
    assert config.ssh.private_key is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "audit:\n  # the bar\n  fail_under: 120\n",
            "storewarden.yml:3: audit.fail_under: must be 0-100 (is 120)",
        ),
        ("audit:\n  fork: 3\n", "storewarden.yml:2: audit.fork: unknown key (did you mean forks?)"),
        ("audit:\n  forks: '3'\n", "storewarden.yml:2: audit.forks: must be a whole number (is 3)"),
        ("audit:\n  shard_size: 51\n", "storewarden.yml:2: audit.shard_size: must be 1-50 (is 51)"),
        ("site:\n language: fr", "storewarden.yml:2: site.language: must be 'en' or 'zh' (is fr)"),
        (
            "site:\n\n  timezone: Mars/X\n",
            "storewarden.yml:3: site.timezone: must be the name of a time zone, "
            "like Asia/Shanghai (is Mars/X)",
        ),
        (
            "inventory: stores.yml\n",
            "storewarden.yml:1: inventory: must be a list, one entry per line after '- ' "
            "(is stores.yml)",
        ),
        (
            "inventory:\n- a\n- 7\n",
            "storewarden.yml:3: inventory.1: must be the path of a file or folder (is 7)",
        ),
        ("audit: 5\n", "storewarden.yml:1: audit: must be keys with values (is 5)"),
        ("- a\n", "storewarden.yml:1: must be keys with values"),
        (
            "audit:\n  forks: 1\n  forks: 2\n",
            "storewarden.yml:3: forks: given twice (first in line 2)",
        ),
        ("ledger: postgresql://x\n", "storewarden.yml:1: ledger: must be the path of a file, or "
         "postgresql://USER@HOST/DATABASE (is postgresql://x)"),
        ("source: x\n", "storewarden.yml:1: source: unknown key"),
        (
            "audit:\n  forks: 0\nestate:\n  max_drop_percent: -1\n",
            "storewarden.yml:2: audit.forks: must be 1-200 (is 0; 1 more after this)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_line_and_key(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text) == line


@pytest.mark.parametrize("text", ["a: [1\n", "a: b: c\n", "x: !!python/object:os.system y\n"])
def test_broken_yaml_has_a_line(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, f"site:\n  name: x\n{text}").startswith("storewarden.yml:")


@pytest.mark.parametrize(
    "text",
    [
        "secrets:\n  vault_password_file: hunter2-secret\n",
        "secrets:\n  become_password_file: |\n    ./hunter2-secret\n    two\n",
        "secrets:\n  become_password: hunter2-secret\n",
        "secrets: hunter2-secret\n",
    ],
)
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    said = refusal(tmp_path, text)
    assert "secrets" in said
    assert "hunter2" not in said


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "storewarden.yml").write_bytes(b"site:\n  name: \xb5\xea\n")
    with pytest.raises(ConfigInvalid, match=r"storewarden\.yml:2: is not UTF-8"):
        load_config(None, HOME, tmp_path)


def test_a_ledger_on_a_server_leaves_its_side_files_in_state_dir(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "state_dir: state\nledger: postgresql://ops@db.example.com/storewarden\n"
        "secrets: {ledger_password: 'file:/etc/storewarden/pw'}\n",
    )
    assert config.ledger == "postgresql://ops@db.example.com/storewarden"
    assert config.ledger_file is None
    assert config.anchor_file == tmp_path / "state/ledger.anchors"
    assert config.secrets.ledger_password == "file:/etc/storewarden/pw"
    plain = load(tmp_path, "state_dir: state\nledger: kept/l.sqlite\n")
    assert plain.ledger_file == tmp_path / "kept/l.sqlite"
    assert plain.beside_ledger("claims") == tmp_path / "kept/l.sqlite.claims"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ops:geheim@db/storewarden",
        "postgresql://ops:@db/storewarden",
        "postgresql://db/storewarden?password=geheim",
        "postgresql://db/storewarden?user=ops&sslPassword=geheim",
    ],
)
def test_a_password_in_the_ledgers_address_is_refused_and_not_repeated(
    tmp_path: Path, address: str
) -> None:
    said = refusal(tmp_path, f"ledger: {address}\n")
    assert said.startswith("storewarden.yml:1: ledger: must hold no password; ")
    assert "geheim" not in said


@pytest.mark.parametrize(
    "address",
    ["mysql://ops@db/storewarden", "postgresql://db", "postgresql://[db/storewarden", "http://x/y",
     "postgresql://db:port/storewarden", "postgresql+asyncpg://db/storewarden"],
)  # fmt: skip
def test_a_ledger_is_a_file_or_on_postgresql(tmp_path: Path, address: str) -> None:
    said = refusal(tmp_path, f"ledger: {address}\n")
    assert "must be the path of a file, or postgresql://USER@HOST/DATABASE" in said


def test_the_ledgers_password_is_a_reference(tmp_path: Path) -> None:
    said = refusal(tmp_path, "secrets: {ledger_password: geheim}\n")
    assert "must be a reference" in said
    assert "geheim" not in said
