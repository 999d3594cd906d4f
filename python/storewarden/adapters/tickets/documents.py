# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents beside texts, each exactly once, in systems that take them in separate requests.

A write can end between a document and the note it belongs to. So documents go first and
the note last, and the note says what was attached with it: ``attached: NAME (sha256 ...)``.
On the next attempt a document on the ticket that no finished note speaks of is the one
that was left behind, and is not sent again. The digests are there for auditors too.

A text too long for its field goes into a document as a whole, and the field says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from storewarden.adapters.tickets.marks import normal
from storewarden.ports.tickets import Attachment

_LINE = re.compile(r"^attached: (?P<name>.*) \(sha256 (?P<digest>[0-9a-f]{64})\)\s*$", re.MULTILINE)
_BEGINNING = 300  # characters of a long text that are shown in its field
_ONE_MORE = 200  # room for the line of the document that a long text becomes

type Paper = tuple[str, str]
"""File name and the hex sha256 of the bytes."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text as it goes into a field, and the document that holds it if it was too long."""

    text: str
    documents: tuple[Attachment, ...] = ()


def utf16(text: str) -> int:
    """A text's length as Java counts it: characters beyond the basic plane are two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """A text's length in UTF-8, as MySQL counts it."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A field that takes ``limit`` in ``size``; ``name`` is given to the document that holds
    what does not fit, without its ending."""

    limit: int
    name: str
    size: Callable[[str], int] = utf16


def fitted(text: str, limit: int, name: str, size: Callable[[str], int] = len) -> Fitted:
    """``text`` for a field that takes ``limit`` in ``size``; ``name`` of a document without
    ending."""
    text = normal(text)
    if size(text) <= limit:
        return Fitted(text)
    document = Attachment(name=f"{name}.txt", media_type="text/plain", content=text.encode())
    beginning = " ".join(text[: min(_BEGINNING, limit // 8)].split())
    whole = f"The whole text ({len(text)} characters) is in {document.name}."
    return Fitted(f"{beginning} ...\n\n{whole}", (document,))


def composed(
    head: str, text: str, documents: Sequence[Attachment], field: Room
) -> tuple[str, tuple[Attachment, ...]]:
    """A text as it is written (its mark, its words, what was attached with it), and all
    documents that belong to it."""
    frame = "\n".join([head, _listed(documents), " " * _ONE_MORE])
    inner = fitted(text, field.limit - field.size(frame), field.name, field.size)
    everything = (*inner.documents, *documents)
    lines = [part for part in (head, inner.text, _listed(everything)) if part]
    return "\n".join(lines), everything


def _listed(documents: Iterable[Attachment]) -> str:
    return "\n".join(
        f"attached: {name} (sha256 {digest})" for name, digest in map(paper, documents)
    )


def paper(document: Attachment) -> Paper:
    """By what a document is recognised. Names are one line everywhere."""
    name = " ".join(normal(document.name).replace("/", "_").split())
    return name, sha256(document.content).hexdigest()


def left_to_send(
    documents: Iterable[Attachment], there: Iterable[Paper], texts: Iterable[str]
) -> tuple[Attachment, ...]:
    """Which documents of a note still have to be sent.

    ``there`` is what hangs on the ticket, ``texts`` are its finished texts.
    """
    spoken_of = Counter((m["name"], m["digest"]) for text in texts for m in _LINE.finditer(text))
    left_behind = Counter(there)
    left_behind.subtract(spoken_of)
    missing = []
    for document in documents:
        key = paper(document)
        left_behind[key] -= 1
        if left_behind[key] < 0:
            missing.append(document)
    return tuple(missing)


def one_line(text: str, limit: int) -> str:
    """A title: one line of at most ``limit`` characters as ``utf16`` counts them."""
    line = " ".join(normal(text).split())
    if utf16(line) <= limit:
        return line
    while utf16(line) > limit - 3:
        line = line[:-1]
    return f"{line}..."
