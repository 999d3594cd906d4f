# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of ansible-rulebook as label matchers, as far as both can say the same.

A condition becomes "one of these lists of matchers" (``or`` of ``and``). Where the two differ for a
label that the alert does not have, ours asks for the label: a rule that answers less is the safe
mistake. What matchers cannot say (numbers, lists, several events, other parts of the event) is
refused with its reason, never bent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from storewarden.domain.healing.matcher import Matcher, Op

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?\b)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<sign><<|==|!=|<=|>=|[<>()\[\],.=+*/-]))"""
)
_MOST = 16  # alternatives of one condition; more is a table, not a condition

type Way = tuple[Matcher, ...]
"""Matchers that must all match."""


class NotSimple(Exception):
    """It cannot be said with matchers; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Any of ``any_of`` is enough; an empty way matches everything. ``notes`` say what differs."""

    any_of: tuple[Way, ...]
    notes: tuple[str, ...] = ()


def ways_of(condition: object) -> Ways:
    """The ways of a ``condition`` of a rulebook. Raises NotSimple."""
    if condition is True:
        return Ways(any_of=((),))
    if isinstance(condition, str):
        return _parsed(condition)
    if isinstance(condition, dict) and len(condition) == 1:
        ((word, parts),) = condition.items()
        if word in ("any", "all") and isinstance(parts, list):
            return _several(str(word), parts)
    raise NotSimple("it waits for several events, which one alert cannot answer")


def _several(word: str, parts: list[object]) -> Ways:
    if word == "all" and len(parts) > 1:
        raise NotSimple("it joins several events (all), which one alert cannot answer")
    if not all(isinstance(each, str) for each in parts) or not parts:
        raise NotSimple(f"{word} must hold conditions")
    found = [_parsed(str(each)) for each in parts]
    ways = tuple(way for each in found for way in each.any_of)
    return Ways(any_of=_few(ways), notes=tuple(note for each in found for note in each.notes))


def _parsed(text: str) -> Ways:
    reader = _Reader(tokens=_tokens(text))
    tree = reader.either()
    if reader.peek() != "":
        raise NotSimple(f"{reader.peek()} cannot be said here: {text}")
    ways = _few(tuple(_joined(_folded(tree.ways(negated=False)))))
    return Ways(any_of=ways, notes=tuple(dict.fromkeys(reader.notes)))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = list[tuple[str, str]](), 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotSimple(f"cannot be read at character {place + 1}: {text}")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        place = match.end()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """One comparison: what it says, and what its contrary says."""

    yes: Way
    no: tuple[Way, ...]

    def ways(self, *, negated: bool) -> tuple[Way, ...]:
        return self.no if negated else (self.yes,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Always:
    """The alert fires: that is so for every alert that a rule is asked about."""

    true: bool

    def ways(self, *, negated: bool) -> tuple[Way, ...]:
        return ((),) if self.true is not negated else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """``and``, ``or`` and ``not`` over comparisons."""

    word: str
    parts: tuple[_Tree | _Test | _Always, ...]

    def ways(self, *, negated: bool) -> tuple[Way, ...]:
        if self.word == "not":
            return self.parts[0].ways(negated=not negated)
        inner = [each.ways(negated=negated) for each in self.parts]
        if (self.word == "or") is not negated:
            return _few(tuple(way for each in inner for way in each))
        made: tuple[Way, ...] = ((),)
        for each in inner:
            made = _few(tuple((*left, *right) for left in made for right in each))
        return made


def _few(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    if len(ways) > _MOST:
        raise NotSimple(f"it has more than {_MOST} alternatives")
    return ways


def _folded(ways: Sequence[Way]) -> list[Way]:
    """Without repetitions within a way, and without ways that say the same."""
    return list(dict.fromkeys(tuple(dict.fromkeys(way)) for way in ways))


def _joined(ways: list[Way]) -> list[Way]:
    """``a == "x" or a == "y"`` is one matcher, not two rules."""
    single = len(ways) > 1 and all(len(way) == 1 and way[0].op is Op.EQUAL for way in ways)
    if not single or len({way[0].name for way in ways}) != 1:
        return ways
    values = "|".join(re.escape(way[0].value) for way in ways)
    return [(Matcher(name=ways[0][0].name, op=Op.MATCH, value=values),)]


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads the tokens of one condition: ``or`` binds least, ``not`` most."""

    tokens: list[tuple[str, str]]
    place: int = 0
    notes: list[str] = field(default_factory=list)

    def peek(self) -> str:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else "end"

    def next(self) -> str:
        found = self.peek()
        self.place += 1
        return found

    def take(self, *words: str) -> bool:
        ahead = tuple(each[1] for each in self.tokens[self.place : self.place + len(words)])
        self.place += len(words) if ahead == words else 0
        return ahead == words

    def need(self, word: str) -> None:
        if not self.take(word):
            raise NotSimple(f"{word} is missing before {self.peek() or 'the end'}")

    def either(self) -> _Tree:
        parts: list[_Tree | _Test | _Always] = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        return _Tree(word="or", parts=tuple(parts))

    def both(self) -> _Tree:
        parts = [self.single()]
        while self.take("and"):
            parts.append(self.single())
        return _Tree(word="and", parts=tuple(parts))

    def single(self) -> _Tree | _Test | _Always:
        if self.take("not"):
            return _Tree(word="not", parts=(self.single(),))
        if self.take("("):
            inner = self.either()
            self.need(")")
            return inner
        return self.test()

    def test(self) -> _Test | _Always:
        path = self.path()
        if path == ("event", "alert", "status"):
            return self.status()
        if path[:3] != ("event", "alert", "labels") or len(path) != 4:
            where = ".".join(path)
            raise NotSimple(f"{where}: only event.alert.labels.<label> is known to a rule")
        return self.compared(path[3])

    def path(self) -> tuple[str, ...]:
        if self.kind() != "word":
            raise NotSimple(f"{self.peek() or 'the end'} stands where event.alert is expected")
        found = [self.next()]
        while True:
            if self.take("."):
                found.append(self.next())
            elif self.take("["):
                found.append(self.text())
                self.need("]")
            else:
                break
        if self.peek() == "<<":
            raise NotSimple("it keeps an event under a name (<<), which one alert cannot answer")
        return tuple(found)

    def status(self) -> _Always:
        sign = self.next()
        value = self.text()
        if sign not in ("==", "!=") or value not in ("firing", "resolved"):
            raise NotSimple("event.alert.status can only be compared with firing or resolved")
        return _Always(true=(value == "firing") is (sign == "=="))

    def compared(self, label: str) -> _Test:
        if self.take("=="):
            return _equal(label, self.value(label))
        if self.take("!="):
            return self.turned(label, _equal(label, self.value(label)))
        if self.take("not", "in"):
            return self.turned(label, self.member(label))
        if self.take("in"):
            return self.member(label)
        if self.take("is"):
            return self.tested(label)
        raise NotSimple(f"{label}: {self.peek() or 'the end'} cannot be said with a matcher")

    def tested(self, label: str) -> _Test:
        negated = self.take("not")
        if self.take("defined"):
            there = Matcher(name=label, op=Op.NOT_EQUAL, value="")
            gone = Matcher(name=label, op=Op.EQUAL, value="")
            made = _Test(yes=(there,), no=((gone,),))
            return _Test(yes=(gone,), no=((there,),)) if negated else made
        word = self.next()
        if word not in ("match", "search", "regex"):
            raise NotSimple(f"{label}: the test {word} is not known")
        made = self.pattern(label, word)
        return self.turned(label, made) if negated else made

    def pattern(self, label: str, word: str) -> _Test:
        self.need("(")
        text, flags = self.text(), ""
        while self.take(","):
            flags += self.flag(label)
        self.need(")")
        inner = f"(?{flags}:{text})"
        value = f"{inner}(?s:.*)" if word == "match" else f"(?s:.*){inner}(?s:.*)"
        return _test(label, Op.MATCH, value)

    def flag(self, label: str) -> str:
        name = self.next()
        self.need("=")
        value = self.next().lower()
        if name != "ignorecase" or value not in ("true", "false"):
            raise NotSimple(f"{label}: the option {name} of a regular expression is not known")
        return "i" if value == "true" else ""

    def turned(self, label: str, test: _Test) -> _Test:
        """The contrary, for labels that are there."""
        self.notes.append(f"{label}: an alert without this label is not matched")
        return _Test(yes=test.no[0], no=(test.yes,))

    def member(self, label: str) -> _Test:
        self.need("[")
        values = [self.value(label)]
        while self.take(","):
            values.append(self.value(label))
        self.need("]")
        return _test(label, Op.MATCH, "|".join(re.escape(each) for each in values))

    def value(self, label: str) -> str:
        if self.kind() != "text":
            raise NotSimple(f"{label}: labels are texts, {self.peek() or 'nothing'} is none")
        return self.text()

    def text(self) -> str:
        if self.kind() != "text":
            raise NotSimple(f"{self.peek() or 'the end'} stands where a text in quotes is expected")
        return re.sub(r"\\([\\'\"])", r"\1", self.next()[1:-1])


def _equal(label: str, value: str) -> _Test:
    return _test(label, Op.EQUAL, value)


def _test(label: str, op: Op, value: str) -> _Test:
    contrary = Op.NOT_EQUAL if op is Op.EQUAL else Op.NO_MATCH
    try:
        yes = Matcher(name=label, op=op, value=value)
        other = Matcher(name=label, op=contrary, value=value)
    except ValueError as error:
        raise NotSimple(f"{label}: {error}") from None
    there = Matcher(name=label, op=Op.NOT_EQUAL, value="")
    needs = () if yes.matches({}) is False else (there,)
    return _Test(yes=(yes, *needs), no=((other, there),))
