# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of `storewarden.yml`, their defaults, and nothing else.

Unknown keys are refused, because a misspelt key is a setting that silently does not hold.
The template of `storewarden init` shows every key; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from storewarden.config.backup import BackupConfig
from storewarden.config.changes import ChangesConfig
from storewarden.config.compliance import ComplianceConfig
from storewarden.config.controller import ControllerConfig
from storewarden.config.fields import (
    AtOnce,
    Forks,
    LedgerPlace,
    Minutes,
    Percent,
    SecretPath,
    SecretRef,
    ShardSize,
    SitePath,
    SitePaths,
    VariableNames,
    ZoneName,
)
from storewarden.config.healing import HealingConfig
from storewarden.config.notifications import NotificationsConfig
from storewarden.config.people import PeopleConfig
from storewarden.config.records import RecordsConfig
from storewarden.config.tickets import TicketsConfig
from storewarden.config.vault import VaultConfig
from storewarden.config.windows import WindowsConfig


class _Section(BaseModel):
    """Frozen and strict: "95" is not 95, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteSection(_Section):
    """Who this is: the name on reports, their language, the zone in which a day begins."""

    name: str = "storewarden"
    language: Literal["en", "zh"] = "en"
    timezone: ZoneName = "UTC"


class AuditConfig(_Section):
    """How audits run. `fail_under` is in percent; 95 is the guide's bar (guide 2.2)."""

    fail_under: Percent = 95
    controls_dirs: SitePaths = ()
    waivers_dir: SitePath | None = None
    shard_size: ShardSize = 50
    at_once: AtOnce = 4
    forks: Forks = 20  # reference: guard rails, "forks 20"
    timeout_minutes: Minutes = 15  # reference: guard rails, "run 15 min"

    @property
    def timeout(self) -> timedelta:
        """How long one run may take."""
        return timedelta(minutes=self.timeout_minutes)


class AnsibleConfig(_Section):
    """What the site's own Ansible content needs.

    ``collections`` are searched after ours; ``pass_env`` names environment variables
    that inventory plugins and scripts may read (tokens of a CMDB). Plays never get them.
    """

    collections: SitePaths = ()
    pass_env: VariableNames = ()


class SshConfig(_Section):
    """Files for the connection to hosts; None leaves it to OpenSSH's own defaults."""

    known_hosts: SitePath | None = None
    private_key: SitePath | None = None


class SecretsConfig(_Section):
    """Where secrets are. Only paths and references are ever known here."""

    vault_password_file: SecretPath | None = None
    become_password_file: SecretPath | None = None
    ledger_password: SecretRef | None = None  # of the PostgreSQL user

    @property
    def files(self) -> Mapping[str, Path]:
        """The files that are set, by their keys."""
        found = {
            "vault_password_file": self.vault_password_file,
            "become_password_file": self.become_password_file,
        }
        return {key: path for key, path in found.items() if path is not None}


class EstateConfig(_Section):
    """How far the estate may shrink between two runs without anybody saying so."""

    max_drop_percent: Percent = 10


class SiteConfig(_Section):
    """A site's settings, all paths absolute; `source` is the file they came from, if any."""

    source: SitePath | None = None
    site: SiteSection = SiteSection()
    inventory: SitePaths = ()
    state_dir: SitePath
    ledger: LedgerPlace
    ansible: AnsibleConfig = AnsibleConfig()
    audit: AuditConfig = AuditConfig()
    ssh: SshConfig = SshConfig()
    secrets: SecretsConfig = SecretsConfig()
    estate: EstateConfig = EstateConfig()
    people: PeopleConfig = PeopleConfig()
    changes: ChangesConfig = ChangesConfig()
    controller: ControllerConfig = ControllerConfig()
    tickets: TicketsConfig = TicketsConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    vault: VaultConfig = VaultConfig()
    windows: WindowsConfig = WindowsConfig()
    records: RecordsConfig = RecordsConfig()
    compliance: ComplianceConfig = ComplianceConfig()
    healing: HealingConfig = HealingConfig()
    backup: BackupConfig = BackupConfig()

    @property
    def folder(self) -> Path | None:
        """Where the site's files lie; None without a configuration file."""
        return self.source.parent if self.source else None

    @property
    def anchor_file(self) -> Path:
        """Where anchors of the journal are kept; beside the ledger unless the settings say more."""
        return self.controller.anchor_file or self.beside_ledger("anchors")

    @property
    def ledger_file(self) -> Path | None:
        """The ledger's file; None when the ledger lies on a PostgreSQL server."""
        return self.ledger if isinstance(self.ledger, Path) else None

    def beside_ledger(self, name: str) -> Path:
        """A file or folder that belongs to the ledger; in state_dir when that is on a server."""
        file = self.ledger_file or self.state_dir / "ledger"
        return file.with_name(f"{file.name}.{name}")
