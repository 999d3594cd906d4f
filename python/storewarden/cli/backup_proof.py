# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup prove-321`: three copies, two media, one far away, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, site_config
from storewarden.cli.tabular import table
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.domain.backup.proof import Proof, Term
    from storewarden.flows.backup_proof import Proven

_WORDS = {
    "term": ("TERM", "条件"),
    "holds": ("HOLDS", "成立"),
    "found": ("WHAT WAS FOUND", "检查结果"),
    "yes": ("yes", "是"),
    "no": ("NO", "否"),
    "good": ("3-2-1 holds for {0}", "{0} 满足 3-2-1"),
    "bad": ("3-2-1 DOES NOT HOLD for {0}: {1}", "{0} 不满足 3-2-1：{1}"),
    "counted": ("counted: {0}", "计入：{0}"),
    "left": ("not counted: {0}: {1}", "未计入：{0}：{1}"),
    "missing": ("its chain lacks {0}", "其链缺少 {0}"),
    "builds": ("it builds upon {0}:", "其依赖 {0}："),
}
_NAMES = {"copies": "副本", "media": "介质", "off-site": "异地"}


def prove(
    subject: Annotated[str, typer.Argument(metavar="SET|HOST", help="A set, or a host.")],
    *,
    policy: Annotated[str, typer.Option("--policy", metavar="P", help="Of one policy only.")] = "",
    canary: Annotated[
        bool,
        typer.Option("--canary", help="Ask places that claim to be immutable to prove it."),
    ] = False,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Prove that a set lies in three copies, on two media, one of them 50 km away.

    Only copies that were looked at in time count; those that the same credentials can empty count
    once. The exit code is 1 when a term does not hold.
    """
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    language = lang or Language(settings.site.language)
    with open_site(settings) as site:
        site.require_ledger()
        found = wired.proofs(site, subject, policy, canary=canary)
    if as_json:
        show_json([_data(each) for each in found])
    else:
        typer.echo("\n\n".join("\n".join(_lines(each, language)) for each in found))
    return Exit.FINE if all(each.holds for each in found) else Exit.BELOW


def _lines(found: Proven, language: Language) -> list[str]:
    chain, zh = found.proofs, language is Language.ZH
    lines = []
    for number, each in enumerate(reversed(chain)):
        if number:
            lines.append(_word("builds", language).format(each.set))
        canaries = tuple(found.canaries.values()) if not number else ()
        lines.append(_table((*each.terms, *canaries), language))
        lines += _copies(each, language)
    if found.holds:
        return [*lines, _word("good", language).format(found.backup.id)]
    terms = [term for each in chain for term in each.failing]
    terms += [term for term in found.canaries.values() if not term.holds]
    why = [term.zh if zh else term.en for term in terms]
    why += [_word("missing", language).format(found.missing)] if found.missing else []
    told = ("；" if zh else "; ").join(dict.fromkeys(why))
    return [*lines, _word("bad", language).format(found.backup.id, told)]


def _table(terms: tuple[Term, ...], language: Language) -> str:
    zh = language is Language.ZH
    rows = [tuple(_word(name, language) for name in ("term", "holds", "found"))]
    for each in terms:
        name = _NAMES.get(each.name, each.name) if zh else each.name
        told = _word("yes" if each.holds else "no", language)
        rows.append((name, told, each.zh if zh else each.en))
    return table(rows)


def _copies(proof: Proof, language: Language) -> list[str]:
    between = "、" if language is Language.ZH else ", "
    lines = [_word("counted", language).format(between.join(proof.counted) or "-")]
    for place, why in proof.left_out.items():
        lines.append(_word("left", language).format(place, why))
    return lines


def _data(found: Proven) -> dict[str, Any]:
    def terms(several: tuple[Term, ...]) -> list[dict[str, object]]:
        return [{"term": each.name, "holds": each.holds, "found": each.en} for each in several]

    return {
        "set": found.backup.id,
        "target": found.backup.target.name,
        "holds": found.holds,
        "missing": found.missing,
        "chain": [
            {
                "set": each.set,
                "holds": each.holds,
                "terms": terms(each.terms),
                "counted": list(each.counted),
                "not_counted": dict(each.left_out),
            }
            for each in found.proofs
        ],
        "canaries": terms(tuple(found.canaries.values())),
    }


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language is Language.ZH]
