# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: a change from asking to closing, on record here and in a real ticket system.
if may_have_lab; then need_lab; else site; fi

say "Chapter: change."
need_service

say "Wei asks for a change."
TARGET=localhost
LIMIT="--local"
[ "$LAB" = none ] || { TARGET='*000101*'; LIMIT="--limit *000101*"; }
if [ "$LAB" = none ]; then
    note "(without lab hosts there is no estate to name, so this part ends here)"
else
    show storewarden change new --token-file "$WORK/wei.token" \
        --summary "Baseline audit of store 000101 before hardening" \
        --kind standard --risk low --operation audit --host "$TARGET" \
        --reason "The regional office asked for a figure" \
        --plan "Audit all machines of the store; attach the report" \
        --rollback "Nothing to take back: nothing is written" \
        --rollback-when "a till becomes slow" --rollback-by wei
    NUMBER=$(storewarden change list --json --limit 1 --token-file "$WORK/wei.token" |
        python -c 'import json, sys; print(json.load(sys.stdin)["changes"][0]["number"])')

    say "Wei tries to approve it himself, and to begin without approval. Both are refused, and recorded."
    tell_refused storewarden change approve "$NUMBER" --token-file "$WORK/wei.token"
    tell_refused storewarden change start "$NUMBER" --token-file "$WORK/wei.token"

    say "Na approves it with her own token; then the work may begin."
    show storewarden change approve "$NUMBER" --token-file "$WORK/na.token" --comment "Reading only: fine at any hour"
    show storewarden change start "$NUMBER" --token-file "$WORK/wei.token"

    say "The work itself: an audit. Its report is attached to the change as evidence."
    tell storewarden audit $LIMIT --quiet --change "$NUMBER" --token-file "$WORK/wei.token" --output "$WORK/store.txt"
    show storewarden change finish "$NUMBER" --token-file "$WORK/wei.token"
    show storewarden change close "$NUMBER" --outcome successful --reason "figure delivered" --token-file "$WORK/wei.token"
    show storewarden change show "$NUMBER" --token-file "$WORK/na.token"

    say "And Roundup has all of it, in order, without anybody waiting for it. Read back from Roundup itself:"
    show python tools/show_ticket.py "$WORK/tickets.yml" "$NUMBER"

    say "The journal still fits together, the refused attempts included."
    tell storewarden ledger verify
fi
