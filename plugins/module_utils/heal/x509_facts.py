# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a certificate says, read by openssl: until when, for whom, and whether its key fits.

Private keys are only ever read by openssl on the host, and only the public half comes back.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_TIME = re.compile(r"^notAfter=(.+)$", re.M)
_BEGIN = re.compile(r"^notBefore=(.+)$", re.M)
_PRINT = re.compile(r"Fingerprint=([0-9A-Fa-f:]+)")
_SUBJECT = re.compile(r"^subject=(.*)$", re.M)
_NAMES = re.compile(r"(?:DNS|IP Address):([^,\s]+)")
_COMMON = re.compile(r"(?:^|[,/])\s*CN\s*=\s*([^,/]+)")
_SECONDS = 15.0


def of_file(host: Host, path: str) -> dict[str, Any]:
    """``{error}``, or ``{not_before, not_after (epoch seconds), names, fingerprint, subject}``."""
    return _of(host, ["-in", host.at(path)], "")


def of_text(host: Host, pem: str) -> dict[str, Any]:
    """The same for a certificate that we hold."""
    return _of(host, [], pem)


def of_server(host: Host, address: str, port: int, name: str, seconds: float) -> dict[str, Any]:
    """The same for what a server shows; it may be expired or unknown, so nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), timeout=seconds) as plain:
            plain.settimeout(seconds)
            with context.wrap_socket(plain, server_hostname=name or None) as line:
                shown = line.getpeercert(binary_form=True)
    except (OSError, ValueError) as error:
        return {"error": "{0}:{1}: {2}".format(address, port, error)}
    return of_text(host, ssl.DER_cert_to_PEM_cert(shown)) if shown else {"error": "no certificate"}


def _of(host: Host, where: list[str], pem: str) -> dict[str, Any]:
    told = [
        "-noout",
        "-startdate",
        "-enddate",
        "-subject",
        "-fingerprint",
        "-sha256",
        "-nameopt",
        "RFC2253",
    ]
    done = host.run(["openssl", "x509", *where, *told], _SECONDS, pem)
    until = _TIME.search(done.out)
    if done.code != 0 or until is None:
        return {"error": done.last}
    names = host.run(
        ["openssl", "x509", *where, "-noout", "-ext", "subjectAltName"], _SECONDS, pem
    ).out
    return parsed(done.out, names)


def parsed(said: str, alternative: str) -> dict[str, Any]:
    """What openssl said as data; a certificate without other names goes by its common name."""
    until, print_, subject = (one.search(said) for one in (_TIME, _PRINT, _SUBJECT))
    begin = _BEGIN.search(said)
    names = sorted({one.lower() for one in _NAMES.findall(alternative)})
    line = subject.group(1).strip() if subject else ""
    common = _COMMON.search(line)
    return {
        "not_before": ssl.cert_time_to_seconds(begin.group(1)) if begin else 0,
        "not_after": ssl.cert_time_to_seconds(until.group(1)) if until else 0,
        "names": names or ([common.group(1).strip().lower()] if common else []),
        "fingerprint": print_.group(1).upper() if print_ else "",
        "subject": line,
    }


def key_fits(host: Host, certificate: str, key: str) -> bool:
    """Whether the private key is that of the certificate."""
    words = ["openssl", "x509", "-in", host.at(certificate), "-noout", "-pubkey"]
    public = host.run(words, _SECONDS)
    # Without a phrase: a key that wants one cannot be used by a service that starts alone either.
    mine = host.run(
        ["openssl", "pkey", "-in", host.at(key), "-pubout", "-passin", "pass:"], _SECONDS
    )
    return public.code == 0 == mine.code and public.out.strip() == mine.out.strip()


def chain_problem(host: Host, certificate: str, authority: str) -> str:
    """Why the certificate does not lead to the authority, or nothing.

    What stands behind it in its own file counts as the way there. The authorities that the system
    trusts do not: any public one would do otherwise.
    """
    alone = ["-no-CAfile", "-no-CApath"]
    if host.run(["openssl", "verify", "-no-CAstore", "-help"], _SECONDS).code == 0:
        alone.append("-no-CAstore")  # openssl 3
    words = ["openssl", "verify", *alone, "-CAfile", host.at(authority), "-untrusted"]
    done = host.run([*words, host.at(certificate), host.at(certificate)], _SECONDS)
    return "" if done.code == 0 else done.last
