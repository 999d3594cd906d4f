#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bucket for copies: its lock, and bringing back what was hidden in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_bucket
short_description: Lock a bucket for copies of backups, or bring back what was deleted in it
version_added: 0.4.0
description:
  - V(lock) makes a bucket whose versions nobody can delete before their time, or sets how long
    that is. A bucket that was made without locks is refused, for they cannot be added.
  - V(undelete) removes the markers that hide what was deleted. With O(since) what was written over
    gets its old content back as well, as a newer version.
author:
  - The storewarden developers
notes:
  - It speaks to the server from where it runs; delegate it to the controller.
attributes:
  check_mode:
    support: full
    description: It tells what would be done.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  word:
    description: What is to be done.
    type: str
    choices: [lock, undelete]
    required: true
  endpoint:
    description: The server, as C(https://NAME[:PORT]).
    type: str
    required: true
  bucket:
    description: The bucket's name.
    type: str
    required: true
  region:
    description: The server's region.
    type: str
    default: us-east-1
  path_style:
    description: Whether the bucket is part of the path and not of the server's name.
    type: bool
    default: true
  ca:
    description: A file with the authorities that sign the server's certificate.
    type: path
  key_id_file:
    description: A file with the name of a key that may do this.
    type: path
    required: true
  secret_key_file:
    description: A file with that key.
    type: path
    required: true
  days:
    description: For V(lock), the days for which each version is locked.
    type: int
  tree:
    description: For V(undelete), where to look, like C(PREFIX/HOST/POLICY).
    type: str
  since:
    description:
      - For V(undelete), only what happened after this moment, in seconds since 1970; 0 for all.
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: Versions stay for 30 days
  storewarden.ops.backup_bucket:
    word: lock
    endpoint: https://s3.north.example
    bucket: store-backups
    key_id_file: /etc/storewarden/away-admin.key-id
    secret_key_file: /etc/storewarden/away-admin.secret-key
    days: 30
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was done, in one line.
  returned: always
  type: str
  sample: 40 came back, 1 got its old content, 2 are newer
back:
  description:
    - The keys that are C(seen) again, the C(covered) ones that got their old content back, and the
      C(newer) ones, which were made later and left alone.
  returned: with undelete
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import BackupFailure
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_bucket import prepare
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import Bucket, Key
from ansible_collections.storewarden.ops.plugins.module_utils.backup.undelete import undelete

SPEC = {
    "word": {"choices": ["lock", "undelete"], "required": True},
    "endpoint": {"type": "str", "required": True},
    "bucket": {"type": "str", "required": True},
    "region": {"type": "str", "default": "us-east-1"},
    "path_style": {"type": "bool", "default": True},
    "ca": {"type": "path"},
    "key_id_file": {"type": "path", "required": True, "no_log": False},
    "secret_key_file": {"type": "path", "required": True, "no_log": False},
    "days": {"type": "int"},
    "tree": {"type": "str"},
    "since": {"type": "float", "default": 0.0},
}


def main():
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[("word", "lock", ("days",)), ("word", "undelete", ("tree",))],
        supports_check_mode=True,
    )
    given = module.params
    if not given["endpoint"].startswith("https://"):
        module.fail_json(msg="endpoint: must be https://NAME[:PORT]")
    try:
        there = _bucket(given)
        if given["word"] == "lock":
            module.exit_json(**_lock(there, given["days"], module.check_mode))
        module.exit_json(**_back(there, given["tree"], given["since"], module.check_mode))
    except (BackupFailure, OSError) as error:
        module.fail_json(msg=str(error))


def _bucket(given):
    words = {name: given[name] for name in ("region", "path_style")}
    key = Key(_line(given["key_id_file"]), _line(given["secret_key_file"]))
    return Bucket(
        given["endpoint"].rstrip("/"), given["bucket"], key, ca=given["ca"] or "", **words
    )


def _line(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _lock(there, days, check):
    if days < 1:
        raise BackupFailure("days: must be 1 or more", "days 须不小于 1")
    made, locked = prepare(there, days, check)
    text = "bucket {0}: {1}, versions are locked for {2} days"
    return {
        "changed": made or locked,
        "msg": text.format(there.name, "made" if made else "there", days),
    }


def _back(there, tree, since, check):
    if not tree.strip("/"):
        raise BackupFailure("tree: must not be empty", "tree 不能为空")
    back = undelete(there, tree, since, dry=check)
    text = "{0} came back, {1} got their old content, {2} are newer"
    counts = (len(back.seen), len(back.covered), len(back.newer))
    return {
        "changed": bool(back.seen or back.covered),
        "msg": text.format(*counts),
        "back": {name: list(names) for name, names in back._asdict().items()},
    }


if __name__ == "__main__":
    main()
