# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out one order: ``python3 -I -S -B program.zip ROOT/jobs/RUN/order.json``.

The report lies beside the order, in one piece, before this ends. 0: done, 1: not done (the
report says why), 2: there is no order that could be read.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import Any

from .engine import Root, carried_out
from .failures import BackupFailure
from .order import Order, order_of
from .report import Report, plain

REPORT = "report.json"
_ROOM = 16 * 1024  # bytes for a report on a disk that the backup has filled


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write(__doc__ or "")
        return 2
    os.umask(0o077)
    path = os.path.abspath(sys.argv[1])
    try:
        with open(path, encoding="utf-8") as source:
            given = json.load(source)
    except (OSError, ValueError) as error:
        sys.stderr.write("{0}: {1}\n".format(path, error))
        return 2
    return _answered(given, os.path.dirname(path))


def _answered(given: Any, folder: str) -> int:
    reserve = os.path.join(folder, "reserve")
    with open(reserve, "wb") as target:
        target.write(os.urandom(_ROOM))
    try:
        order = order_of(given)
    except BackupFailure as failure:
        report, order = _refused(given, os.path.basename(folder), failure), None
    else:
        report = carried_out(order, Root(os.path.dirname(os.path.dirname(folder))))
    os.unlink(reserve)
    try:
        _written(folder, report)
    finally:
        if order is not None:
            forget_secrets(order)
    return 0 if report.end == "done" else 1


def _written(folder: str, report: Report) -> None:
    """On a disk that has become full a report without its lists still fits, and says so."""
    try:
        write_report(folder, report)
    except OSError as error:
        en, zh = "the report was too long for the disk: {0}", "磁盘空间不足，报告未能完整写出：{0}"
        reason = {"en": en.format(error.strerror), "zh": zh.format(error.strerror)}
        short = report._replace(sets=(), notes=(), removed=(), drill=None)
        write_report(folder, short._replace(end="no-space", reason=reason))


def _refused(given: Any, run: str, failure: BackupFailure) -> Report:
    words = given if isinstance(given, dict) else {}
    now = time.time()
    return Report(
        run=run, verb=str(words.get("verb", "")), host=str(words.get("host", "")),
        policy=str(words.get("policy", "")), end=failure.end,
        reason={"en": failure.en, "zh": failure.zh}, began=now, ended=now, seconds=0.0,
    )  # fmt: skip


def write_report(folder: str, report: Report) -> None:
    """In one step: whoever finds it finds all of it."""
    path = os.path.join(folder, REPORT)
    with open(path + ".new", "w", encoding="ascii") as target:
        json.dump(plain(report), target)
        target.flush()
        os.fsync(target.fileno())
    os.replace(path + ".new", path)


def forget_secrets(order: Order) -> None:
    """The folder that came with the order goes; files that lie elsewhere are the host's own."""
    for folder in {os.path.dirname(path) for path in order.secrets.values()}:
        if os.path.basename(folder) == order.run:
            shutil.rmtree(folder, ignore_errors=True)
