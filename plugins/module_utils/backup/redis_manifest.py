# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a copy of a Redis has to have in it: keys per database, and digests of a sample of them.

Redis has no order and DEBUG DIGEST is shut off in production. So the names of all keys are walked,
those whose hash says so are in the sample, and what a key holds is hashed in an order of our own.
Digests are kept in groups, so that a key that changed only takes its group along. Keys that expire
are not looked at: they may go before the copy is opened.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, Iterator

from .redis_line import RedisLine

SAMPLE = 20_000
"""Keys of each database that are hashed at most, unless ``source.sample`` says more or less."""
_GROUPS = 256
_BATCH = 500  # names at a time
_LARGEST = 10_000  # entries of one key; larger ones are only counted
# Kind of key -> how many entries it has, and how they are read.
_KINDS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    b"list": ("LLEN", ("LRANGE", "0", "-1")),
    b"set": ("SCARD", ("SMEMBERS",)),
    b"zset": ("ZCARD", ("ZRANGE", "0", "-1", "WITHSCORES")),
    b"hash": ("HLEN", ("HGETALL",)),
    b"stream": ("XLEN", ("XRANGE", "-", "+")),
}


def manifest_of(line: RedisLine, sample: int) -> dict[str, Any]:
    """``{"0": {"every", "keys", "groups": {group: digest}}}`` per database: every so-many-th key by
    its hash is in the sample; ``keys`` are those that do not expire."""
    found = {}
    for number, (keys, expiring) in _databases(line).items():
        every = max(1, -(-keys // sample))
        facts = _walked(line, number, every)
        found[str(number)] = {"every": every, "keys": keys - expiring, "groups": facts}
    return found


def again(line: RedisLine, before: dict[str, Any]) -> dict[str, Any]:
    """The same sample, looked at anew."""
    there = _databases(line)
    found = {}
    for name, facts in before.items():
        keys, expiring = there.get(int(name), (0, 0))
        groups = _walked(line, int(name), facts["every"]) if keys else {}
        found[name] = {"every": facts["every"], "keys": keys - expiring, "groups": groups}
    return found


def still(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What did not change between two looks: groups, and the number of keys (-1 where that did)."""
    found = {}
    for name, facts in before.items():
        now = after[name]
        found[name] = {
            "every": facts["every"],
            "keys": facts["keys"] if facts["keys"] == now["keys"] else -1,
            "groups": {
                each: digest
                for each, digest in facts["groups"].items()
                if now["groups"].get(each) == digest
            },
        }
    return found


def of_what_stood(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """``now``, without what the manifest from before says nothing of."""
    return {
        name: {
            "every": facts["every"],
            "keys": -1 if facts["keys"] < 0 else now[name]["keys"],
            "groups": {each: now[name]["groups"].get(each, "") for each in facts["groups"]},
        }
        for name, facts in before.items()
    }


def _databases(line: RedisLine) -> dict[int, tuple[int, int]]:
    """Number -> keys, and how many of them expire."""
    found = {}
    for row in line.ask("INFO", "keyspace").decode().splitlines():
        name, _, words = row.partition(":")
        if name.startswith("db") and name[2:].isdigit():
            facts = dict(word.partition("=")[::2] for word in words.split(","))
            found[int(name[2:])] = (int(facts["keys"]), int(facts["expires"]))
    return found


def _walked(line: RedisLine, number: int, every: int) -> dict[str, str]:
    """Group -> digest. Sums do not mind the order, nor a name that the walk meets twice: it is
    remembered within the sample."""
    line.ask("SELECT", number)
    seen: set[bytes] = set()
    sums: dict[str, int] = {}
    for names in _chosen(line, every):
        fresh = [name for name in names if name not in seen]
        seen.update(fresh)
        for name, digest in _digests(line, list(dict.fromkeys(fresh))):
            group = str(zlib.crc32(name) // every % _GROUPS)
            sums[group] = (sums.get(group, 0) + digest) % (1 << 256)
    return {group: "{0:064x}".format(total) for group, total in sorted(sums.items())}


def _chosen(line: RedisLine, every: int) -> Iterator[list[bytes]]:
    cursor = b"0"
    while True:
        cursor, names = line.ask("SCAN", cursor, "COUNT", _BATCH)
        yield [name for name in names if zlib.crc32(name) % every == 0]
        if cursor == b"0":
            return


def _digests(line: RedisLine, names: list[bytes]) -> Iterator[tuple[bytes, int]]:
    kinds = line.ask_all(("TYPE", name) for name in names)
    lives = line.ask_all(("PTTL", name) for name in names)
    found = zip(names, kinds, lives)  # noqa: B905 - Python 3.9
    kept = [(name, kind) for name, kind, ttl in found if ttl == -1]
    sizes = line.ask_all(_size(name, kind) for name, kind in kept)
    known = [(*one, size) for one, size in zip(kept, sizes)]  # noqa: B905 - Python 3.9
    values = line.ask_all(_value(*one) for one in known)
    for one, value in zip(known, values):  # noqa: B905 - Python 3.9
        digest = hashlib.sha256(repr((*one, _ordered(one[1], value))).encode())
        yield one[0], int(digest.hexdigest(), 16)


def _size(name: bytes, kind: bytes) -> tuple[Any, ...]:
    if kind == b"string":
        return ("STRLEN", name)
    return (_KINDS[kind][0], name) if kind in _KINDS else ("EXISTS", name)


def _value(name: bytes, kind: bytes, size: int) -> tuple[Any, ...]:
    if kind == b"string":
        return ("GET", name)
    if kind not in _KINDS or size > _LARGEST:
        return ("EXISTS", name)
    words = _KINDS[kind][1]
    return (words[0], name, *words[1:])


def _ordered(kind: bytes, value: Any) -> Any:
    """Sets and hashes come in an order that a restart changes."""
    if not isinstance(value, list) or kind not in (b"set", b"hash"):
        return value
    if kind == b"set":
        return sorted(value)
    return sorted(zip(value[::2], value[1::2]))  # noqa: B905 - Python 3.9
