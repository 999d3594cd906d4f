# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's half of a release's preflight: what is here, what is missing, is what came fit.

Two visits: the first says whether the archive has to come at all and makes room for it, the second
looks into it. Refusals are answers (``ready: false`` with the reason), not errors.
"""

from __future__ import annotations

import base64
import os
from typing import Any, Dict, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    free_bytes,
    make_folder,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import (
    has_digest,
    sha256_of,
    signed_by,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging import download
from ansible_collections.storewarden.ops.plugins.module_utils.staging.listing import read
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

from . import standby, standing
from .places import Places, checked_version
from .switching import owned_by

ARCHIVE = "archive"
_ROOM = 2  # times what is unpacked (reference: rollouts, "Rollback pack")


class Arrival(NamedTuple):
    """What the controller says of the release. ``size`` in bytes, 0 for an archive behind an URL;
    ``signature`` and ``key`` in base64, "" for none."""

    version: str
    sha256: str
    root: str
    stage: str
    url: str = ""
    size: int = 0
    signature: str = ""
    key: str = ""
    user: str = "root"
    unit: str = ""
    unit_action: str = "restart"
    standby: str = standby.LEAVE
    strip: int = 0

    @property
    def place(self) -> str:
        return os.path.join(self.stage, ARCHIVE)

    @property
    def wanted(self) -> standing.Wanted:
        return standing.Wanted(
            self.version, self.sha256.lower(), self.unit, self.unit_action, self.standby
        )


def looked(arrival: Arrival, host: Host, dry: bool) -> Dict[str, Any]:
    """``{preflight, bring, judge}``: whether the archive has to be brought to ``arrival.place``,
    and whether there is one to be judged then."""
    try:
        checked_version(arrival.version)
        places = Places(arrival.root)
        owned_by(arrival.user)
        stands = standing.stand(places, arrival.wanted, host)
        bring = not stands.there and not _staged(arrival)
        if bring:
            _make_room(arrival, dry)
    except Unfit as no:
        return {"preflight": refusal(no.reason()), "bring": False, "judge": False}
    nothing = stands.at_target(arrival.wanted)
    if arrival.unit and not (dry or nothing):
        standby.note(arrival.stage, stands.standby)
    preflight = _found(places, arrival, stands, nothing)
    return {"preflight": preflight, "bring": bring, "judge": not stands.there}


def judged(arrival: Arrival, host: Host, dry: bool) -> Dict[str, Any]:
    """``{preflight}`` after the archive came, or was fetched from its URL."""
    try:
        places = Places(arrival.root)
        stands = standing.stand(places, arrival.wanted, host)
        if arrival.url and not stands.there and not _staged(arrival) and not dry:
            download.fetch(arrival.url, arrival.place, free_bytes(arrival.stage) // _ROOM)
        if not stands.there and not (dry and not os.path.exists(arrival.place)):
            _fit(arrival, places)
    except (Unfit, BadSignature) as no:
        return {"preflight": refusal(no.reason())}
    return {"preflight": _found(places, arrival, stands, stands.at_target(arrival.wanted))}


def _fit(arrival: Arrival, places: Places) -> None:
    """BadSignature, Unfit unless the archive may be unpacked here."""
    has_digest(arrival.place, arrival.sha256)
    if arrival.signature:
        signature, key = base64.b64decode(arrival.signature), base64.b64decode(arrival.key)
        signed_by(arrival.place, signature, key)
    read(arrival.place, free_bytes(_existing(places.root)) // _ROOM, arrival.strip)


def _staged(arrival: Arrival) -> bool:
    try:
        return sha256_of(arrival.place) == arrival.sha256.lower()
    except OSError:
        return False


def _make_room(arrival: Arrival, dry: bool) -> None:
    if arrival.size * _ROOM > free_bytes(_existing(arrival.stage)):
        raise Unfit(
            "{0} MB of archive do not fit into {1}".format(
                arrival.size // 1_000_000, arrival.stage
            ),
            "{1} 空间不足，放不下 {0} MB 的归档".format(arrival.size // 1_000_000, arrival.stage),
        )
    if not dry:
        make_folder(arrival.stage)
        os.chmod(arrival.stage, 0o700)


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _found(
    places: Places, arrival: Arrival, stands: standing.Standing, nothing: bool
) -> Dict[str, Any]:
    return {
        "ready": True,
        "nothing": nothing,
        "reason": {"en": "", "zh": ""},
        "items": standing.items(places, arrival.wanted, stands),
        "changes": [] if nothing else standing.changes(places, arrival.wanted, stands),
    }


def refusal(reason: Dict[str, str]) -> Dict[str, Any]:
    """The preflight fact of a host that says no."""
    return {"ready": False, "nothing": False, "reason": reason}
