# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections `notifications` and `vault`, as a site writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.secrets import References
from storewarden.config import SiteConfig, load_config
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.outbox.notice import Severity
from storewarden.testing.secrets import MemorySecrets
from storewarden.wiring.notify import site_channels
from storewarden.wiring.secrets import site_secrets

HEAD = """\
site: {name: 示例连锁, language: zh, timezone: Asia/Shanghai}
notifications:
  channels:
"""
FULL = """\
    night-shift:
      type: dingtalk
      url: file:secrets/dingtalk-url
      secret: vault:secret/storewarden/dingtalk#sign
      at_mobiles: ["13800000000"]
      language: en
      timezone: Europe/Berlin
      severities: [warning, urgent]
      kinds: [change, audit ended]
      regions: [华东]
      roles: [security_lead]
      digest_minutes: 15
      urgent_seconds: 30
      storm: 20
      quiet_hours: "Mon-Fri 22:00-07:30; Sat,Sun 00:00-24:00"
      attach_reports: false
      to_people: true
"""


def site(folder: Path, text: str) -> SiteConfig:
    (folder / "storewarden.yml").write_text(text, encoding="utf-8")
    return load_config(None, {"HOME": "/home/op"}, folder)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        site_channels(site(folder, text), MemorySecrets())
    line = str(caught.value)
    assert "\n" not in line
    assert "storewarden.yml" in line
    return line


def test_a_channel_with_every_key(tmp_path: Path) -> None:
    (channel,) = site_channels(site(tmp_path, HEAD + FULL), MemorySecrets())
    rules = channel.rules
    assert (channel.outbox, channel.sender.name) == ("notify:night-shift", "night-shift")
    assert (channel.attach_reports, channel.to_people) == (False, True)
    assert (rules.name, rules.site, rules.language) == ("night-shift", "示例连锁", "en")
    assert str(rules.zone) == "Europe/Berlin"
    assert rules.severities == {Severity.WARNING, Severity.URGENT}
    assert (rules.kinds, rules.regions) == (("change", "audit ended"), {"华东"})
    assert rules.roles == {"security_lead"}
    assert (rules.every, rules.urgent_every) == (timedelta(minutes=15), timedelta(seconds=30))
    assert rules.storm == 20
    assert rules.quiet is not None
    assert rules.quiet.quiet_at(datetime(2026, 6, 6, 12, tzinfo=UTC))  # a Saturday
    assert not rules.quiet.quiet_at(datetime(2026, 6, 5, 12, tzinfo=UTC))


def test_what_is_left_out_is_the_sites(tmp_path: Path) -> None:
    text = HEAD + "    all: {type: wecom, url: env:WECOM_URL}\n"
    (channel,) = site_channels(site(tmp_path, text), MemorySecrets())
    assert (channel.rules.language, str(channel.rules.zone)) == ("zh", "Asia/Shanghai")
    assert channel.rules.severities == set(Severity)
    assert channel.rules.every == timedelta(minutes=5)
    assert channel.rules.quiet is None


def test_a_site_without_channels_has_none(tmp_path: Path) -> None:
    assert site_channels(site(tmp_path, "notifications:\n  channels:\n"), MemorySecrets()) == ()


def test_several_channels_keep_their_order(tmp_path: Path) -> None:
    text = HEAD + "".join(f"    {name}: {{type: webhook, url: env:A}}\n" for name in "zam")
    assert [c.rules.name for c in site_channels(site(tmp_path, text), MemorySecrets())] == [*"zam"]


@pytest.mark.parametrize(
    ("channel", "what"),
    [
        ("ops: {url: env:A}", "notifications.channels.ops.type"),
        ("ops: {type: pager}", "known: apprise, dingtalk"),
        ("ops: {type: wecom}", "notifications.channels.ops.url: is missing"),
        ("ops: {type: wecom, url: 'https://qyapi.example/?key=abc'}", "must be a reference"),
        ("ops: {type: wecom, url: env:A, secret: env:B}", "ops.secret: unknown key"),
        ("ops: {type: wecom, url: env:A, severities: [loud]}", "severities"),
        ("ops: {type: wecom, url: env:A, severities: urgent}", "must be a list"),
        ("ops: {type: wecom, url: env:A, quiet_hours: late}", "22:00-07:30"),
        ("ops: {type: wecom, url: env:A, timezone: Mars}", "Asia/Shanghai"),
        ("ops: {type: wecom, url: env:A, storm: 0}", "1-100"),
        ("ops: {type: wecom, url: env:A, digest_minutes: 5.5}", "whole number"),
        ("ops: 'https://qyapi.example/?key=abc'", "must be keys with values"),
        ("Ops Team: {type: wecom, url: env:A}", "no name of a channel"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, channel: str, what: str) -> None:
    line = refusal(tmp_path, f"{HEAD}    {channel}\n")
    assert what in line
    assert "key=abc" not in line


def test_a_site_without_a_vault_reads_files_beside_its_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of a site\n")
    (tmp_path / "token").chmod(0o600)
    secrets = site_secrets(site(tmp_path, "vault:\n"), {"NAME": "of the service"})
    assert secrets.read("file:token").reveal() == "of a site"
    assert secrets.read("env:NAME").reveal() == "of the service"
    with pytest.raises(ConfigInvalid, match="no vault"):
        secrets.read("vault:secret/a#b")


def test_a_vault_is_not_asked_before_it_is_needed(tmp_path: Path) -> None:
    text = "vault: {url: 'https://vault.example:8200', token_file: ./token}\n"
    assert isinstance(site_secrets(site(tmp_path, text), {}), References)


@pytest.mark.parametrize(
    ("vault", "what"),
    [
        ("url: vault.example", "must be like https://"),
        ("url: 'https://v.example'", "needs either token_file"),
        ("{url: 'https://v.example', token_file: s.abc123}", "must be the path of a file"),
        ("{url: 'https://v.example', role_id: r}", "go together"),
        ("{url: 'https://v.example', token_file: ./t, role_id: r, secret_id_file: ./s}", "either"),
        ("{url: 'https://v.example', token_file: ./t, cache_seconds: 900}", "0-300"),
        ("{url: 'https://v.example', token: x}", "unknown key"),
    ],
)
def test_a_vault_that_is_wrong_is_one_line(tmp_path: Path, vault: str, what: str) -> None:
    text = f"vault:\n  {vault}\n" if not vault.startswith("{") else f"vault: {vault}\n"
    with pytest.raises(ConfigInvalid) as caught:
        site(tmp_path, text)
    assert what in str(caught.value)
    assert "abc123" not in str(caught.value)
