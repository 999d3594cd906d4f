# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How rclone and restic reach a place. Settings and keys go by the environment, never by argv and
into no file that outlives the job."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .failures import Unfit
from .work import Work

_NAME = "place"  # of the remote in rclone's settings
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")  # shorter ones are refused by servers
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}\Z")


class Remote(NamedTuple):
    """This target's tree at a place, in rclone's words. ``root`` is where all targets' trees
    begin."""

    path: str
    env: dict[str, str]
    args: tuple[str, ...]
    root: str


def remote(work: Work, deleting: bool = False) -> Remote:
    """This target's tree at ``work.order.place``; with the place's *delete* credentials when
    ``deleting`` and the order has them. Raises Unfit for words that do not fit, and for a folder
    that is no second medium."""
    made = _KINDS[work.order.place.kind](work, deleting)
    if work.order.place.kind == "host":
        return made
    tree = "/".join((made.path.rstrip("/"), work.order.host, work.order.policy))
    return made._replace(
        path=tree if not made.path.endswith(":") else made.path + tree[len(made.path) + 1 :]
    )


def restic_repository(work: Work, deleting: bool = False) -> tuple[str, dict[str, str], list[str]]:
    """Repository, environment and options with which restic reads the copy where it lies.

    Nothing comes from restic's cache: it would hide what is damaged at the place. A reader locks
    nothing, because many a place lets nobody delete the lock.
    """
    there = remote(work, deleting)
    options = [] if deleting or work.order.place.kind == "host" else ["--no-lock"]
    if work.order.place.kind != "host":
        options.append("--no-cache")
    if work.order.place.kind in ("host", "path"):
        return there.path, {}, options
    if work.order.limits.kib:
        limit = str(work.order.limits.kib)
        options += ["--limit-download", limit, "--limit-upload", limit]
    return "rclone:" + there.path, there.env, options


def word(work: Work, name: str, kind: type, default: Any = None) -> Any:
    """A word of the place. Raises Unfit when it is missing or of another kind."""
    value = work.order.place.words.get(name, default)
    if type(value) is not kind or (value == "" and default is None):
        raise unfit(
            work,
            "{0} is missing or of the wrong kind".format(name),
            "缺少 {0} 或类型不对".format(name),
        )
    return value


def unfit(work: Work, en: str, zh: str) -> Unfit:
    """The refusal that names the place."""
    name = work.order.place.name
    return Unfit("location {0}: {1}".format(name, en), "副本位置 {0}：{1}".format(name, zh))


def secret_text(work: Work, name: str) -> str:
    """What a secret's file of this place holds, one line. Raises Unfit."""
    with open(work.secret(secret_name(work, name)), encoding="utf-8") as file:
        text = file.read().strip()
    if not text or "\n" in text or "\0" in text:
        raise unfit(
            work, "the secret {0} is not one line".format(name), "密钥 {0} 不是一行".format(name)
        )
    return text


def secret_name(work: Work, name: str) -> str:
    """The order's name of a secret of this place (docs/reference/backup-locations.md)."""
    return "{0}_{1}".format(work.order.place.name, name)


def has_secret(work: Work, name: str) -> bool:
    """Whether the order brought this secret of the place."""
    return secret_name(work, name) in work.order.secrets


def _host(work: Work, _: bool) -> Remote:
    folder = work.order.repository
    return Remote(folder, _environment(work), (), os.path.dirname(folder))


