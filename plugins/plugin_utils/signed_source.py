# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on the controller that go to hosts: found, read, checked before anything is copied.

A library or archive that is not what was signed must not even reach a store.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import (
    has_digest,
    signed_by,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.proof import Proof
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

_MINISIGN_LINE = 56  # characters of a minisign key's base64
_LARGEST = 1 << 20
_REMOTE = ("http://", "https://")
_COPY = "ansible.builtin.copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What proves the file: contents of the detached signature and of the trusted key."""

    signature: bytes = b""
    key: bytes = b""

    @property
    def asked(self) -> bool:
        return bool(self.signature)

    def packed(self) -> dict[str, str]:
        """For the module on the host."""
        return {
            "signature": base64.b64encode(self.signature).decode(),
            "key": base64.b64encode(self.key).decode(),
        }


def is_remote(source: str) -> bool:
    return source.startswith(_REMOTE)


def local_file(name: str, value: str) -> Path:
    """A readable file on the controller. Unfit when it is none."""
    path = Path(os.path.expanduser(value))
    if not path.is_absolute():
        raise Unfit(
            f"{name}: {value!r}: an absolute path on the controller is meant",
            f"{name}：{value!r}：应为控制端上的绝对路径",
        )
    if not path.is_file() or not os.access(path, os.R_OK):
        raise Unfit(
            f"{name}: {path} is not there, or cannot be read",
            f"{name}：{path} 不存在或不可读",
        )
    return path


def trust(given: Mapping[str, Any], *, must: bool) -> Trust:
    """Signature and key as given. Unfit for one without the other, or for none where ``must``."""
    signature, key = str(given.get("signature") or ""), str(given.get("key") or "")
    if not signature and not key and not must:
        return Trust()
    if not key:
        raise Unfit("no key is trusted: name the publisher's public key", "未配置受信任的公钥")
    if not signature:
        raise Unfit("it is not signed", "没有签名")
    return Trust(signature=_small("signature", signature), key=_key(key))


def _key(value: str) -> bytes:
    """A minisign key may stand there itself."""
    bare = value.strip()
    if len(bare) == _MINISIGN_LINE and "/" not in bare[:1]:
        return bare.encode()
    return _small("key", value)


def _small(name: str, value: str) -> bytes:
    path = local_file(name, value)
    if path.stat().st_size > _LARGEST:
        raise Unfit(f"{name}: {path} is too large", f"{name}：{path} 过大")
    return path.read_bytes()


def checked(path: Path, sha256: str, proof_of: Trust) -> Proof | None:
    """BadSignature unless digest (where one is given) and signature (where asked for) are good."""
    if sha256:
        has_digest(str(path), sha256)
    if proof_of.asked:
        return signed_by(str(path), proof_of.signature, proof_of.key)
    return None


def reason_of(no: Unfit | BadSignature) -> dict[str, str]:
    return no.reason()


def bring(action: Any, source: Path, target: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a file to the host as the copy module does, for root only; its result."""
    task = action._task.copy()
    task.args = {
        "src": str(source),
        "dest": target,
        "mode": "0600",
        "decrypt": False,
        "force": True,
    }
    copy = action._shared_loader_obj.action_loader.get(
        _COPY,
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    result: dict[str, Any] = copy.run(task_vars=variables)
    return result
