# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for copies and secrets of backups in the settings: what is taken, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from storewarden.config import load_config
from storewarden.domain.errors import ConfigInvalid

_SFTP = "kind: sftp, medium: d, credentials: c, address: a, user: u, known_hosts: kh"
_S3 = "kind: s3, medium: d, credentials: c, endpoint: 'https://s3.example', bucket: sets"


def loaded(folder: Path, place: str, more: str = ""):  # type: ignore[no-untyped-def]
    file = folder / "storewarden.yml"
    file.write_text(f"backup:\n  locations:\n    hub: {{{place}}}\n{more}")
    return load_config(file, {"HOME": str(folder)}, folder).backup


def test_a_place_of_before_is_the_hosts_own_repository(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "medium: disk, credentials: hub").locations["hub"]
    assert (hub.kind, hub.words, hub.secrets()) == ("host", {}, {})


def test_words_travel_and_secrets_stay_references(tmp_path: Path) -> None:
    more = "key: 'file:/k/{host}', delete_user: d, delete_key: 'env:DELETE', verifier: trusted01"
    hub = loaded(tmp_path, f"{_SFTP}, {more}").locations["hub"]
    assert hub.words == {"address": "a", "user": "u", "delete_user": "d"}
    assert hub.secrets() == {"key": "file:/k/{host}"}
    assert hub.secrets(deleting=True)["delete_key"] == "env:DELETE"
    assert hub.files == {"known_hosts": tmp_path / "kh"}
    assert hub.verifier == "trusted01"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("kind: ftp, medium: d, credentials: c", "kind"),
        ("medium: d, credentials: c, bucket: b", "bucket is not for a place of kind host"),
        ("kind: path, medium: d, credentials: c", "lacks folder"),
        ("kind: path, medium: d, credentials: c, folder: a", "absolute path"),
        (_SFTP, "lacks key"),
        (f"{_SFTP}, key: 'file:/k/{{store}}'", "knows {host} and {policy}, not {store}"),
        (f"{_SFTP}, key: hunter2", "must be a reference"),
        (f"{_SFTP}, key: 'env:K', delete_user: d", "go together"),
        (f"{_SFTP}, key: 'env:K', port: 0", "1-65535"),
        (f"{_S3}, key_id: 'env:A'", "lacks secret_key"),
        (_S3.replace("https", "http") + ", key_id: 'env:A', secret_key: 'env:B'", "https://"),
        (_S3.replace("sets", "S!") + ", key_id: 'env:A', secret_key: 'env:B'", "bucket"),
        ("medium: d, credentials: c, verifier: v", "nobody else can reach"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(tmp_path: Path, place: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        loaded(tmp_path, place)
    line = str(refused.value)
    assert "\n" not in line
    assert "hub" in line
    assert said in line
    assert "hunter2" not in line


def test_the_password_of_repositories_is_a_reference(tmp_path: Path) -> None:
    more = "  secrets: {repository: 'file:/etc/x/{host}', passwords: {tills: 'env:TILLS'}}\n"
    found = loaded(tmp_path, "medium: d, credentials: c", more).secrets
    assert found.repository == "file:/etc/x/{host}"
    with pytest.raises(ConfigInvalid, match="reference"):
        loaded(tmp_path, "medium: d, credentials: c", "  secrets: {repository: hunter2}\n")
