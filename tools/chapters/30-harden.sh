# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: harden machines of two stores on a change; then a change that locks everybody out, and a host that saves itself.
HARDENED="s000102-sv01:s000102-pos01:s000103-pos01" # three of eight: the tour is short

harden_site() { # two stores are closed for stocktaking, so work on their tills is allowed at any hour of the tour
    mkdir -p "$WORK/windows" "$WORK/estate"
    cat >"$WORK/windows/stocktaking.yml" <<'WINDOW'
windows:
  - name: stocktaking
    rule: FREQ=DAILY
    starts: "00:00"
    ends: "24:00"
    operations: [pos, configuration]
WINDOW
    cat >"$WORK/estate/closed.yml" <<'CLOSED'
all:
  vars: # what a site says about itself: where administration comes from, who may use sudo without a password
    baseline_ssh_mgmt_nets: [10.213.0.0/16]
    baseline_accounts_nopasswd_allowed: [ops]
  hosts:
CLOSED
    for host in $(lab status | awk '/^ *s00010[23]-/ {print $1}'); do
        printf '    %s: {sw_hours: closed}\n' "$host" >>"$WORK/estate/closed.yml"
    done
    sed -i "s|^inventory: .*|inventory: [\"$(lab inventory)\", \"$WORK/estate/closed.yml\"]|" "$STOREWARDEN_CONFIG"
    printf 'windows:\n  windows_dir: "%s"\n' "$WORK/windows" >>"$STOREWARDEN_CONFIG"
}

if ! may_have_lab; then
    say "No root and no sudo here, so there are no lab hosts to harden; this chapter is left out."
else
    need_lab
    say "Chapter: harden."
    harden_site
    need_fresh_service

    say "Two stores are closed for stocktaking. What would be fixed on a server and two tills, what would restart, what could lock us out?"
    tell storewarden harden plan --limit "$HARDENED" --quiet --output "$WORK/plan.txt"
    sed -n '1,30p' "$WORK/plan.txt"

    say "Wei asks for the change; two others must say yes, because the risk is medium."
    show storewarden change new --token-file "$WORK/wei.token" \
        --summary "Baseline of a server and two tills of stores 000102 and 000103" \
        --kind standard --risk medium --operation configuration --host "$HARDENED" \
        --reason "Below 95 % in the last audit" \
        --plan "storewarden harden start: group by group, each in a restore point" \
        --rollback "storewarden harden undo; a host that hears nothing undoes by itself" \
        --rollback-when "a till does not sell" --rollback-by wei
    NUMBER=$(storewarden change list --json --limit 1 --token-file "$WORK/wei.token" |
        python -c 'import json, sys; print(json.load(sys.stdin)["changes"][0]["number"])')
    show storewarden change approve "$NUMBER" --token-file "$WORK/jun.token" --comment "In the stocktaking window"
    show storewarden change approve "$NUMBER" --token-file "$WORK/min.token" --comment "Seen the plan"

    say "Harden: every apply group is captured, armed, applied, looked at through a new connection, confirmed."
    tell storewarden harden start --change "$NUMBER" --token-file "$WORK/wei.token" --output "$WORK/done.txt"
    sed -n '1,30p' "$WORK/done.txt"
    note "  ... (the first of three machines)"
    note "  These machines share one kernel: its audit daemon cannot run in them, and some of its settings"
    note "  are read-only. What cannot be fixed is taken back and named; everything else is done."

    say "Now a mistake: a change that closes sshd and the packet filter on one till, with 15 seconds to confirm."
    TILL=s000102-pos01
    ansible-playbook -i "$(lab inventory)" -l "$TILL" "$ROOT/tools/chapters/lock_out.yml" >"$WORK/lock_out.log" 2>&1 ||
        note "  (the play lost its host, as it must)"
    note "  $TILL is shut: nobody can log in, and nothing that the controller does could help it."
    until lab exec "$TILL" -- true 2>/dev/null; do
        printf '  still locked out ...\n'
        sleep 2
    done
    say "$TILL answers again. It undid the change by itself; its own record:"
    lab exec --root "$TILL" -- cat /var/lib/storewarden/restore/lock-out/record.json |
        python -c '
import json, sys
record = json.load(sys.stdin)
print("  outcome:  {outcome} ({reason})".format(**record))
print("  put back:", ", ".join(record["touched"]))
print("  from the deadline to restored: {overdue:.1f} s".format(**record))'

    say "And all that was hardened before can be taken back as well, newest first; the audit is as it was."
    tell storewarden harden undo --change "$NUMBER" --token-file "$WORK/wei.token" --output "$WORK/undone.txt"
    sed -n '1,16p' "$WORK/undone.txt"
fi
