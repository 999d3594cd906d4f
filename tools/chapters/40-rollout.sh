# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: a good version goes through the waves; a bad one is caught at the canary and taken back by itself.

rollout_site() { # the back offices are closed for stocktaking, so that the tour does not have to wait for the night
    mkdir -p "$WORK/windows" "$WORK/estate"
    cat >"$WORK/windows/stocktaking.yml" <<'WINDOW'
windows:
  - name: stocktaking
    rule: FREQ=DAILY
    starts: "00:00"
    ends: "24:00"
    operations: [pos, configuration, patch]
WINDOW
    {
        printf 'all:\n  vars:\n    baseline_ssh_mgmt_nets: [10.213.0.0/16]\n'
        printf '    baseline_accounts_nopasswd_allowed: [ops]\n  hosts:\n'
        for host in $(lab status | awk '/^ *s0001/ {print $1}'); do
            printf '    %s: {sw_hours: closed}\n' "$host"
        done
    } >"$WORK/estate/closed.yml"
    sed -i "s|^inventory: .*|inventory: [\"$(lab inventory)\", \"$WORK/estate/closed.yml\"]|" "$STOREWARDEN_CONFIG"
    grep -q '^windows:' "$STOREWARDEN_CONFIG" ||
        printf 'windows:\n  windows_dir: "%s"\n' "$WORK/windows" >>"$STOREWARDEN_CONFIG"
}

rollout_file() { # version
    cat <<FILE
payload: packages
options:
  packages: [storewarden-demo-pos=$1]
roles: [store_server]
waves: [1 store, rest at once]
gates:
  - probe:
      probes: [{name: a sale, http: "http://{address}:8088/sell"}]
budgets: {region: 100%, single_consent: true}
FILE
}

approved_change() { # summary; prints nothing, sets NUMBER
    show storewarden change new --token-file "$WORK/wei.token" --summary "$1" \
        --kind standard --risk low --operation patch --host 's0001*-sv01' \
        --reason "New version of the till's back office" \
        --plan "storewarden rollout start: one store, then the rest" \
        --rollback "storewarden rollout rollback; by itself when a gate fails" \
        --rollback-when "a sale fails" --rollback-by wei
    NUMBER=$(storewarden change list --json --limit 1 --token-file "$WORK/wei.token" |
        python -c 'import json, sys; print(json.load(sys.stdin)["changes"][0]["number"])')
    show storewarden change approve "$NUMBER" --token-file "$WORK/na.token" --comment "During stocktaking"
}

versions() {
    for host in s000101-sv01 s000102-sv01 s000103-sv01; do
        note "  $host: $(lab exec "$host" -- /usr/lib/storewarden-demo-pos/till --version 2>/dev/null || echo "no till yet")"
    done
}

if ! may_have_lab; then
    say "No root and no sudo here, so there are no lab hosts to roll anything out to; this chapter is left out."
else
    need_lab
    say "Chapter: rollout."
    rollout_site
    need_fresh_service
    python tools/chapters/till_version.py "$STOREWARDEN_LAB_NAME" 2.0 200
    python tools/chapters/till_version.py "$STOREWARDEN_LAB_NAME" 2.1 500

    say "Version 2.0 of the till's back office, as a Debian package. What would happen, store by store, and when?"
    rollout_file 2.0 >"$WORK/good.yml"
    cat "$WORK/good.yml"
    approved_change "Back office 2.0"
    tell storewarden rollout plan "$WORK/good.yml" --change "$NUMBER" --soak 5s

    say "Start it. (A real soak of packages is 24 hours; the tour watches each wave for 5 seconds.)"
    show storewarden rollout start "$WORK/good.yml" --change "$NUMBER" --soak 5s --token-file "$WORK/wei.token"
    tell storewarden rollout watch "$NUMBER-R1"
    versions

    say "Version 2.1 installs well and its service runs, but it cannot sell. Nobody is told; the canary has to show it."
    rollout_file 2.1 >"$WORK/bad.yml"
    approved_change "Back office 2.1"
    show storewarden rollout start "$WORK/bad.yml" --change "$NUMBER" --soak 5s --token-file "$WORK/wei.token"
    tell storewarden rollout watch "$NUMBER-R1"

    say "The gate failed at the first store, and the rollout went back by itself. Two stores never saw the version:"
    versions
    tell storewarden rollout status "$NUMBER-R1"

    say "The whole story, with its times, is on the ticket. Read back from Roundup itself:"
    sleep 2
    show python tools/show_ticket.py "$WORK/tickets.yml" "$NUMBER"
fi
