# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking after the record: verified with its anchors and documents, copied, exported, expired.

What the ledger cannot know of itself is put beside it here: the anchor file, the
hashes an operator types in from a ticket, the folder of documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as altered
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.adapters.evidence import EvidenceFolder
from storewarden.adapters.ledger import copies, documents, expiry, export, restore, tombstones
from storewarden.adapters.ledger.anchor_file import JsonAnchorFile
from storewarden.adapters.ledger.copies import Manifest
from storewarden.adapters.ledger.restore import Restored
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import Anchor, Problem, Verification
from storewarden.wiring.here import operator
from storewarden.wiring.site import Site

if TYPE_CHECKING:
    from storewarden.adapters.ledger import SqlLedger
    from storewarden.config.site import SiteConfig

_ANCHOR = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Evidence older than ``before``: what could be deleted, or what was."""

    before: datetime
    results: int
    audits: int
    size: int
    documents: int


def anchor_file(config: SiteConfig) -> JsonAnchorFile:
    """The site's anchor file."""
    return JsonAnchorFile(config.anchor_file)


def evidence_folder(config: SiteConfig) -> EvidenceFolder:
    """The documents that changes refer to."""
    return EvidenceFolder(config.state_dir / "evidence")


def known_anchors(told: Iterable[str]) -> Mapping[int, str]:
    """Hashes typed in as ``SEQUENCE:HASH``, from a ticket or a message. Raises ConfigInvalid."""
    found = {}
    for text in told:
        parts = _ANCHOR.fullmatch(text.strip().lower())
        if parts is None:
            raise ConfigInvalid(
                f"{text!r} is no anchor", where="--anchor", hint="write ENTRY:HASH, 64 hex digits"
            )
        found[int(parts[1])] = parts[2]
    return found


def verify(site: Site, given: Mapping[int, str] | None = None) -> Verification:
    """Replay the journal against itself, the state tables, all anchors and the documents."""
    ledger, file = _ledger(site), anchor_file(site.config)
    holding, beside = _anchors(ledger, file)
    known, doubts = _known([*holding, *_typed(given or {})])
    found = ledger.verify(known=known)
    more = (*beside, *doubts, *_documents(ledger, evidence_folder(site.config)))
    return altered(found, problems=(*found.problems, *more), notes=(*found.notes, *file.torn()))


def backup(site: Site, target: Path) -> Manifest:
    """Copy ledger and documents; ``target`` is a new file, documents go to a folder beside it."""
    target, ledger = target.absolute(), _ledger(site)
    manifest = copies.backup(ledger, target, site.clock)
    documents_kept = _kept_documents(ledger)
    _copy_documents(documents_kept, evidence_folder(site.config), documents_beside(target))
    body = copies.noted(manifest, target, operator())
    step = f"{stamp(manifest.at)} {manifest.sha256}"
    ledger.append("ledger backed up", body, run="backups", step=step)
    return manifest


def documents_beside(target: Path) -> EvidenceFolder:
    """Where the documents of a backup lie."""
    return EvidenceFolder(target.with_name(f"{target.name}.documents"))


def restored(
    site: Site, source: Path, *, replace: bool = False, accept_loss: bool = False
) -> Restored:
    """Put a backup in the place of the site's ledger; its documents are added to the others."""
    ledger = site.config.ledger_file
    if ledger is None:
        raise ConfigInvalid(
            "a ledger on PostgreSQL is restored with the server's own tools",
            where="ledger",
            hint="pg_restore, then storewarden ledger verify",
        )
    source, file = source.absolute(), anchor_file(site.config)
    beside = documents_beside(source)
    asked = restore.Restore(
        ledger=ledger,
        backup=source,
        by=operator(),
        anchors=file.read(),
        mark=file.mark_restored,
        replace=replace,
        accept_loss=accept_loss,
    )
    made = restore.restore(asked, site.clock)
    _copy_documents(beside.digests(), beside, evidence_folder(site.config))
    return made


def exported(site: Site) -> Iterator[str]:
    """The journal as lines of JSON, the last of which is its head."""
    with _ledger(site).transactions.reading() as connection:
        yield from export.lines(connection, site.clock.now())


