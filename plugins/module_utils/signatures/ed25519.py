# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ed25519 (RFC 8032, section 5.1), verification only, with the standard library alone.

Python has no Ed25519, and a store's host must not need a package for it. Verification handles
nothing secret, so it need not run in constant time; a check takes a few milliseconds.

As strict as libsodium, so that what passes here passes there: a scalar that is not reduced, a point
that is not in its shortest form, and a public key of small order are no.
"""

from __future__ import annotations

import hashlib
from typing import Optional, Tuple

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_COFACTOR = 8

# Extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z.
Point = Tuple[int, int, int, int]
_NEUTRAL: Point = (0, 1, 1, 0)

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class Check:
    """One signature: give it the message piece by piece, then ask `good`."""

    def __init__(self, public: bytes, signature: bytes) -> None:
        self._public = public
        self._commitment = signature[:KEY_BYTES]
        self._scalar = int.from_bytes(signature[KEY_BYTES:], "little")
        self._sized = len(public) == KEY_BYTES and len(signature) == SIGNATURE_BYTES
        self._hash = hashlib.sha512(self._commitment + public)

    def update(self, piece: bytes) -> None:
        self._hash.update(piece)

    def good(self) -> bool:
        """Whether the owner of the public key signed exactly these bytes."""
        if not self._sized or self._scalar >= _ORDER:
            return False
        key = _point(self._public)
        if key is None or _same(_times(_COFACTOR, key), _NEUTRAL):
            return False
        challenge = int.from_bytes(self._hash.digest(), "little") % _ORDER
        # R = s*B - k*A; comparing encodings also refuses an R that is not in its shortest form.
        found = _add(_times(self._scalar, _BASE), _times(challenge, _negative(key)))
        return _encoded(found) == self._commitment


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is the key's over the message."""
    check = Check(public, signature)
    check.update(message)
    return check.good()


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: Point) -> Point:
    found = _NEUTRAL
    while factor:
        if factor & 1:
            found = _add(found, point)
        point = _add(point, point)
        factor >>= 1
    return found


def _negative(point: Point) -> Point:
    return _P - point[0], point[1], point[2], _P - point[3]


def _same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (
        one[1] * other[2] - other[1] * one[2]
    ) % _P == 0


def _point(data: bytes) -> Optional[Point]:
    """The point with this encoding (RFC 8032, 5.1.3); None when there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(KEY_BYTES, "little")


def _base() -> Point:
    found = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(KEY_BYTES, "little"))
    assert found is not None
    return found


_BASE = _base()
