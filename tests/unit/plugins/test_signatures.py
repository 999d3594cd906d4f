# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature counts only when a trusted key signed exactly this file, in either format.

Ed25519 is held against the vectors of RFC 8032 (7.1) and against another library; gpg makes the
OpenPGP signatures. Where minisign is installed, it must read what these tests sign.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.signatures import ed25519, minisign
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import (
    has_digest,
    sha256_of,
    signed_by,
)
from tests.unit.plugins.signing import Gpg, Minisigner

# Public key, message, signature: RFC 8032, section 7.1, tests 1, 2, 3 and SHA(abc).
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
        "b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
        "1d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
        "c6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
        "ebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
        "e0303dca179c138ac17ad9bef1177331a704",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493
# Made by minisign 0.11 over "data of a test": prehashed (-S) and legacy (-S -l).
MADE_BY_MINISIGN = (
    "RWTKDeI4jbJ0E2MsTaYe24euVt3iEDatc1ZUYOgJBjAW/xVMRpmfTkaN",
    """untrusted comment: signature from minisign secret key
RUTKDeI4jbJ0E/ouvq6QTUx313SlCFa/zLfLW+sPOAZdAiKe0JA5V7Z+MXwPRoh7vaMqvYs1rzMwhsEeXMYDT63SQhsuPVLVhgQ=
trusted comment: timestamp:1795344448\tfile:f\thashed
2wR9f4QmiJiQBM7k7mLygfkkVB73+Ag2Dxg/6GYFm6tTh+Ycnyhxudb8yLaHtt7/HExbg7AGGFdNhv3WLpo8Cg==
""",
    """untrusted comment: signature from minisign secret key
RWTKDeI4jbJ0E0zG2c9FfKOfmkYjR9S6J93c6A3QRxBHuhuBcwAOa3pRrATYl7ipKw+aybqD5lic5H6GJb1AuSLrv9pfQqbNfwE=
trusted comment: timestamp:1795344448\tfile:f
ibuxIJ8OxJAierKiieIvi+uFXZWsyabx7k5QlrzzXIr8zF8kWIey/0sWkkPGde+lomy6YzUhiXOiow37pOO8AA==
""",
)
DATA = b"rule 1: no entry\n" * 1000


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_standards_own_vectors(public: str, message: str, signature: str) -> None:
    key, text, value = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519.verify(key, text, value)
    assert not ed25519.verify(key, text + b"x", value)
    for place in (0, 31, 32, 63):
        other = bytearray(value)
        other[place] ^= 1
        assert not ed25519.verify(key, text, bytes(other))


