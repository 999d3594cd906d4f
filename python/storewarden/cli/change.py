# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden change``: asking, approving, working, closing.

Whoever changes something goes through the running service with their own token, because
two administrators under sudo are both root. Each call has a key of its own, so that a call
that broke off may be made again with the same ``--key`` without doing anything twice.
"""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import Annotated

import typer

from storewarden.cli.change_call import (
    Call,
    Look,
    Number,
    Reason,
    new_key,
    refusals_in,
    say_done,
    show_json,
    style_of,
    write,
)
from storewarden.cli.change_draft import minutes
from storewarden.cli.change_month import report
from storewarden.cli.change_new import new, plan
from storewarden.cli.change_override import override
from storewarden.cli.change_show import change_lines, debt_lines, row_lines
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.options import site_config
from storewarden.domain.change.plain import typed
from storewarden.domain.change.record import DebtKind, EvidenceKind, Outcome, State
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.change_desk import LARGEST_DOCUMENT

change = typer.Typer(help="Changes: who asked, who allowed it, and how it ended.")
change.command()(new)
change.command()(plan)
change.command()(override)
change.command()(report)

StateOption = Annotated[
    list[State] | None, typer.Option("--state", help="Only in this state; may be given again.")
]
HostOption = Annotated[str, typer.Option("--host", metavar="NAME", help="Only touching this host.")]
Mine = Annotated[bool, typer.Option("--mine", help="Yours, and those that wait for your yes.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]
Overdue = Annotated[bool, typer.Option("--overdue", help="Only those past their time.")]
Left = Annotated[
    list[str] | None,
    typer.Option("--left", metavar="HOST", help="Neither changed nor restored; again for more."),
]


@change.callback()
def _group() -> None:
    """Changes: who asked, who allowed it, and how it ended."""


@change.command(name="list")
@gathered
def list_changes(
    *,
    state: StateOption = None,
    host: HostOption = "",
    mine: Mine = False,
    limit: Limit = 200,
    look: Look,
) -> int:
    """List changes, newest first."""
    from storewarden.wiring.service import change_reader  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(look.config)
    with change_reader(settings, os.environ, look.token_file) as reader:
        rows = reader.rows(states=tuple(state or ()), host=host, mine=mine, limit=limit)
    if look.as_json:
        show_json({"changes": rows})
    else:
        typer.echo("\n".join(row_lines(rows, style_of(settings, look.lang))))
    return Exit.FINE


@change.command()
@gathered
def show(number: Number, *, look: Look) -> int:
    """Show one change with everything that happened to it."""
    from storewarden.wiring.service import change_reader  # noqa: PLC0415

    settings = site_config(look.config)
    with change_reader(settings, os.environ, look.token_file) as reader:
        found, history = reader.whole(number), reader.history(number)
    if look.as_json:
        show_json({**found, "history": history})
        return Exit.FINE
    style = style_of(settings, look.lang)
    lines = change_lines(typed(found["change"]), found["waits_for"], history, style)
    typer.echo("\n".join(lines))
    return Exit.FINE


@change.command()
@gathered
def debts(*, overdue: Overdue = False, look: Look) -> int:
    """List what is still owed; 1 when something is past its time."""
    from storewarden.wiring.service import change_reader  # noqa: PLC0415

    settings = site_config(look.config)
    with change_reader(settings, os.environ, look.token_file) as reader:
        found = reader.debts(overdue=overdue)
    if look.as_json:
        show_json({"debts": found})
    else:
        typer.echo("\n".join(debt_lines(found, style_of(settings, look.lang))))
    return Exit.BELOW if any(debt["overdue"] for debt in found) else Exit.FINE


@change.command()
@gathered
def approve(
    number: Number,
    *,
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="A word.")] = "",
    call: Call,
) -> int:
    """Say yes, with your own name. Nobody approves their own change."""
    return write(call, f"/changes/{number}/approve", {"comment": comment})


@change.command()
@gathered
def reject(number: Number, *, reason: Reason, call: Call) -> int:
    """Say no, for a reason."""
    return write(call, f"/changes/{number}/reject", {"reason": reason})


@change.command()
@gathered
def cancel(number: Number, *, reason: Reason, call: Call) -> int:
    """Withdraw a change before anything was done."""
    return write(call, f"/changes/{number}/cancel", {"reason": reason})


@change.command()
@gathered
def start(
    number: Number,
    *,
    needs: Annotated[
        str,
        typer.Option("--needs", metavar="40m", help="It must fit before windows close, undo too."),
    ] = "",
    call: Call,
) -> int:
    """Begin the work: inside its window, approved. An emergency acts first and owes the rest."""
    body = {"needs_minutes": minutes(needs)} if needs else {}
    return write(call, f"/changes/{number}/start", body)


@change.command()
@gathered
def pause(number: Number, *, reason: Reason, call: Call) -> int:
    """Stop before the next step: something is odd."""
    return write(call, f"/changes/{number}/pause", {"reason": reason})


@change.command()
@gathered
def resume(number: Number, *, reason: Reason = "", call: Call) -> int:
    """Go on: you have looked."""
    return write(call, f"/changes/{number}/resume", {"reason": reason})


@change.command()
@gathered
def step(
    number: Number,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key step.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="You looked at what another person did.")
    ] = False,
    call: Call,
) -> int:
    """Say that a key step is done, or that you have checked it."""
    return write(call, f"/changes/{number}/step-{'check' if check else 'done'}", {"step": name})


@change.command()
@gathered
def finish(
    number: Number,
    *,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="A last word.")] = "",
    call: Call,
) -> int:
    """Say that the work has ended; its outcome comes with close."""
    return write(call, f"/changes/{number}/finish", {"note": note})


@change.command()
@gathered
def note(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="For the record.")],
    *,
    call: Call,
) -> int:
    """Write something down."""
    return write(call, f"/changes/{number}/note", {"text": text})


@change.command()
@gathered
def attach(
    number: Number,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document.")],
    *,
    kind: Annotated[EvidenceKind, typer.Option("--kind", help="What it proves.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="One line.")] = "",
    call: Call,
) -> int:
    """Attach a document as evidence: a test's result, an audit's report."""
    from storewarden.wiring.service import service  # noqa: PLC0415

    settings = site_config(call.config)
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_DOCUMENT + 1)  # a device has no end
    except OSError as error:
        raise ConfigInvalid(
            f"cannot be read: {(error.strerror or str(error)).lower()}", where=str(file)
        ) from error
    if not 0 < len(content) <= LARGEST_DOCUMENT:
        raise ConfigInvalid(
            "is empty or too large", where=str(file), hint=f"1-{LARGEST_DOCUMENT} bytes"
        )
    media = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    about = {"name": file.name, "kind": kind.value, "note": note}
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        path = f"/changes/{number}/evidence"
        say_done(
            client.deliver(path, content, media, call.key or new_key(), **about), settings, call
        )
    return Exit.FINE


@change.command()
@gathered
def close(
    number: Number,
    *,
    outcome: Annotated[Outcome, typer.Option("--outcome", help="How it ended.")],
    reason: Reason = "",
    left: Left = None,
    call: Call,
) -> int:
    """End a change with its outcome; what is left behind becomes a debt."""
    body = {"outcome": outcome.value, "reason": reason, "left": left or []}
    return write(call, f"/changes/{number}/close", body)


@change.command()
@gathered
def settle(
    number: Number,
    debt: Annotated[DebtKind, typer.Argument(metavar="DEBT", help="paperwork or items.")],
    *,
    what: Annotated[str, typer.Option("--what", metavar="TEXT", help="How it was paid.")],
    call: Call,
) -> int:
    """Pay a debt. Approvals are paid by approving, tests by attaching the result."""
    return write(call, f"/changes/{number}/settle", {"debt": debt.value, "what": what})
