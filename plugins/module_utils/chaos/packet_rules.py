# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets that do not arrive: rules of nftables in a table of the experiment's own.

A table of its own is taken back as a whole, touches nobody's rules, and does not survive a boot.
Its chains come before all others, so that no rule of the host lets a packet through first.
"""

from __future__ import annotations

from typing import Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    ChaosError,
    needs,
    shell,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_FIRST = -450  # before every priority that nftables has a name for (raw is -300)


def table_name(ident: str) -> str:
    """The table of an experiment."""
    return "storewarden_" + ident.replace("-", "_")


def rules(ident: str, **chains: Sequence[str]) -> str:
    """A table for ``nft -f``; each of ``chains`` is a hook with its rules."""
    lines = ["table inet {0} {{".format(table_name(ident))]
    for hook, inside in sorted(chains.items()):
        lines.append("  chain {0} {{".format(hook))
        lines.append("    type filter hook {0} priority {1}; policy accept;".format(hook, _FIRST))
        lines += ["    " + rule for rule in inside]
        lines.append("  }")
    return "\n".join([*lines, "}"])


def tried(host: Host, text: str) -> str:
    """The same text when this host's nft and kernel take it. Raises ChaosError."""
    needs(host, "nft")
    done = host.run(["nft", "--check", "--file", "-"], text=text + "\n")
    if done.code != 0:
        raise ChaosError(
            "this host cannot do it: {0}".format(done.last), "该主机不支持：{0}".format(done.last)
        )
    return text


def made(text: str) -> str:
    """Shell that puts the rules in, all at once."""
    return "nft --file - <<'RULES'\n{0}\nRULES".format(text)


def removed(ident: str) -> str:
    """Shell after which the table is not there; a firewall that was loaded anew took it along."""
    table = table_name(ident)
    return "{0} 2>/dev/null || ! {1} >/dev/null 2>&1".format(
        shell("nft", "delete", "table", "inet", table), shell("nft", "list", "table", "inet", table)
    )