@settings(max_examples=20, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_as_another_library_signs(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    value = key.sign(message)
    assert ed25519.verify(public, message, value)
    assert not ed25519.verify(public, message, value[:-1] + bytes([value[-1] ^ 0x20]))


def test_forms_that_only_lax_programs_take_are_no() -> None:
    public, message, signature = (bytes.fromhex(part) for part in VECTORS[1])
    more = int.from_bytes(signature[32:], "little") + ORDER  # the same modulo the order
    assert not ed25519.verify(public, message, signature[:32] + more.to_bytes(32, "little"))
    assert not ed25519.verify(public[:31], message, signature)
    assert not ed25519.verify(public, message, signature[:63])
    # The neutral point as key: with a scalar of 0, R = 0 "signs" every message.
    neutral = (1).to_bytes(32, "little")
    assert not ed25519.verify(neutral, message, neutral + bytes(32))
    # y = 1 written as p + 1
    assert not ed25519.verify((2**255 - 18).to_bytes(32, "little"), message, neutral + bytes(32))
    # no point of the curve
    assert not ed25519.verify((2).to_bytes(32, "little"), message, signature)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_minisign_in_both_formats(library: Path, legacy: bool) -> None:
    signer = Minisigner()
    proof = signed_by(str(library), signer.sign(DATA, legacy=legacy), signer.line.encode())
    assert (proof.kind, proof.key, proof.signed_at) == (
        "minisign",
        "0807060504030201",
        1_700_000_000,
    )
    as_file = f"untrusted comment: minisign public key\n{signer.line}\n".encode()
    assert signed_by(str(library), signer.sign(DATA, legacy=legacy), as_file) == proof
    windows = signer.sign(DATA, legacy=legacy).replace(b"\n", b"\r\n")
    assert signed_by(str(library), windows, as_file) == proof


def test_what_minisign_itself_made(tmp_path: Path) -> None:
    key, *signatures = MADE_BY_MINISIGN
    path = tmp_path / "f"
    path.write_bytes(b"data of a test\n")
    for signature in signatures:
        proof = signed_by(str(path), signature.encode(), key.encode())
        assert (proof.key, proof.signed_at) == ("1374B28D38E20DCA", 1795344448)
    path.write_bytes(b"data of a test")
    for signature in signatures:
        assert "not what was signed" in _no(path, signature.encode(), key.encode())


def test_an_installed_minisign_has_to_agree(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "minisign"
    tool.parent.mkdir()
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    signer = Minisigner()
    asked = tmp_path / "asked"
    for answer in (0, 1):
        tool.write_text(f'#!/bin/sh\necho "$*" > {asked}; echo I say so; exit {answer}\n')
        tool.chmod(0o755)
        if answer == 0:
            signed_by(str(library), signer.sign(DATA), signer.line.encode())
        else:
            said = _no(library, signer.sign(DATA), signer.line.encode())
            assert said == "minisign says: I say so"
    assert f"-P {signer.line}" in asked.read_text()


def _no(path: Path, signature: bytes, key: bytes) -> str:
    with pytest.raises(BadSignature) as raised:
        signed_by(str(path), signature, key)
    reason = raised.value.reason()
    assert reason["zh"]
    assert not reason["zh"].isascii()
    return reason["en"]


@pytest.mark.parametrize("legacy", [False, True])
def test_minisign_says_no(library: Path, legacy: bool) -> None:
    signer, other = Minisigner(), Minisigner(id=b"otherkey")
    key = signer.line.encode()
    good = signer.sign(DATA, legacy=legacy)
    assert "not what was signed" in _no(library, signer.sign(DATA + b"x", legacy=legacy), key)
    assert "not with the trusted key" in _no(library, good, other.line.encode())
    same_id = Minisigner(id=signer.id)
    assert "not what was signed" in _no(library, good, same_id.line.encode())
    comment = good.replace(b"timestamp:17", b"timestamp:19")
    assert comment != good
    assert "trusted comment" in _no(library, comment, key)
    assert "no whole minisign" in _no(library, good[: len(good) // 2], key)
    assert "no whole minisign" in _no(library, b"\n".join(good.split(b"\n")[:3]), key)
    assert "base64" in _no(library, good.replace(good.split(b"\n")[1], b"%%%"), key)
    assert "no minisign key" in _no(library, good, b"AAAA")
    assert "base64" in _no(library, good, b"no key at all!")


def test_the_format_cannot_be_changed(library: Path) -> None:
    """A prehashed signature said to be a legacy one would sign a file of 64 bytes."""
    signer = Minisigner()
    lines = signer.sign(DATA).split(b"\n")
    lines[1] = b"RWQ" + lines[1][3:]  # "Ed" where "ED" was
    assert "not what was signed" in _no(library, b"\n".join(lines), signer.line.encode())


def test_nothing_is_no_signature(library: Path) -> None:
    signer = Minisigner()
    assert "no signature" in _no(library, b" \n", signer.line.encode())
    assert "no key" in _no(library, signer.sign(DATA), b"")
    assert "too large" in _no(library, b"x" * (1 << 21), b"y")


def test_a_comment_without_a_time(library: Path) -> None:
    signer = Minisigner()
    proof = signed_by(str(library), signer.sign(DATA, comment="as of today"), signer.line.encode())
    assert (proof.signed_at, proof.comment) == (0, "as of today")


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
def test_minisign_itself_agrees(library: Path, tmp_path: Path) -> None:
    signer = Minisigner()
    for legacy in (False, True):
        beside = tmp_path / "library.minisig"
        beside.write_bytes(signer.sign(DATA, legacy=legacy))
        argv = ["minisign", "-V", "-P", signer.line, "-m", str(library), "-x", str(beside)]
        assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    # A socket's path has a limit, so the home has a short one.
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        made = Gpg(Path(folder) / "home")
        yield made
        made.stop()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed")
def test_openpgp(gpg: Gpg, library: Path) -> None:
    ours, other = gpg.key("publisher"), gpg.key("stranger")
    good, key = gpg.sign(library, ours), gpg.public(ours)
    proof = signed_by(str(library), good, key)
    assert proof.kind == "gpg"
    assert len(proof.key) == 40
    assert proof.signed_at > 1_700_000_000
    armored = gpg.sign(library, ours, "--armor")
    assert signed_by(str(library), armored, gpg.public(ours, armor=False)).key == proof.key

    assert "not trusted" in _no(library, gpg.sign(library, other), key)
    both = key + gpg.public(other)
    assert signed_by(str(library), gpg.sign(library, other), both).kind == "gpg"
    two = gpg.sign(library, ours, "--local-user", other)
    assert "not trusted" in _no(library, two, key)
    assert _no(library, good[:-10], key)
    assert "no signature" in _no(library, b"not a signature", key)
    broken = key.replace(key.splitlines()[3][:8], b"!!!!!!!!")
    assert "damaged" in _no(library, good, broken)
    text = gpg.sign(library, ours, "--textmode")
    assert "no signature over a file" in _no(library, text, key)
    library.write_bytes(DATA[:-1])
    assert "not what was signed" in _no(library, good, key)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed")
def test_openpgp_keys_that_ended(gpg: Gpg, library: Path) -> None:
    fake = ("--faked-system-time", "20240101T000000")
    user = "short <short@example.org>"
    gpg.home.mkdir(mode=0o700, exist_ok=True)
    gpg(*fake, "--quick-gen-key", user, "ed25519", "sign", "1d")
    signature = gpg.sign(library, user, *fake)
    assert "expired" in _no(library, signature, gpg.public(user))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed")
def test_openpgp_signatures_that_prove_something_else(gpg: Gpg, library: Path) -> None:
    user = gpg.key("revoked")
    key, good = gpg.public(user), gpg.sign(library, user)
    other = library.with_name("other")
    other.write_bytes(b"what nobody signed")
    # A signed message with its own text inside says nothing of the file beside it.
    for word in ("--sign", "--clearsign"):
        whole = gpg("--local-user", user, "--output", "-", word, str(library))
        assert "not a detached signature" in _no(other, whole, key)
        assert _no(other, good + whole, key)
    sha1 = gpg.sign(library, user, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    assert "SHA-1, which can be forged" in _no(library, sha1, key)
    known = gpg("--with-colons", "--list-keys", user).decode().splitlines()
    fingerprint = next(line for line in known if line.startswith("fpr")).split(":")[9]
    revocation = (gpg.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
    gpg("--import", text=revocation.replace(":-----BEGIN", "-----BEGIN"))
    assert "revoked key" in _no(library, good, gpg.public(user))


def test_digests(library: Path) -> None:
    has_digest(str(library), sha256_of(str(library)).upper())
    with pytest.raises(BadSignature, match="SHA-256"):
        has_digest(str(library), "0" * 64)


def test_a_key_file_is_no_signature() -> None:
    assert not minisign.looks_like(b"-----BEGIN PGP SIGNATURE-----")
    assert minisign.looks_like(b"untrusted comment: x")
