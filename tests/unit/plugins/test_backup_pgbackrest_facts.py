# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest's words mean, without a server."""

from __future__ import annotations

import json

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
    BackupFailure,
    BadCredentials,
    Busy,
    Interrupted,
    NoRoom,
    Rejected,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_facts import (
    inventory,
    missing,
    new_label,
    refused,
    segment_of,
    verified,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Ran

_MIB16 = 1 << 24
_GOOD = """P00   INFO: stanza: shop
status: ok
  archiveId: 15-1, total WAL checked: 6, total valid WAL: 6
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261123-004931F, status: valid, total files checked: 964, total valid files: 964
"""


def test_segments_are_counted_across_the_end_of_a_log_file() -> None:
    first, last = "0000000100000000000000FE", "000000010000000100000001"
    there = {first, "0000000100000000000000FF", last}
    assert missing(there, first, last, _MIB16) == ["000000010000000100000000"]
    assert missing(there | {"000000010000000100000000"}, first, last, _MIB16) == []


def test_a_file_of_the_archive_is_a_segment_only_with_its_sum() -> None:
    segment = "000000010000000000000002"
    assert segment_of(f"{segment}-{'5c' * 20}.zst") == segment
    assert segment_of(f"{segment}-{'5c' * 20}") == segment
    assert segment_of(f"{segment}.00000028.backup") == ""
    assert segment_of(f"{segment}-{'5c' * 20}.zst.pgbackrest.tmp") == ""


@pytest.mark.parametrize(
    ("rc", "text", "kind"),
    [
        (50, "ERROR: [050]: unable to acquire lock: Resource temporarily unavailable", Busy),
        (50, "ERROR: [050]: unable to acquire lock: Permission denied", BackupFailure),
        (-9, "", Interrupted),
        (63, "ERROR: [063]: terminated on signal [SIGTERM]", Interrupted),
        (82, "ERROR: [082]: unable to write: [28] No space left on device", NoRoom),
        (29, "FormatError: key/value found outside of section at line 1", BadCredentials),
        (99, "ERROR: [099]: whatever comes", BackupFailure),
    ],
)
def test_an_end_is_told_by_what_was_said(rc: int, text: str, kind: type[BackupFailure]) -> None:
    assert type(refused(Ran(rc, "", text, 0.1), "backup")) is kind


def test_a_backup_without_a_name_is_none() -> None:
    with pytest.raises(Rejected):
        new_label(Ran(0, "P00 INFO: backup command end: completed successfully", "", 1.0))


def test_a_verification_has_to_speak_of_each_backup() -> None:
    both = ["20261123-004931F", "20261123-010000F"]
    assert verified(Ran(0, _GOOD, "", 1.0), both[:1]).backups == {}
    assert verified(Ran(0, _GOOD, "", 1.0), both).backups == {both[1]: "was not looked at"}
    with pytest.raises(BackupFailure):
        verified(Ran(0, "", "", 1.0), both)  # rc 0, and nothing was said


def test_an_inventory_that_is_no_json_is_no_empty_one() -> None:
    with pytest.raises(Rejected):
        inventory("", "shop")
    unmade = [{"name": "shop", "repo": [{"status": {"code": 1, "message": "missing stanza path"}}]}]
    assert inventory(json.dumps(unmade), "shop") == []
