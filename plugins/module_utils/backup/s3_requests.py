# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rclone cannot ask of S3: versions, their deletion, locks. Signed requests, version 4 of
the signature, with the standard library alone."""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import http.client
import ssl
import time
import xml.etree.ElementTree as ET
from typing import Iterator, NamedTuple
from urllib.parse import quote, urlsplit

from .failures import BackupFailure, BadCredentials

_SECONDS = 30.0


class Key(NamedTuple):
    """Who asks."""

    id: str
    secret: str


class Answer(NamedTuple):
    """Status, headers with small letters, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Version(NamedTuple):
    """One version of an object; ``marker``: it says that the object is deleted. ``modified`` is
    the server's time in seconds since 1970."""

    key: str
    id: str
    latest: bool
    marker: bool
    modified: float
    size: int = 0


class Bucket:
    """A bucket of a server. Every request raises BackupFailure when nobody answers."""

    def __init__(
        self,
        endpoint: str,
        name: str,
        key: Key,
        *,
        region: str = "us-east-1",
        path_style: bool = True,
        ca: str = "",
    ) -> None:
        parts = urlsplit(endpoint)
        self.name, self._key, self._region = name, key, region
        self._host = parts.netloc if path_style else "{0}.{1}".format(name, parts.netloc)
        self._begin = "/" + name if path_style else ""
        self._trust = ssl.create_default_context(cafile=ca or None)

    def ask(
        self,
        verb: str,
        key: str = "",
        query: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request, to the bucket itself when ``key`` is empty; whatever the status is."""
        path = quote(self._begin + "/" + key, safe="/~-._")
        asked = sorted((query or {}).items())
        text = "&".join(
            "{0}={1}".format(quote(a, safe="~-._"), quote(b, safe="~-._")) for a, b in asked
        )
        wanted = self._signed(verb, path, text, body, headers or {})
        line = http.client.HTTPSConnection(self._host, timeout=_SECONDS, context=self._trust)
        try:
            line.request(verb, path + ("?" + text if text else ""), body=body, headers=wanted)
            answer = line.getresponse()
            return Answer(
                answer.status, {a.lower(): b for a, b in answer.getheaders()}, answer.read()
            )
        except (OSError, http.client.HTTPException) as error:
            raise BackupFailure(
                "bucket {0} does not answer: {1}".format(self.name, error),
                "存储桶 {0} 无应答：{1}".format(self.name, error),
            ) from None
        finally:
            line.close()

    def must(
        self,
        verb: str,
        key: str = "",
        query: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """The same. Raises BadCredentials when it is forbidden, BackupFailure when it did not
        work."""
        answer = self.ask(verb, key, query, body, headers)
        if answer.status >= 300:
            kind = BadCredentials if answer.status in (401, 403) else BackupFailure
            said = (self.name, verb, key or "/", answer.status, reason(answer))
            raise kind(
                "bucket {0}: {1} {2}: {3} {4}".format(*said),
                "存储桶 {0}：{1} {2}：{3} {4}".format(*said),
            )
        return answer

    def versions(self, prefix: str) -> Iterator[Version]:
        """All versions and delete markers below a prefix, the newest of each key first."""
        query = {"versions": "", "prefix": prefix}
        while True:
            page = _tree(self.must("GET", query=query).body)
            for each in page:
                if each.tag in ("Version", "DeleteMarker"):
                    yield _version(each)
            if page.findtext("IsTruncated") != "true":
                return
            after = page.findtext("NextKeyMarker") or "", page.findtext("NextVersionIdMarker") or ""
            if not after[0] or after == (query.get("key-marker"), query.get("version-id-marker")):
                raise BackupFailure(
                    "bucket {0}: the server says there are more versions, but not where".format(
                        self.name
                    ),
                    "存储桶 {0}：服务器称还有更多版本，但未给出位置".format(self.name),
                )
            query["key-marker"], query["version-id-marker"] = after

    def _signed(
        self, verb: str, path: str, query: str, body: bytes, extra: dict[str, str]
    ) -> dict[str, str]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        headers = {a.lower(): b for a, b in extra.items()}
        headers.update({"host": self._host, "x-amz-date": moment, "x-amz-content-sha256": digest})
        if body:  # a bucket with locks wants it
            sum_ = hashlib.md5(body, usedforsecurity=False).digest()
            headers["content-md5"] = base64.b64encode(sum_).decode()
        names = ";".join(sorted(headers))
        lines = "".join("{0}:{1}\n".format(a, headers[a].strip()) for a in sorted(headers))
        whole = "\n".join((verb, path, query, lines, names, digest))
        scope = "/".join((moment[:8], self._region, "s3", "aws4_request"))
        sums = hashlib.sha256(whole.encode()).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, sums))
        headers["authorization"] = (
            "AWS4-HMAC-SHA256 Credential={0}/{1}, SignedHeaders={2}, Signature={3}".format(
                self._key.id, scope, names, self._signature(scope, text)
            )
        )
        return headers

    def _signature(self, scope: str, text: str) -> str:
        key = ("AWS4" + self._key.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def reason(answer: Answer) -> str:
    """The server's own word for what was wrong, at most 200 letters."""
    try:
        found = _tree(answer.body)
    except (ET.ParseError, BackupFailure):
        return ""
    return " ".join(filter(None, (found.findtext("Code"), found.findtext("Message"))))[:200]


def _tree(body: bytes) -> ET.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BackupFailure("the server's answer is not S3's", "服务器的应答不是 S3 格式")
    return ET.fromstring(body.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b""))


def _version(each: ET.Element) -> Version:
    said = each.findtext("LastModified") or "1970-01-01T00:00:00Z"
    whole, _, part = said.rstrip("Z").partition(".")
    read = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (part or "0"))
    return Version(
        key=each.findtext("Key") or "",
        id=each.findtext("VersionId") or "",
        latest=each.findtext("IsLatest") == "true",
        marker=each.tag == "DeleteMarker",
        modified=read,
        size=int(each.findtext("Size") or 0),
    )
