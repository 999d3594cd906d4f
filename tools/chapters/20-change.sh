# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: a change from asking to closing, on record here and in a real ticket system.
SERVED=""
TRACKED=""

end_servers() {
    [ -z "$SERVED" ] || kill -TERM "$SERVED" 2>/dev/null || true
    [ -z "$TRACKED" ] || kill -TERM "$TRACKED" 2>/dev/null || true
    wait $SERVED $TRACKED 2>/dev/null || true
    SERVED=""
    TRACKED=""
}
before_end end_servers

wait_for() { # a file, and the seconds to wait for it
    left=$(($2 * 5))
    until [ -s "$1" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { note "$1 did not come"; exit 5; }
        sleep 0.2
    done
}

if may_have_lab; then need_lab; else site; fi

say "Chapter: change. First a ticket system: a real Roundup, as the head office would run one."
mkdir -p "$WORK/tracker"
python -m tests.servers.roundup "$WORK/tracker" >"$WORK/tickets.yml" 2>"$WORK/tracker.log" &
TRACKED=$!
wait_for "$WORK/tickets.yml" 60
sleep 1
TICKETS_URL=$(sed -n 's/^url: //p' "$WORK/tickets.yml")
note "  Roundup answers at $TICKETS_URL"

say "Who may ask, and who may say yes: the people file. Wei asks; Na heads the department."
cat >"$WORK/people.yml" <<'PEOPLE'
people:
  wei:
    name: 王伟
    roles: [operator]
  na:
    name: 李娜
    roles: [department_head]
PEOPLE
cat "$WORK/people.yml"
{
    printf 'tickets:\n'
    sed 's/^/  /' "$WORK/tickets.yml"
    printf 'people:\n  file: people.yml\n'
    printf 'controller:\n  listen: 127.0.0.1:0\n'
} >>"$STOREWARDEN_CONFIG"
for name in wei na; do
    show storewarden person token "$name" --output "$WORK/$name.token"
done

say "The controller: API, tickets, reminders. It is one process; killing it loses nothing."
storewarden serve >"$WORK/serve.out" 2>"$WORK/serve.log" &
SERVED=$!
wait_for "$WORK/serve.out" 60
cat "$WORK/serve.out"

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
end_servers
