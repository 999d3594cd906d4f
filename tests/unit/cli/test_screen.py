# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture on a terminal: in its place, in one write, and gone without a trace."""

from __future__ import annotations

from io import StringIO

from storewarden.cli.screen import Screen


def test_the_terminal_is_given_back_whatever_happens() -> None:
    stream = StringIO()
    try:
        with Screen(stream) as screen:
            screen.draw("one\n")
            raise RuntimeError
    except RuntimeError:
        pass
    assert stream.getvalue().startswith("\x1b[?1049h\x1b[?25l")
    assert stream.getvalue().endswith("\x1b[?25h\x1b[?1049l")


def test_a_line_is_emptied_before_it_is_written_and_what_stood_below_goes() -> None:
    stream = StringIO()
    screen = Screen(stream)
    screen.draw("one\ntwo\n")
    assert stream.getvalue() == "\x1b[H\x1b[Kone\n\x1b[Ktwo\n\x1b[J"


def test_the_same_picture_is_not_sent_again() -> None:
    stream = StringIO()
    screen = Screen(stream)
    for text in ("one", "one", "two"):
        screen.draw(text)
    assert stream.getvalue().count("\x1b[H") == 2


def test_a_picture_that_is_too_high_does_not_scroll() -> None:
    stream = StringIO()
    screen = Screen(stream)
    lines = screen.size[1]
    screen.draw("\n".join(str(n) for n in range(lines + 5)))
    assert stream.getvalue().count("\n") == lines - 1
