# SPDX-License-Identifier: GPL-3.0-or-later
"""Long test files begin first, so that the last worker of a run is not alone for minutes.

A file goes to one worker as a whole (``--dist loadfile``). The seconds only say who comes before
whom, so rough ones do; a file that is not named takes the usual time of its folder.
"""

from __future__ import annotations

import functools
from pathlib import Path

_TESTS = Path(__file__).resolve().parent
# Seconds of one file, roughly, on an idle machine with two processors.
_USUAL = {"e2e": 20.0, "faults": 60.0, "contract": 5.0}
SECONDS = {
    "faults/test_rollout_faults.py": 460.0,
    "e2e/test_molecule.py": 340.0,
    "e2e/test_audit_cli.py": 300.0,
    "e2e/test_restore_point_dead_man.py": 140.0,
    "e2e/test_control_states.py": 120.0,
    "e2e/test_restore_point_items.py": 110.0,
    "e2e/test_fix_accounts_ssh.py": 110.0,
    "e2e/test_payload_packages.py": 100.0,
    "contract/test_engine_durable.py": 100.0,
    "e2e/test_baseline_fix.py": 150.0,
    "e2e/test_change_cli.py": 95.0,
    "e2e/test_database_controls.py": 90.0,
    "e2e/test_rollout_drive.py": 90.0,
    "e2e/test_harden_cli.py": 90.0,
    "flows/test_rollout_crashes.py": 85.0,
    "e2e/test_audit_promises.py": 180.0,
    "contract/test_runner_errors.py": 80.0,
    "contract/test_runner_isolation.py": 75.0,
    "e2e/test_restore_point_refusals.py": 75.0,
    "e2e/test_heal_printing.py": 10.0,
    "e2e/test_heal_network.py": 140.0,
    "e2e/test_heal_web.py": 55.0,
    "e2e/test_heal_databases.py": 55.0,
    "e2e/test_payload_framework.py": 300.0,
    "e2e/test_payload_release.py": 170.0,
    "contract/test_runner_survival.py": 70.0,
    "e2e/test_fix_kernel_ports_logs.py": 260.0,
    "e2e/test_heal_service.py": 60.0,
    "e2e/test_lab.py": 65.0,
    "e2e/test_window_cli.py": 60.0,
    "e2e/test_redis_nginx_controls.py": 60.0,
    "e2e/test_wheel.py": 60.0,
    "contract/test_runner_contract.py": 55.0,
    "contract/test_runner_stopping.py": 50.0,
    "contract/test_engine_troubles.py": 50.0,
    "contract/test_engine_jobs.py": 50.0,
    "e2e/test_scanner_agreement.py": 50.0,
    "e2e/test_heal_disk.py": 50.0,
    "e2e/test_payload_content.py": 50.0,
    "e2e/test_rollout_worker.py": 105.0,
    "e2e/test_rollout_watch_cli.py": 45.0,
    "e2e/test_rollout_plan_cli.py": 45.0,
    "e2e/test_serve_outage.py": 45.0,
    "e2e/test_postgresql_site.py": 45.0,
    "flows/test_rollout_workers.py": 40.0,
    "contract/test_runner_inventory.py": 35.0,
    "e2e/test_heal_framework.py": 30.0,
    "contract/test_tickets_roundup.py": 30.0,
    "contract/test_ledger_any_tampering.py": 30.0,
    "web/test_api_fuzz.py": 30.0,
    "web/test_api_hostile.py": 25.0,
    "unit/plugins/test_baseline_module.py": 25.0,
    "unit/plugins/test_restore_packs.py": 20.0,
    "contract/test_changes_processes.py": 70.0,
    "e2e/test_serve.py": 48.0,
    "e2e/test_fleet_drift.py": 44.0,
    "contract/test_changes_conformance.py": 42.0,
    "e2e/test_heal_watched.py": 38.0,
    "e2e/test_backup_devices_cli.py": 35.0,
    "contract/test_runner_volume.py": 32.0,
    "contract/test_ledger_each_column.py": 32.0,
    "contract/test_device_backup.py": 28.0,
}


@functools.cache
def place(file: Path) -> float:
    """A sort key: the longest file has the smallest."""
    name = file.relative_to(_TESTS).as_posix() if file.is_relative_to(_TESTS) else ""
    return -SECONDS.get(name, _USUAL.get(name.partition("/")[0], 0.0))
