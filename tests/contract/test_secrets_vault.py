# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets out of a real OpenBao: logins, refusals, outages, and what an error may say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.secrets import VaultSettings, open_secrets
from storewarden.adapters.secrets.vault import Vault
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.testing.loopback import Answer, LoopbackService, Request
from tests.contract.bao_server import Bao, bao_server, private

pytestmark = pytest.mark.slow

VALUE = "https://oapi.example/robot?access_token=秘密-0123456789"
PLACE = "secret/storewarden/dingtalk#url"


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao_server(tmp_path_factory.mktemp("bao")) as server:
        server.put("storewarden/dingtalk", url=VALUE, number=7, empty="")
        server.put("other/team", password="not ours")
        yield server


class Hands:
    """A clock for the cache."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def token_file(bao: Bao, tmp_path: Path) -> Path:
    return private(tmp_path / "token", bao.token() + "\n")


def by_token(bao: Bao, token_file: Path, **more: float) -> VaultSettings:
    return VaultSettings(url=bao.url, token_file=token_file, timeout_seconds=60.0, **more)


def failure(vault: Vault, place: str = PLACE) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        vault.read(place)
    assert "\n" not in str(caught.value)
    return caught.value


class TestReading:
    """What is there."""

    def test_a_field_is_read_by_reference(self, bao: Bao, token_file: Path, tmp_path: Path) -> None:
        secrets = open_secrets(tmp_path, {}, by_token(bao, token_file))
        secret = secrets.read(f"vault:{PLACE}")
        assert secret.reveal() == VALUE
        assert VALUE not in f"{secret!r} {secret} {secrets!r}"

    @pytest.mark.parametrize(
        ("place", "what"),
        [
            ("secret/storewarden/nothing#url", "no such secret"),
            ("secret/storewarden/dingtalk#uri", "no field 'uri'"),
            ("secret/storewarden/dingtalk#number", "no text"),
            ("secret/storewarden/dingtalk#empty", "no text"),
            ("secret/storewarden/dingtalk", "is not like"),
            ("dingtalk#url", "is not like"),
            ("#", "is not like"),
        ],
    )
    def test_what_leads_nowhere_is_one_line(
        self, bao: Bao, token_file: Path, place: str, what: str
    ) -> None:
        with pytest.raises(ConfigInvalid) as caught:
            Vault(by_token(bao, token_file)).read(place)
        assert what in str(caught.value)
        assert VALUE not in str(caught.value)

    def test_a_deleted_secret_is_gone(self, bao: Bao, token_file: Path) -> None:
        bao.put("storewarden/brief", key="value")
        bao.root.secrets.kv.v2.delete_latest_version_of_secret(path="storewarden/brief")
        with pytest.raises(ConfigInvalid, match="deleted"):
            Vault(by_token(bao, token_file)).read("secret/storewarden/brief#key")

    def test_a_changed_secret_is_found_when_the_cache_is_old(
        self, bao: Bao, token_file: Path
    ) -> None:
        clock = Hands()
        vault = Vault(by_token(bao, token_file, cache_seconds=30.0), clock)
        seen = []
        for now, value in ((0.0, "one"), (29.0, "two"), (31.0, "three")):
            clock.now = now
            bao.put("storewarden/changing", key=value)
            seen.append(vault.read("secret/storewarden/changing#key").reveal())
        assert seen == ["one", "one", "three"]

    def test_several_threads_may_ask(self, bao: Bao, token_file: Path) -> None:
        vault = Vault(by_token(bao, token_file, cache_seconds=0.0))
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(vault.read(PLACE).reveal()))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [VALUE] * 8


class TestWhoWeAre:
    """Tokens and AppRoles, and when they end."""

    def test_a_policy_that_forbids_is_permanent(self, bao: Bao, token_file: Path) -> None:
        error = failure(Vault(by_token(bao, token_file)), "secret/other/team#password")
        assert not error.retryable
        assert "does not let us" in error.what

    def test_a_token_that_was_renewed_in_its_file_is_taken(
        self, bao: Bao, token_file: Path
    ) -> None:
        vault = Vault(by_token(bao, token_file, cache_seconds=0.0))
        assert vault.read(PLACE).reveal() == VALUE
        bao.root.auth.token.revoke(token_file.read_text().strip())
        private(token_file, bao.token())
        assert vault.read(PLACE).reveal() == VALUE

    def test_a_revoked_token_fails_after_one_new_login(self, bao: Bao, token_file: Path) -> None:
        vault = Vault(by_token(bao, token_file, cache_seconds=0.0))
        vault.read(PLACE)
        token = token_file.read_text().strip()
        bao.root.auth.token.revoke(token)
        error = failure(vault)
        assert not error.retryable
        assert token not in str(error)

    def test_an_approle_logs_in_and_again_when_its_token_has_ended(
        self, bao: Bao, tmp_path: Path
    ) -> None:
        role = bao.role()
        secret_id = private(tmp_path / "secret-id", bao.secret_id())
        vault = Vault(
            VaultSettings(url=bao.url, role_id=role, secret_id_file=secret_id, cache_seconds=0.0)
        )
        assert vault.read(PLACE).reveal() == VALUE
        _revoke_all(bao)
        assert vault.read(PLACE).reveal() == VALUE

    def test_a_secret_id_that_is_used_up_is_named(self, bao: Bao, tmp_path: Path) -> None:
        role = bao.role(secret_id_num_uses=1)
        given = bao.secret_id()
        settings = VaultSettings(
            url=bao.url, role_id=role, secret_id_file=private(tmp_path / "s", given)
        )
        assert Vault(settings).read(PLACE).reveal() == VALUE
        error = failure(Vault(settings))
        assert not error.retryable
        assert "secret id" in error.hint
        assert given not in str(error)

    def test_a_token_file_that_everybody_can_read_is_refused(
        self, bao: Bao, token_file: Path
    ) -> None:
        token_file.chmod(0o644)
        with pytest.raises(ConfigInvalid, match="every user"):
            Vault(by_token(bao, token_file)).read(PLACE)


class TestOutages:
    """Away is retryable, and passes."""

    def test_sealed_is_retryable_and_passes(self, tmp_path: Path) -> None:
        with bao_server(tmp_path) as own:
            own.put("storewarden/dingtalk", url=VALUE)
            token = private(tmp_path / "token", own.token())
            vault = Vault(by_token(own, token, cache_seconds=0.0))
            assert vault.read(PLACE).reveal() == VALUE
            own.root.sys.seal()
            error = failure(vault)
            assert error.retryable
            assert "sealed" in error.what
            own.root.sys.submit_unseal_key(own.unseal_key())
            assert vault.read(PLACE).reveal() == VALUE

    def test_nobody_listening_is_retryable(self, tmp_path: Path) -> None:
        with bao_server(tmp_path) as own:
            token = private(tmp_path / "token", own.token())
            vault = Vault(by_token(own, token, cache_seconds=0.0))
            own.put("storewarden/dingtalk", url=VALUE)
            vault.read(PLACE)
        error = failure(vault)
        assert error.retryable
        assert "cannot be reached" in error.what

    @pytest.mark.parametrize(
        ("status", "retryable"), [(429, True), (500, True), (502, True), (503, True), (400, False)]
    )
    def test_answers_of_something_in_between(
        self, tmp_path: Path, status: int, retryable: bool
    ) -> None:
        class Between(LoopbackService[None]):
            def handle(self, request: Request) -> Answer:
                return Answer(status=status, body={"errors": [f"seen {request.headers}"]})

        with Between(None) as between:
            token = private(tmp_path / "token", "token-that-must-not-show")
            error = failure(Vault(VaultSettings(url=between.url, token_file=token)))
            assert error.retryable is retryable
            assert "token-that-must-not-show" not in str(error)


def _revoke_all(bao: Bao) -> None:
    """End every token of the AppRole, as a restart of the vault would."""
    bao.root.sys.revoke_prefix(prefix="auth/approle/login")
