# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue of getters: name -> what looks, and which words its query may hold.

Ansible finds what to send to the host by reading import statements, so this list is written out
instead of found by scanning the folder.
"""

from __future__ import annotations

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import (
    access,
    accounts,
    commands,
    daemons,
    desktop,
    kernel,
    log_archive,
    log_targets,
    mariadb,
    netcfg,
    network,
    nginx,
    openings,
    pam,
    pam_settings,
    pos,
    postgresql,
    records,
    redis,
    rotation,
    sql,
    ssh_access,
    text_files,
    time_sync,
    ufw,
)

GETTERS = {
    getter.name: getter
    for module in (
        access,
        accounts,
        commands,
        daemons,
        desktop,
        kernel,
        log_archive,
        log_targets,
        mariadb,
        netcfg,
        network,
        nginx,
        openings,
        pam,
        pam_settings,
        pos,
        postgresql,
        records,
        redis,
        rotation,
        sql,
        ssh_access,
        text_files,
        time_sync,
        ufw,
    )
    for getter in module.GETTERS
}
