# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a ticket in a system that the site has described.

Such a system knows no keys for files, and two notes may bring files of one name. What tells
them apart: every note lists its files with digests (``file_line``). A file that is there more
often than complete notes speak of was brought by an attempt that never got to its note.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable

from storewarden.adapters.tickets.http_line import Line
from storewarden.adapters.tickets.http_settings import Compiled, FileSteps
from storewarden.adapters.tickets.marks import mark_of, noted_keys
from storewarden.ports.tickets import Attachment, TicketNote

_LINE = re.compile(r"^\[file .+, \d+ bytes, sha256 (?P<digest>[0-9a-f]{64})\]", re.MULTILINE)


def file_line(attachment: Attachment) -> str:
    """How a note names a file."""
    name = " ".join(attachment.name.split())
    return f"[file {name}, {len(attachment.content)} bytes, sha256 {_digest(attachment)}]"


class TicketFiles:
    """Uploads and reads back, as ``attach``, ``files`` and ``download`` say."""

    def __init__(self, compiled: Compiled, line: Line, steps: FileSteps) -> None:
        self._compiled = compiled
        self._line = line
        self._steps = steps

    def bring(self, ticket: str, note: TicketNote, texts: Iterable[str]) -> None:
        """Upload what is not there yet; ``texts`` are the ticket's notes so far."""
        spoken_of = _spoken_of(texts)
        for attachment in note.attachments:
            spoken_of[_digest(attachment)] += 1
            needed = spoken_of[_digest(attachment)]
            if self._stored(ticket, attachment) >= needed:
                continue
            self._upload(ticket, note.key, attachment)
            if self._stored(ticket, attachment) < needed:
                name = attachment.name
                raise self._line.transport.unconfirmed(f"{name} is not in ticket {ticket}")

    def _upload(self, ticket: str, key: str, attachment: Attachment) -> None:
        upload = (attachment.name, attachment.content, attachment.media_type)
        values = {
            "id": ticket,
            "key": key,
            "name": attachment.name,
            "media_type": attachment.media_type,
            "size": len(attachment.content),
            "sha256": _digest(attachment),
            "content_base64": base64.b64encode(attachment.content).decode(),
        }
        field = self._steps.field
        self._line.tell(self._steps.attach, values, files=((field, upload),) if field else ())

    def _stored(self, ticket: str, attachment: Attachment) -> int:
        """How often that very file is in the ticket: by its bytes, else by name and size."""
        query = self._compiled.query
        count = 0
        for record in self._line.records(self._steps.files, query("files.list"), {"id": ticket}):
            size = query("files.size").text(record)
            named = query("files.name").text(record) == attachment.name
            if named and size in ("", str(len(attachment.content))):
                count += self._same_bytes(ticket, query("files.id").text(record), attachment)
        return count

    def _same_bytes(self, ticket: str, number: str, attachment: Attachment) -> bool:
        if self._steps.download is None:
            return True
        values = {"id": ticket, "file": number, "name": attachment.name}
        return self._line.fetch(self._steps.download, values) == attachment.content


def _digest(attachment: Attachment) -> str:
    return hashlib.sha256(attachment.content).hexdigest()


def _spoken_of(texts: Iterable[str]) -> Counter[str]:
    """How often complete notes name each file, by digest."""
    seen = list(texts)
    whole = set(noted_keys(seen))
    return Counter(
        found["digest"]
        for text in seen
        if (mark := mark_of(text)) is not None and mark.key in whole
        for found in _LINE.finditer(text)
    )
