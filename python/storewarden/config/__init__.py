# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site sets once: `storewarden.yml`, checked as a whole before anything starts."""

from storewarden.config.load import default_config, load_config
from storewarden.config.site import AuditConfig, EstateConfig, SecretsConfig, SiteConfig, SshConfig

__all__ = [
    "AuditConfig",
    "EstateConfig",
    "SecretsConfig",
    "SiteConfig",
    "SshConfig",
    "default_config",
    "load_config",
]
