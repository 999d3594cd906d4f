# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings back what was deleted in a bucket with locks: there a deletion only hides, and a new
version covers.

Whoever has the store's key can make such a repository look gone. The versions are all there.
"""

from __future__ import annotations

from typing import Iterable, NamedTuple
from urllib.parse import quote

from .failures import BackupFailure
from .pushing import fits
from .s3_requests import Bucket, Version


class Back(NamedTuple):
    """Keys that were hidden and are seen again; keys whose old version lies on top again; keys of
    which no version from before is there (they were made later: left alone)."""

    seen: tuple[str, ...]
    covered: tuple[str, ...]
    newer: tuple[str, ...]


def undelete(
    there: Bucket,
    prefix: str,
    since: float = 0.0,
    skip: tuple[str, ...] = ("locks/*",),
    dry: bool = False,
) -> Back:
    """Everything below ``prefix`` is seen again that was deleted after ``since`` (seconds since
    1970, the server's clock; 0: whenever). With a ``since``, what was written over after it gets
    its old content back, as a newer version. Files of ``skip`` (patterns below the prefix) stay
    as they are. ``dry`` only tells.

    Needs a key that may delete versions, for the markers alone. Raises BadCredentials,
    BackupFailure.
    """
    begin = prefix.strip("/") + "/"
    seen, covered, newer = [], [], []
    for key, found in sorted(_by_key(there.versions(begin)).items()):
        if fits(key[len(begin) :], skip):
            continue
        versions = sorted(found, key=lambda each: (not each.latest, -each.modified))
        old = _from_before(versions, since)
        if old is None:
            newer.append(key)
        elif _hidden(versions, since, old):
            seen.append(key)
            if not dry:
                _show(there, versions, old)
        elif since and versions[0].id != old.id and versions[0].modified > since:
            covered.append(key)
            if not dry:
                _on_top(there, old)
    return Back(tuple(seen), tuple(covered), tuple(newer))


def _by_key(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """A server may list all versions first and then all markers."""
    found: dict[str, list[Version]] = {}
    for each in versions:
        found.setdefault(each.key, []).append(each)
    return found


def _from_before(versions: Iterable[Version], since: float) -> Version | None:
    """The newest content from before; without a moment, the newest."""
    for each in versions:
        if not each.marker and (not since or each.modified <= since):
            return each
    return None


def _hidden(versions: list[Version], since: float, old: Version) -> bool:
    top = versions[0]
    return top.marker and (not since or top.modified > since) and old.id != ""


def _show(there: Bucket, versions: list[Version], old: Version) -> None:
    """All markers on top go; what then lies on top must be the old content."""
    for each in versions:
        if not each.marker:
            break
        there.must("DELETE", each.key, {"versionId": each.id})
    first = next(each for each in versions if not each.marker)
    if first.id != old.id:
        _on_top(there, old)


def _on_top(there: Bucket, old: Version) -> None:
    """The old content once more, as the newest version; the bucket copies it where it can."""
    source = quote("/{0}/{1}".format(there.name, old.key)) + "?versionId=" + quote(old.id)
    answer = there.ask("PUT", old.key, headers={"x-amz-copy-source": source})
    if answer.status >= 300 or b"<Error>" in answer.body:
        body = there.must("GET", old.key, {"versionId": old.id}).body
        there.must("PUT", old.key, body=body)
    now = there.must("GET", old.key).body
    if len(now) != old.size:
        raise BackupFailure(
            "{0}: the old content did not come back".format(old.key),
            "{0}：旧内容未恢复".format(old.key),
        )
