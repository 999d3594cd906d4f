#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renewal of a certificate that expires; see module_utils/heal/certificate.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_certificate
short_description: Renew a certificate by the site's own hook
version_added: 0.4.0
description:
  - Runs a program of C(/etc/storewarden/renew.d) for a certificate that has expired or soon
    will, checks what it left, and reloads the services.
  - Private keys never leave the host.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_certificate_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      certificate:
        description:
          - The file with the certificate (and the way to its authority behind it).
        type: path
        required: true
      key:
        description:
          - The file with its private key.
        type: path
        required: true
      ca:
        description:
          - File with the authority that the new certificate must lead to. Empty looks at no chain.
        type: path
        default: ""
      hook:
        description:
          - Name of a program in C(/etc/storewarden/renew.d), called with certificate and key. It,
            and every folder above it, must be root's alone to write.
        type: str
        default: ""
      days:
        description:
          - Days before its end from which a certificate is renewed.
        type: float
        default: 21.0
      units:
        description:
          - Units that are reloaded. One that is stopped stays stopped; one that cannot reload is
            restarted only when its certificate has ended.
        type: list
        elements: str
        default: []
      address:
        description:
          - Where the service shows its certificate.
        type: str
        default: "127.0.0.1"
      port:
        description:
          - The port of it; 0 looks at the file alone.
        type: int
        default: 0
      server_name:
        description:
          - The name to ask for (SNI).
        type: str
        default: ""
      hook_files:
        description:
          - Further files that the hook changes, for the restore point.
        type: list
        elements: path
        default: []
      hook_seconds:
        description:
          - Seconds that the hook may take; 240 are the most.
        type: float
        default: 120.0
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_certificate:
    phase: diagnose
    options:
      certificate: /etc/nginx/tls/store.crt
      key: /etc/nginx/tls/store.key
      hook: store
      units: [nginx.service]
      port: 443
  register: heal_diagnosed
"""

RETURN = r"""
diagnosis:
  description: State, reason, plan, items of a restore point, and the facts behind them.
  returned: phase diagnose
  type: dict
evidence:
  description: What people will want to read, each with name and text.
  returned: phase diagnose
  type: list
  elements: dict
steps:
  description: What was done, in the order in which it was done.
  returned: phases act and undo
  type: list
  elements: dict
finding:
  description: Whether the host is well, and why.
  returned: phase verify
  type: dict
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.certificate import (
    ACTION,
    OPTIONS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
