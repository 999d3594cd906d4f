# SPDX-License-Identifier: GPL-3.0-or-later
"""Matchers mean what Alertmanager means by the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.healing.matcher import Matcher, Op, parse_matchers

CRITICAL = {"severity": "critical", "job": "node exporter"}


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ('severity="critical"', CRITICAL, True),
        ("severity=critical", CRITICAL, True),
        ('severity!="critical"', CRITICAL, False),
        ('severity=~"critical|warning"', CRITICAL, True),
        ('severity=~"crit"', CRITICAL, False),  # anchored on both sides
        ('severity=~"crit.*"', CRITICAL, True),
        ('severity!~"warn.*"', CRITICAL, True),
        ('severity!~"crit.*"', CRITICAL, False),
        ('missing=""', CRITICAL, True),  # a missing label is the empty text
        ('missing!=""', CRITICAL, False),
        ('missing!="x"', CRITICAL, True),
        ('missing=~".*"', CRITICAL, True),
        ('missing=~".+"', CRITICAL, False),
        ('missing!~".+"', CRITICAL, True),
        ('severity=~"a\\nb"', {"severity": "a\nb"}, True),
        ('severity=~"\\\\d+"', {"severity": "12"}, True),
        ('severity=~"\\\\d+"', {"severity": "１２"}, False),  # digits are those of ASCII
        ('severity=~"a.b"', {"severity": "a\nb"}, False),  # a dot is no end of a line
    ],
)
def test_a_matcher_fits_as_in_alertmanager(text: str, labels: dict[str, str], fits: bool) -> None:
    (matcher,) = parse_matchers(text)
    assert matcher.matches(labels) is fits


@pytest.mark.parametrize(
    ("text", "name", "op", "value"),
    [
        ('a="b"', "a", Op.EQUAL, "b"),
        ("  a  =  b  ", "a", Op.EQUAL, "b"),
        ("a!~b", "a", Op.NO_MATCH, "b"),
        ('a=""', "a", Op.EQUAL, ""),
        ('"门店 1"="上海"', "门店 1", Op.EQUAL, "上海"),
        ("门店=上海", "门店", Op.EQUAL, "上海"),
        (r'a="say \"hi\"\t\u4e0a\x41\101"', "a", Op.EQUAL, 'say "hi"\t上AA'),
        (r'a=~"10\\.0\\..*"', "a", Op.MATCH, r"10\.0\..*"),
        ("node.name=x-1_y:2/3", "node.name", Op.EQUAL, "x-1_y:2/3"),
        ('a="{},=!~"', "a", Op.EQUAL, "{},=!~"),
    ],
)
def test_text_is_read(text: str, name: str, op: Op, value: str) -> None:
    (matcher,) = parse_matchers(text)
    assert (matcher.name, matcher.op, matcher.value) == (name, op, value)


def test_several_matchers_in_one_text() -> None:
    for text in ('{a="b",c=~"d"}', 'a="b", c=~"d"', "{ a=b , c=~d , }"):
        assert [str(each) for each in parse_matchers(text)] == ['a="b"', 'c=~"d"']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no matcher"),
        ("{}", "no matcher"),
        ("a", "=, !=, =~ or !~ is missing"),
        ("a=", "value is missing"),
        ('="b"', "name is missing"),
        ('""="b"', "empty"),
        ('a="b', "not closed"),
        ('{a="b"', "brace is not closed"),
        ('a="b"}', "does not belong"),
        ('a="b" c="d"', "does not belong"),
        (r'a="\d"', "is no escape"),
        (r'a="\ud800"', "is no character"),
        ("a=b c", "does not belong"),
        ('a=~"["', "no regular expression"),
        (r'a=~"(a)\\1"', "not known to both"),
        ('a=~"(?=b)c"', "not known to both"),
        ('a=~"[[:alpha:]]+"', "not known to both"),
        ("a=~b|c'", "does not belong"),
        ("a==b", "value is missing"),
    ],
)
def test_what_is_no_matcher_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_matchers(text)


@given(
    name=st.text(min_size=1, max_size=12).filter(lambda text: "\x00" not in text),
    value=st.text(max_size=20),
    op=st.sampled_from((Op.EQUAL, Op.NOT_EQUAL)),
)
def test_a_matcher_reads_back_what_it_writes(name: str, value: str, op: Op) -> None:
    matcher = Matcher(name=name, op=op, value=value)
    assert parse_matchers(str(matcher)) == (matcher,)
