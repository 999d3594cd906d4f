# SPDX-License-Identifier: GPL-3.0-or-later
"""A tailoring file from our parameters, so that both sides measure the same numbers.

It is written pretty-printed on purpose: oscap 1.3.7 silently drops every second
element of a tailoring file that stands on one line.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping

from tests.scanner.datastream import BENCHMARK, RULE, VALUE, XCCDF

PROFILE = "xccdf_org.storewarden_profile_overlap"


def whole_profile(base: str, values: Mapping[str, str]) -> str:
    """XML that takes a profile of the data stream as it is, but for ``values``."""
    root, profile = _begun("All rules of a profile, at storewarden's numbers", base)
    return _ended(root, profile, values)


def tailoring(selected: Iterable[str], values: Mapping[str, str], every: Iterable[str]) -> str:
    """XML that selects exactly ``selected`` out of ``every`` rule, and sets ``values``."""
    root, profile = _begun("Rules that a storewarden control also checks")
    chosen = set(selected)
    for rule in sorted(every):
        state = "true" if rule in chosen else "false"
        ET.SubElement(profile, f"{XCCDF}select", idref=RULE + rule, selected=state)
    return _ended(root, profile, values)


def _begun(title: str, base: str = "") -> tuple[ET.Element, ET.Element]:
    ET.register_namespace("xccdf", XCCDF.strip("{}"))
    root = ET.Element(f"{XCCDF}Tailoring", id="xccdf_org.storewarden_tailoring_overlap")
    ET.SubElement(root, f"{XCCDF}benchmark", href=BENCHMARK)
    ET.SubElement(root, f"{XCCDF}version", time="2026-01-01T00:00:00").text = "1"
    profile = ET.SubElement(root, f"{XCCDF}Profile", id=PROFILE)
    if base:
        profile.set("extends", base)
    ET.SubElement(profile, f"{XCCDF}title").text = title
    return root, profile


def _ended(root: ET.Element, profile: ET.Element, values: Mapping[str, str]) -> str:
    for name, value in sorted(values.items()):
        ET.SubElement(profile, f"{XCCDF}set-value", idref=VALUE + name).text = value
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
