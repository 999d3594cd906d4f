# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of all modules of heal actions has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that every module ``heal_<name>`` takes."""

    DOCUMENTATION = r"""
notes:
  - Run it with C(become) as root.
  - For the tasks of its role; see C(docs/reference/heal-action.md).
attributes:
  check_mode:
    support: full
    description: V(diagnose) and V(verify) only look; the other phases say that they would change.
  diff_mode:
    support: none
    description: The plan in C(diagnosis) says what would be touched.
options:
  phase:
    description:
      - V(diagnose) reads and judges. V(act) repairs what O(diagnosis) names. V(verify) looks until
        it is well or O(within) seconds are over. V(undo) takes back what the restore point does
        not know.
    type: str
    choices: [diagnose, act, verify, undo]
    required: true
  diagnosis:
    description: What V(diagnose) came to, for the other phases.
    type: dict
    default: {}
  within:
    description: Seconds in which V(verify) must have become good.
    type: float
    default: 30.0
  root:
    description: Where the files of the host begin, for tests.
    type: path
    default: /
"""
