# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""minisign signatures, both formats: over the file ("Ed") and over its BLAKE2b-512 ("ED").

A signature file has four lines: an untrusted comment, the signature, a trusted comment, and a
second signature over the first one with the trusted comment. Both must be good; the trusted
comment carries the time of signing, which keeps an old library from being sent again as new.

Where Debian's ``minisign`` is installed it has to agree: two programs, one answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from typing import BinaryIO, NamedTuple

from .bad_signature import BadSignature
from .ed25519 import KEY_BYTES, SIGNATURE_BYTES, Check, verify
from .proof import Proof

_UNTRUSTED = "untrusted comment:"
_TRUSTED = "trusted comment: "
_LEGACY = b"Ed"
_PREHASHED = b"ED"
_ID_BYTES = 8
_LINES = 4
_PIECE = 1 << 20
_SECONDS = 300.0
_TIME = re.compile(r"(?:^|[\t ])timestamp:(\d{1,12})(?=[\t ]|$)")


class Key(NamedTuple):
    """A public key with the id that signatures name."""

    id: bytes
    point: bytes

    @property
    def name(self) -> str:
        """The id as minisign shows it."""
        return self.id[::-1].hex().upper()


class Signature(NamedTuple):
    """The parts of a signature file."""

    format: bytes
    key_id: bytes
    value: bytes
    comment: bytes
    whole: bytes


def looks_like(text: bytes) -> bool:
    """Whether it is a minisign file at all; OpenPGP's begin otherwise."""
    return text.lstrip().startswith(_UNTRUSTED.encode())


def public_key(text: str) -> Key:
    """From a .pub file or its one line of base64; BadSignature when it is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raw = _base64(lines[-1] if lines else "", "public key", "公钥")
    if len(raw) != 2 + _ID_BYTES + KEY_BYTES or raw[:2] != _LEGACY:
        raise BadSignature("the public key is no minisign key", "公钥不是 minisign 公钥")
    return Key(raw[2 : 2 + _ID_BYTES], raw[2 + _ID_BYTES :])


def signature(text: str) -> Signature:
    """The parts of a signature file; BadSignature when it is none, or is cut off."""
    lines = text.rstrip("\r\n").split("\n")
    lines = [line.rstrip("\r") for line in lines]
    framed = len(lines) == _LINES and lines[0].startswith(_UNTRUSTED)
    if not framed or not lines[2].startswith(_TRUSTED):
        raise BadSignature(
            "the signature file is no whole minisign signature",
            "签名文件不是完整的 minisign 签名",
        )
    raw = _base64(lines[1], "signature", "签名")
    whole = _base64(lines[3], "signature of the trusted comment", "可信注释的签名")
    known = raw[:2] in (_LEGACY, _PREHASHED)
    if len(raw) != 2 + _ID_BYTES + SIGNATURE_BYTES or len(whole) != SIGNATURE_BYTES or not known:
        raise BadSignature(
            "the signature is damaged or of an unknown format", "签名已损坏或格式未知"
        )
    comment = lines[2][len(_TRUSTED) :].encode("utf-8", "surrogateescape")
    body = raw[2 + _ID_BYTES :]
    return Signature(raw[:2], raw[2 : 2 + _ID_BYTES], body, comment, whole)


def check(path: str, signature_text: bytes, key_text: bytes) -> Proof:
    """The proof that the key's owner signed the file; BadSignature otherwise."""
    key = public_key(key_text.decode("utf-8", "replace"))
    given = signature(signature_text.decode("utf-8", "surrogateescape"))
    if given.key_id != key.id:
        other = Key(given.key_id, b"").name
        raise BadSignature(
            "signed with key {0}, not with the trusted key {1}".format(other, key.name),
            "由密钥 {0} 签名，而非受信任的密钥 {1}".format(other, key.name),
        )
    with open(path, "rb") as source:
        good = _file_check(source, given, key)
    if not good:
        raise BadSignature("the file is not what was signed", "文件与签名内容不一致")
    if not verify(key.point, given.value + given.comment, given.whole):
        raise BadSignature("the trusted comment is not what was signed", "可信注释与签名内容不一致")
    _second_opinion(path, signature_text, key)
    comment = given.comment.decode("utf-8", "replace")
    found = _TIME.search(comment)
    return Proof("minisign", key.name, int(found.group(1)) if found else 0, comment)


def _file_check(source: BinaryIO, given: Signature, key: Key) -> bool:
    pieces = iter(lambda: source.read(_PIECE), b"")
    if given.format == _LEGACY:
        check = Check(key.point, given.value)
        for piece in pieces:
            check.update(piece)
        return check.good()
    digest = hashlib.blake2b()
    for piece in pieces:
        digest.update(piece)
    return verify(key.point, digest.digest(), given.value)


def _second_opinion(path: str, signature_text: bytes, key: Key) -> None:
    """BadSignature when an installed minisign says no."""
    tool = shutil.which("minisign")
    if tool is None:
        return
    line = base64.b64encode(_LEGACY + key.id + key.point).decode()
    with tempfile.TemporaryDirectory() as folder:
        beside = os.path.join(folder, "signature")
        with open(beside, "wb") as target:
            target.write(signature_text)
        done = subprocess.run(
            [tool, "-V", "-q", "-P", line, "-x", beside, "-m", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        said = " ".join(done.stdout.decode("utf-8", "replace").split())
        raise BadSignature("minisign says: " + said, "minisign 报告：" + said)


def _base64(line: str, en: str, zh: str) -> bytes:
    try:
        return base64.b64decode(line.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise BadSignature("the {0} is no base64".format(en), "{0}不是 base64".format(zh)) from None
