# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place of kind s3 as a bucket that can be asked: what rclone has no words for."""

from __future__ import annotations

from .rclone_settings import bucket_of, has_secret, secret_name, secret_text, word
from .s3_requests import Bucket, Key
from .work import Work


def bucket(work: Work, deleting: bool = False) -> Bucket:
    """The bucket of ``work.order.place``; with the *delete* key when ``deleting`` and the order
    has it."""
    name, endpoint = bucket_of(work)
    own = "delete_" if deleting and has_secret(work, "delete_secret_key") else ""
    return Bucket(
        endpoint,
        name,
        Key(secret_text(work, own + "key_id"), secret_text(work, own + "secret_key")),
        region=word(work, "region", str, "us-east-1"),
        path_style=word(work, "path_style", bool, True),
        ca=work.secret(secret_name(work, "ca")) if has_secret(work, "ca") else "",
    )


def tree(work: Work) -> str:
    """Where this target's keys begin in the bucket, without a "/" at either end."""
    prefix = word(work, "prefix", str, "").strip("/")
    return "/".join(filter(None, (prefix, work.order.host, work.order.policy)))
