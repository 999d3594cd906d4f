# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in files and variables: who may read them, and what an error may say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storewarden.adapters.secrets import open_secrets
from storewarden.domain.errors import ConfigInvalid
from tests.contract.bao_server import private

VALUE = "s3cret-值-0123456789"


def refusal(reference: str, folder: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        open_secrets(folder, environ or {}).read(reference)
    line = str(caught.value)
    assert "\n" not in line
    assert VALUE not in line
    return line


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_is_read_without_its_last_line_break(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(f"{VALUE}{ending}".encode())
    file.chmod(0o600)
    assert open_secrets(tmp_path, {}).read(f"file:{file}").reveal() == VALUE


def test_paths_begin_at_the_site_and_at_home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    private(tmp_path / "near", "near")
    private(tmp_path / "home/far", "far")
    secrets = open_secrets(tmp_path, {"HOME": str(tmp_path / "home")})
    assert secrets.read("file:near").reveal() == "near"
    assert secrets.read("file:./near").reveal() == "near"
    assert secrets.read("file:~/far").reveal() == "far"


def test_inner_line_breaks_and_blanks_belong_to_a_key(tmp_path: Path) -> None:
    private(tmp_path / "key", "-----BEGIN-----\n abc \n-----END-----\n")
    read = open_secrets(tmp_path, {}).read("file:key").reveal()
    assert read == "-----BEGIN-----\n abc \n-----END-----"


def test_a_changed_file_is_found_at_once(tmp_path: Path) -> None:
    secrets = open_secrets(tmp_path, {})
    private(tmp_path / "s", "one")
    assert secrets.read("file:s").reveal() == "one"
    private(tmp_path / "s", "two")
    assert secrets.read("file:s").reveal() == "two"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666, 0o777])
def test_a_file_open_to_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "s", VALUE)
    file.chmod(mode)
    assert f"chmod 600 {file}" in refusal("file:s", tmp_path)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_a_service_group_may_read(tmp_path: Path, mode: int) -> None:
    private(tmp_path / "s", VALUE).chmod(mode)
    assert open_secrets(tmp_path, {}).read("file:s").reveal() == VALUE


def test_what_is_no_secret_file_is_refused(tmp_path: Path) -> None:
    private(tmp_path / "empty", " \n")
    private(tmp_path / "long", "x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "binary").chmod(0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    assert "no such file" in refusal("file:nothing", tmp_path)
    assert "is empty" in refusal("file:empty", tmp_path)
    assert "too large" in refusal("file:long", tmp_path)
    assert "no text" in refusal("file:binary", tmp_path)
    assert "cannot be read" in refusal("file:folder", tmp_path)


def test_a_named_pipe_does_not_hold_us_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no regular file" in refusal("file:pipe", tmp_path)


def test_a_variable_is_read(tmp_path: Path) -> None:
    assert open_secrets(tmp_path, {"TOKEN": VALUE}).read("env:TOKEN").reveal() == VALUE
    assert "$NONE" in refusal("env:NONE", tmp_path)
    assert "is empty" in refusal("env:BLANK", tmp_path, {"BLANK": " "})
    assert "no such" in refusal("env:two words", tmp_path)


@pytest.mark.parametrize("reference", [VALUE, "", "file:", "env:", "vault:", "https://x/" + VALUE])
def test_what_is_no_reference_is_never_repeated(tmp_path: Path, reference: str) -> None:
    assert "file:PATH, env:NAME or vault:" in refusal(reference, tmp_path)


def test_without_a_vault_a_vault_reference_is_one_line(tmp_path: Path) -> None:
    assert "vault.url" in refusal("vault:secret/a#b", tmp_path)
