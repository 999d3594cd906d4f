# SPDX-License-Identifier: GPL-3.0-or-later
"""The 3-2-1 proof over a real ledger: every term, the one that fails, and places that claim too
much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import Verb
from storewarden.domain.backup.catalog_events import CopySeen
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_proof import ProofParts, Proven, prove
from storewarden.testing.ledger import ManualClock
from tests.flows.proof_place import AWAY, DAY, HOUR, LOCATIONS, NOW, OTHER, TILL, ProofPlace


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProofPlace]:
    clock = ManualClock(NOW)
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        yield ProofPlace(ledger=ledger, clock=clock)


def parts(place: ProofPlace) -> ProofParts:
    ledger = place.ledger
    return ProofParts(
        catalog=place.ledger.backups,
        policies={"tills": place.policy},
        locations=LOCATIONS,
        clock=place.clock,
        carry=place.carry,
        journal=lambda kind, run, body: ledger.append(kind, dict(body), run=run, step="canary"),
    )


def failing(found: Proven) -> list[str]:
    return [term.name for proof in found.proofs for term in proof.failing]


def test_three_copies_on_two_media_one_far_away(place: ProofPlace) -> None:
    wanted = place.has(TILL, NOW - 5 * HOUR)
    for subject in (wanted, "pos01"):
        (found,) = prove(parts(place), subject)
        assert (found.backup.id, found.holds, failing(found)) == (wanted, True, [])
    assert place.orders == []


@pytest.mark.parametrize(
    ("places", "terms"),
    [
        (("host", "hub"), ["copies", "off-site"]),
        (("host", "away"), ["copies"]),
        (("host",), ["copies", "media", "off-site"]),
    ],
)
def test_the_term_that_fails_is_named(
    place: ProofPlace, places: tuple[str, ...], terms: list[str]
) -> None:
    place.has(TILL, NOW - 5 * HOUR, places=places)
    (found,) = prove(parts(place), "pos01")
    assert failing(found) == terms


def test_copies_that_the_same_credentials_empty_are_one(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    shared = replace(LOCATIONS["hub"], credentials="away")
    (found,) = prove(replace(parts(place), locations=LOCATIONS | {"hub": shared}), "pos01")
    assert failing(found) == ["copies"]
    assert "credentials" in " ".join(found.proofs[0].left_out.values())


def test_a_copy_nobody_looked_at_for_too_long_does_not_count(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.clock.advance(9 * DAY)
    (found,) = prove(parts(place), "pos01")
    assert "copies" in failing(found)


def test_a_set_is_proven_with_all_that_it_builds_upon(place: ProofPlace) -> None:
    full = place.has(TILL, NOW - 30 * HOUR, places=("host",))
    last = place.has(TILL, NOW - 5 * HOUR, kind=SetKind.INCREMENTAL, parent=full)
    (found,) = prove(parts(place), last)
    assert [each.set for each in found.proofs] == [full, last]
    assert (found.proofs[1].holds, found.holds) == (True, False)
    bad = CopySeen(set=full, location="host", at=NOW, level=Level.CLAIMED, damaged="cut off")
    place.ledger.backups.record([bad])
    (found,) = prove(parts(place), last)
    assert (found.missing, found.holds) == (full, False)


def test_a_place_that_claims_to_be_immutable_is_asked_to_prove_it(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    (found,) = prove(parts(place), "pos01", canary=True)
    assert [(each.verb, each.location) for each in place.orders] == [(Verb.CANARY, "away")]
    assert found.holds
    tried = [each.body for each in place.ledger.journal() if each.kind == "canary tried"]
    assert [(each["place"], each["immutable"]) for each in tried] == [("away", True)]


def test_one_that_lets_a_canary_go_fails_the_proof(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.immutable = False
    (found,) = prove(parts(place), "pos01", canary=True)
    assert not found.holds
    assert "let a canary be deleted" in found.canaries["away"].en


def test_a_canary_that_nobody_answered_for_proves_nothing(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.CANARY, "away"] = AWAY
    (found,) = prove(parts(place), "pos01", canary=True)
    assert not found.holds
    assert found.canaries["away"].en == "away was not proven immutable: no route to host"


def test_what_is_neither_a_set_nor_a_host_is_one_line(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    with pytest.raises(ConfigInvalid, match="neither a set nor a host"):
        prove(parts(place), OTHER.host)
    with pytest.raises(ConfigInvalid, match="neither a set nor a host"):
        prove(parts(place), "pos01", "other")
