# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""This package as one file that Python runs as it is."""

from __future__ import annotations

import io
import pkgutil
import sys
import zipfile

_NAME = "storewarden_backup"
# To be told to stop while it is being loaded would end it without a report.
_MAIN = """import signal
import sys
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
from {0}.program import main
sys.exit(main())
""".format(_NAME)


def sources() -> dict[str, str]:
    """Name -> text of each file of this package, also when it came in Ansible's archive."""
    package = sys.modules[__package__]
    found = {"__init__": _text(package.__name__, package.__path__[0])}
    for info in pkgutil.iter_modules(package.__path__):
        spec = info.module_finder.find_spec(package.__name__ + "." + info.name, None)  # type: ignore[call-arg, union-attr]
        found[info.name] = spec.loader.get_source(spec.name)  # type: ignore[union-attr]
    return found


def _text(name: str, _path: str) -> str:
    loader = sys.modules[name].__loader__
    return str(loader.get_source(name) or "")  # type: ignore[union-attr]


def packed() -> bytes:
    """The program; the same bytes for the same sources."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored: small Pythons have no zlib
        _add(archive, "__main__.py", _MAIN)
        for name, text in sorted(sources().items()):
            _add(archive, "{0}/{1}.py".format(_NAME, name), text)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name), text.encode("utf-8"))
