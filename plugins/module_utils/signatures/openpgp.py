# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenPGP signatures, told by gpgv: made for this, and it trusts only the keys it is given.

gpgv's exit status is not enough: it is also 0 for a signature by a key that has expired. What
counts are its status lines, and only when every signature in the file is good.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
import subprocess
import tempfile
from typing import Dict, List, Tuple

from .bad_signature import BadSignature
from .proof import Proof

_SECONDS = 300.0
_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEY_BLOCK = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_KEY_END = b"-----END PGP PUBLIC KEY BLOCK-----"
_BROKEN_HASHES = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_BINARY_DOCUMENT = "00"
# Any of these makes the whole file worthless; the first one found is what is told.
_NO: Tuple[Tuple[str, str, str], ...] = (
    ("BADSIG", "the file is not what was signed", "文件与签名内容不一致"),
    ("REVKEYSIG", "signed with a revoked key", "签名密钥已被吊销"),
    ("EXPKEYSIG", "signed with a key that has expired", "签名密钥已过期"),
    ("EXPSIG", "the signature has expired", "签名已过期"),
    ("NO_PUBKEY", "signed with a key that is not trusted", "签名密钥不受信任"),
    ("ERRSIG", "the signature cannot be checked", "签名无法校验"),
    ("NODATA", "the signature file holds no signature", "签名文件中没有签名"),
)


def check(path: str, signature: bytes, keys: bytes) -> Proof:
    """The proof that an owner of one of the keys signed the file; BadSignature otherwise."""
    tool = shutil.which("gpgv", path=_PATH)
    if tool is None:
        raise BadSignature(
            "gpgv is not installed, so the signature cannot be checked",
            "未安装 gpgv，无法校验签名",
        )
    with tempfile.TemporaryDirectory() as folder:
        names = {"keys": keyring(keys), "signature": signature}
        for name, content in names.items():
            with open(os.path.join(folder, name), "wb") as target:
                target.write(content)
        code, lines, said = _ran(tool, folder, path)
    return _judged(code, lines, said)


def _ran(tool: str, folder: str, path: str) -> Tuple[int, List[List[str]], str]:
    done = subprocess.run(
        [
            *(tool, "--homedir", folder, "--status-fd", "1"),
            *("--keyring", os.path.join(folder, "keys"), os.path.join(folder, "signature"), path),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": _PATH, "LC_ALL": "C"},
        timeout=_SECONDS,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    prefix = "[GNUPG:] "
    lines = [one[len(prefix) :].split() for one in text.splitlines() if one.startswith(prefix)]
    errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, [one for one in lines if one], errors[-1] if errors else ""


def _judged(code: int, lines: List[List[str]], said: str) -> Proof:
    words: Dict[str, List[str]] = {}
    for line in lines:
        words.setdefault(line[0], line[1:])
    for word, en, zh in _NO:
        if word in words:
            whose = words[word][0] if words[word] and word != "NODATA" else ""
            raise BadSignature(
                en + (" ({0})".format(whose) if whose else ""),
                zh + ("（{0}）".format(whose) if whose else ""),
            )
    good = [line[1:] for line in lines if line[0] == "VALIDSIG"]
    if code != 0 or "GOODSIG" not in words or not good:
        raise BadSignature("gpgv finds no good signature: " + said, "gpgv 未找到有效签名：" + said)
    return _counted(good)


def _counted(good: List[List[str]]) -> Proof:
    """VALIDSIG: fingerprint, date, time, expiry, version, reserved, key algorithm, hash, class."""
    for fields in good:
        if len(fields) < 9:
            raise BadSignature("gpgv says less than it should", "gpgv 输出不完整")
        if fields[7] in _BROKEN_HASHES:
            name = _BROKEN_HASHES[fields[7]]
            raise BadSignature(
                "signed over {0}, which can be forged".format(name),
                "签名使用 {0}，可被伪造".format(name),
            )
        if fields[8] != _BINARY_DOCUMENT:
            raise BadSignature("it is no signature over a file", "不是针对文件的签名")
    first = good[0]
    return Proof("gpg", first[0], int(first[2]) if first[2].isdigit() else 0, "")


def keyring(keys: bytes) -> bytes:
    """Public keys as gpgv reads them: binary as they are, armored ones unpacked."""
    if _KEY_BLOCK not in keys:
        return keys
    found = b""
    for block in keys.split(_KEY_BLOCK)[1:]:
        found += _unpacked(block.split(_KEY_END)[0])
    return found


def _unpacked(block: bytes) -> bytes:
    """The body of one armored block: after its headers, without its checksum line."""
    lines = [line.strip() for line in block.splitlines()]
    body = [line for line in lines if line and b":" not in line and not line.startswith(b"=")]
    try:
        return base64.b64decode(b"".join(body), validate=True)
    except binascii.Error:
        raise BadSignature("the public key is damaged", "公钥已损坏") from None