def _path(work: Work, _: bool) -> Remote:
    folder = os.path.normpath(word(work, "folder", str))
    if not os.path.isabs(folder) or not os.path.isdir(folder):
        raise unfit(
            work, "{0} is no folder here".format(folder), "{0} 不是本机的目录".format(folder)
        )
    if word(work, "mounted", bool, True) and not os.path.ismount(folder):
        raise unfit(
            work,
            "nothing is mounted at {0}; is the disk there? Say mounted: false for a folder further "
            "down".format(folder),
            "{0} 没有挂载；磁盘在吗？若是更下层的目录，请写 mounted: false".format(folder),
        )
    if os.stat(folder).st_dev == os.stat(_existing(work.order.repository)).st_dev:
        raise unfit(
            work,
            "{0} is on the filesystem of the repository: that is no second medium".format(folder),
            "{0} 与仓库在同一文件系统：不是第二介质".format(folder),
        )
    return Remote(folder, _environment(work), (), folder)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _sftp(work: Work, deleting: bool) -> Remote:
    address, user = word(work, "address", str), word(work, "user", str)
    key = "key"
    if deleting and has_secret(work, "delete_key"):
        key, user = "delete_key", word(work, "delete_user", str, user)
    if not _HOST.match(address) or not _USER.match(user):
        raise unfit(work, "address or user is no name", "address 或 user 不是有效名称")
    env = _section(
        type="sftp",
        host=address,
        port=str(word(work, "port", int, 22)),
        user=user,
        key_file=work.secret(secret_name(work, key)),
        known_hosts_file=work.secret(secret_name(work, "known_hosts")),
        shell_type="none",  # nothing is run there, and internal-sftp could not
        md5sum_command="none",
        sha1sum_command="none",
        set_modtime="false",  # a server that only stores refuses setstat
        disable_hashcheck="true",
    )
    folder = _inside(work, word(work, "folder", str, ""))
    return _remote(work, _NAME + ":" + folder, env)


def _s3(work: Work, deleting: bool) -> Remote:
    bucket, _endpoint = bucket_of(work)
    own = "delete_" if deleting and has_secret(work, "delete_secret_key") else ""
    env = _section(
        type="s3",
        provider="Other",
        env_auth="false",
        endpoint=_endpoint,
        region=word(work, "region", str, "us-east-1"),
        force_path_style=str(word(work, "path_style", bool, True)).lower(),
        access_key_id=secret_text(work, own + "key_id"),
        secret_access_key=secret_text(work, own + "secret_key"),
        no_check_bucket="true",  # the key that stores need not be allowed to make buckets
    )
    if has_secret(work, "ca"):
        env["RCLONE_CA_CERT"] = work.secret(secret_name(work, "ca"))
    prefix = _inside(work, word(work, "prefix", str, "")).strip("/")
    return _remote(work, "/".join(filter(None, (_NAME + ":" + bucket, prefix))), env)


def bucket_of(work: Work) -> tuple[str, str]:
    """Bucket and endpoint of a place of kind s3. Raises Unfit."""
    bucket, endpoint = word(work, "bucket", str), word(work, "endpoint", str)
    parts = urlsplit(endpoint)
    if not _BUCKET.match(bucket):
        raise unfit(
            work,
            "bucket {0!r} is no name".format(bucket),
            "bucket {0!r} 不是有效名称".format(bucket),
        )
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.path.strip("/")
        or "@" in parts.netloc
    ):
        raise unfit(
            work, "endpoint must be https://NAME[:PORT]", "endpoint 须为 https://NAME[:PORT]"
        )
    return bucket, endpoint.rstrip("/")


def _inside(work: Work, folder: str) -> str:
    if ".." in folder.split("/") or any(ord(sign) < 32 for sign in folder):
        raise unfit(work, "a folder leads out of its place", "目录超出其位置")
    return folder


def _remote(work: Work, path: str, env: dict[str, str]) -> Remote:
    """Patience with a line: it may stand still for a minute; nobody at all is noticed in a
    quarter of one."""
    limit = work.order.limits.kib
    args = ["--contimeout=15s", "--timeout=60s"]
    if limit:
        args.append("--bwlimit={0}k".format(limit))
    return Remote(path, {**_environment(work), **env}, tuple(args), path)


def _section(**words: str) -> dict[str, str]:
    begin = "RCLONE_CONFIG_{0}_".format(_NAME.upper())
    return {begin + key.upper(): value for key, value in words.items()}


def _environment(work: Work) -> dict[str, str]:
    """Nothing of an account's own settings of rclone has a say."""
    settings = os.path.join(work.folder, "rclone.conf")
    if not os.path.exists(settings):
        os.close(os.open(settings, os.O_WRONLY | os.O_CREAT, 0o600))
    return {
        "PATH": os.environ.get("PATH", _PATH),
        "HOME": work.folder,
        "LC_ALL": "C.UTF-8",
        "RCLONE_CONFIG": settings,
        "RCLONE_CACHE_DIR": os.path.join(work.folder, "rclone-cache"),
    }


_KINDS = {"host": _host, "path": _path, "sftp": _sftp, "s3": _s3}
