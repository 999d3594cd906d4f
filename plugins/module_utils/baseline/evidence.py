# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may leave the host: the observed value, small, as plain JSON, and without secrets.

A secret becomes "sha256:" and twelve hexadecimal digits: two audits still show that it changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

LIMIT = 2048  # bytes of one control's value as JSON

_ASSIGNED = (  # NAME = secret, NAME: secret
    # "common-password: password" is the name of a PAM file with the kind of its line.
    r"(?P<lead>(?<![\w.-])(?<!/etc/pam\.d/)[\w.-]*"
    r"(?:password|passphrase|secret|token|api_?key|passwd(?!\s*:))"
    r"[\"']?\s*[=:]\s*)(?P<secret>\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)
_SPOKEN = (  # requirepass secret; enable secret 9 $9$..; snmp-server community secret
    r"(?P<lead>\b(?:requirepass|masterauth|community|cipher|(?:password|secret|key)\s+\d{1,2})\s+)"
    r"(?P<secret>\S+)"
)
_CRYPT = r"(?P<lead>)(?P<secret>\$[0-9a-z]{1,6}\$[./0-9A-Za-z$=,]{8,})"
# as databases store them: PostgreSQL's two methods, MariaDB's and MySQL's own
_STORED = r"(?P<lead>)(?P<secret>SCRAM-SHA-256\$\S+|\bmd5[0-9a-f]{32}\b|(?<!\w)\*[0-9a-f]{40}\b)"
_URL = r"(?P<lead>://[^\s:/@]*:)(?P<secret>[^\s@/]+)(?=@)"
_SECRETS = [re.compile(text, re.I) for text in (_CRYPT, _STORED, _URL, _ASSIGNED, _SPOKEN)]
_SECRET_KEYS = re.compile(r"(requirepass|masterauth|secret|token|passphrase|private_?key)$", re.I)
_HASHED = re.compile(r"[\"']?sha256:[0-9a-f]{12}[\"']?$")


def evidence(value: Any) -> Any:
    """``value`` as it may be stored."""
    return _fitted(_clean(value))


def hashed(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:12]


def without_secrets(text: str) -> str:
    for pattern in _SECRETS:
        text = pattern.sub(_hide, text)
    return text


def _hide(match: Any) -> str:
    secret = match.group("secret")
    if _HASHED.match(secret):
        return str(match.group(0))
    return str(match.group("lead")) + hashed(secret.strip("\"'"))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _clean_entry(str(key), one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(one) for one in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    # a file name may hold bytes that are no text; they must not break the answer's JSON
    return without_secrets(str(value).encode("utf-8", "replace").decode("utf-8"))


def _clean_entry(key: str, value: Any) -> Any:
    if isinstance(value, str) and value and _SECRET_KEYS.search(key):
        return value if _HASHED.match(value) else hashed(value)
    return _clean(value)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _fitted(value: Any) -> Any:
    """Cut to the limit; what was cut is marked, so that nobody takes a part for the whole."""
    if _size(value) <= LIMIT:
        return value
    if isinstance(value, list):
        return _fitted_list(value)
    if isinstance(value, dict):
        return _fitted_mapping(value)
    return _short(value, LIMIT - 100)


def _fitted_mapping(values: dict[str, Any]) -> dict[str, Any]:
    """The largest entries are cut first, so that the small ones stay whole."""
    share = max(80, LIMIT // max(1, len(values)) - 40)
    kept = dict(values)
    for key in sorted(values, key=lambda one: -_size(values[one])):
        if _size(kept) <= LIMIT:
            break
        kept[key] = _short(values[key], share)
    return kept if _size(kept) <= LIMIT else {"cut": _short(json.dumps(kept), LIMIT // 2)}


def _fitted_list(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    used = 60
    for one in values:
        shown = _short(one, LIMIT // 2)
        used += _size(shown) + 2
        if used > LIMIT:
            break
        kept.append(shown)
    return [*kept, "{0} {1} of {2} shown".format(_mark(values), len(kept), len(values))]


def _short(value: Any, room: int) -> Any:
    if _size(value) <= room:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # a third: a character may take three bytes
    return text[: max(10, room // 3)] + " " + _mark(value)


def _mark(whole: Any) -> str:
    """The mark of a cut carries a digest of the whole: a change behind the cut is drift as well."""
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]
    return "[cut, sha256:{0}]".format(digest)
