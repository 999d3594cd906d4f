# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question for both kinds: is this file what the owner of a trusted key signed?"""

from __future__ import annotations

import hashlib
import hmac

from . import minisign, openpgp
from .bad_signature import BadSignature
from .proof import Proof

_LARGEST = 1 << 20  # bytes of a signature or a key ring
_PIECE = 1 << 20


def signed_by(path: str, signature: bytes, key: bytes) -> Proof:
    """The proof; BadSignature with the reason otherwise. The signature itself tells its kind."""
    if not signature.strip():
        raise BadSignature("there is no signature", "没有签名")
    if not key.strip():
        raise BadSignature("no key is trusted for it", "未配置受信任的公钥")
    if max(len(signature), len(key)) > _LARGEST:
        raise BadSignature("the signature or the key is too large", "签名或公钥过大")
    check = minisign.check if minisign.looks_like(signature) else openpgp.check
    return check(path, signature, key)


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for piece in iter(lambda: source.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()


def has_digest(path: str, wanted: str) -> None:
    """BadSignature when the file's SHA-256 is another one."""
    found = sha256_of(path)
    if not hmac.compare_digest(found, wanted.strip().lower()):
        raise BadSignature(
            "its SHA-256 is {0}, not {1}".format(found, wanted),
            "SHA-256 为 {0}，而非 {1}".format(found, wanted),
        )
