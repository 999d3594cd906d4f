# SPDX-License-Identifier: GPL-3.0-or-later
"""An outside judge: a server of the site's own is told the wave and says pass, hold or fail.

The data: ``{"verdict": "pass" | "hold" | "fail", "reason": text, "reason_zh": text, "evidence":
{..}}``, the last two optional. Anything else holds: a page that says "OK" is no judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.saying import Saying, one_line, table, unheard
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.server import Server
from storewarden.domain.gates.verdict import Outcome, Verdict

NEEDS = (Need.NETWORK,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``server`` is asked with what is under ``tell`` beside the wave."""

    server: Server
    tell: Mapping[str, object]

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.http") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        tell = keys.take("tell", {})
        if not isinstance(tell, Mapping):
            keys.wrong("tell", "must be keys with values")
        settings = cls(server=Server.read(keys), tell=dict(tell))
        keys.done()
        return settings


def judge(signal: Signal, _settings: Settings, _scope: WaveScope) -> Verdict:
    """The judge's own word, if it is one of the three."""
    if held := unheard(signal):
        return held
    said, reason = signal.data.get("verdict"), signal.data.get("reason")
    saying = Saying(gate=signal.gate, evidence={"said": table(signal.data, "evidence")})
    known = [outcome for outcome in Outcome if outcome.value == said]
    if not known or not isinstance(reason, str) or not reason.strip():
        return saying.holds(
            "the outside judge gave no verdict with a reason", "外部裁决未给出带理由的结论"
        )
    en, zh = one_line(reason), signal.data.get("reason_zh")
    told = one_line(zh) if isinstance(zh, str) and zh.strip() else en
    say = {Outcome.PASS: saying.passes, Outcome.HOLD: saying.holds, Outcome.FAIL: saying.fails}
    return say[known[0]](f"the outside judge: {en}", f"外部裁决：{told}")