def check_export(file: Path, given: Mapping[int, str], anchors: Path | None) -> Verification:
    """An exported journal on any machine: its chain, its head, and anchors where there are any."""
    held = JsonAnchorFile(anchors).read() if anchors else ()
    known, doubts = _known([*held, *_typed(given)])
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as lines:
            found = export.check(lines, known)
    except OSError as error:
        raise ConfigInvalid(f"cannot be read: {error.strerror}", where=str(file)) from error
    return altered(found, problems=(*found.problems, *doubts))


def expirable(site: Site, before: datetime | None = None) -> Expiry:
    """What could be deleted now, if a change allowed it."""
    cutoff, ledger = _cutoff(site, before), _ledger(site)
    stock = expiry.expired(ledger.transactions, cutoff)
    old = _old_documents(ledger, cutoff)
    return Expiry(
        before=cutoff,
        results=stock.results,
        audits=stock.audits,
        size=stock.size,
        documents=len(old),
    )


def expire(site: Site, change: str, before: datetime | None = None) -> Expiry:
    """Delete it under an approved change that has been started; what went."""
    cutoff, ledger = _cutoff(site, before), _ledger(site)
    asked = tombstones.Deletion(
        change=change,
        by=operator(),
        before=cutoff,
        results={},
        documents=_old_documents(ledger, cutoff),
    )
    stock = expiry.delete(ledger.transactions, site.clock, asked)
    store = evidence_folder(site.config)
    # Those noted before a crash, too; one that a newer change attached again stays.
    needed = documents.needed(ledger.changes.changes(), cutoff)
    for digest in documents.deleted(ledger) - needed:
        store.remove(digest)
    return Expiry(
        before=cutoff,
        results=stock.results,
        audits=stock.audits,
        size=stock.size,
        documents=len(asked.documents),
    )


def _ledger(site: Site) -> SqlLedger:
    """The ledger that is there; who looks after one must not make an empty one."""
    site.require_ledger()
    return site.ledger


def _anchors(
    ledger: SqlLedger, file: JsonAnchorFile
) -> tuple[Sequence[Anchor], tuple[Problem, ...]]:
    """The anchors of the file that hold, and what is wrong with the file itself."""
    try:
        restores = {entry.step for entry in ledger.of_run(tombstones.RESTORES)}
        return file.holding(restores), file.missing(ledger.anchors())
    except LedgerConflict as conflict:
        return (), (Problem(where=conflict.where, what=conflict.what),)


def _known(anchors: Iterable[Anchor]) -> tuple[dict[int, str], tuple[Problem, ...]]:
    known: dict[int, str] = {}
    doubts = []
    for anchor in anchors:
        if known.setdefault(anchor.sequence, anchor.hash) != anchor.hash:
            what = f"two anchors differ: {known[anchor.sequence]} and {anchor.hash}"
            doubts.append(Problem(where=f"entry {anchor.sequence}", what=what))
    return known, tuple(doubts)


def _typed(given: Mapping[int, str]) -> list[Anchor]:
    at = datetime.min.replace(tzinfo=UTC)
    return [Anchor(sequence=n, hash=h, at=at, where="typed in") for n, h in given.items()]


def _documents(ledger: SqlLedger, store: EvidenceFolder) -> tuple[Problem, ...]:
    try:
        return documents.problems(ledger, store)
    except LedgerConflict as conflict:
        return (Problem(where=conflict.where, what=conflict.what),)


def _kept_documents(ledger: SqlLedger) -> list[str]:
    told = documents.referenced(ledger.changes.changes())
    return sorted(set(told) - documents.deleted(ledger))


def _copy_documents(digests: Iterable[str], source: EvidenceFolder, to: EvidenceFolder) -> None:
    for digest in digests:
        to.put(source.get(digest))


def _old_documents(ledger: SqlLedger, before: datetime) -> tuple[str, ...]:
    return documents.expired(ledger.changes.changes(), before, documents.deleted(ledger))


def _cutoff(site: Site, before: datetime | None) -> datetime:
    """The end of the retention; nobody may ask for a later moment."""
    latest = site.clock.now() - site.config.records.retention
    if before is not None and before > latest:
        raise ConfigInvalid(
            f"evidence is kept until {latest.date()} at least",
            where="--before",
            hint="records.retention_days",
        )
    return before or latest
