# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: a till's service dies and is repaired, with an incident that closes by itself; that earns the action mode auto, and the next
# one is repaired without a person; then ten stores at once, and nothing is touched.
WATCHING=""
end_watching() {
    [ -z "$WATCHING" ] || kill -TERM "$WATCHING" 2>/dev/null || true
    [ -z "$WATCHING" ] || wait "$WATCHING" 2>/dev/null || true
    WATCHING=""
}
before_end end_watching

# All in the store that chapter harden has left alone: a firewall lets no new exporter be asked.
POS_BROKEN=s000101-pos01
POS_ALONE=s000101-pos03
POS_STORM=s000101-pos02
HEAL_MONITORING=$WORK/monitoring

pos_service() { # host: the till's program, as a unit of systemd
    lab exec --root "$1" -- "printf '[Service]\nExecStart=/usr/bin/python3 -m http.server 8099 --bind 127.0.0.1 --directory /srv\n[Install]\nWantedBy=multi-user.target\n' \
        > /etc/systemd/system/pos-till.service; systemctl daemon-reload; systemctl enable -q --now pos-till"
}

heal_monitoring() { # a real Prometheus, Alertmanager and node_exporter on the three tills
    mkdir -p "$HEAL_MONITORING"
    python -m tests.servers.monitoring "$HEAL_MONITORING" "$POS_BROKEN" "$POS_ALONE" "$POS_STORM" >"$WORK/monitoring.yml" 2>"$WORK/monitoring.log" &
    WATCHING=$!
    left=300
    until grep -q '^alertmanager: ' "$WORK/monitoring.yml"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] && kill -0 "$WATCHING" || { cat "$WORK/monitoring.log"; exit 5; }
        sleep 0.2
    done
    ALERTMANAGER=$(sed -n 's/^alertmanager: //p' "$WORK/monitoring.yml")
    cat "$WORK/monitoring.yml"
}

heal_site() { # nine more stores, which only the inventory knows; who may send alerts; what may be done about them
    mkdir -p "$WORK/estate"
    {
        printf 'all:\n  hosts:\n'
        for store in 000201 000202 000203 000204 000205 000206 000207 000208 000209; do
            printf '    s%s-pos01: {ansible_host: 192.0.2.%s, sw_store: "%s", sw_region: east, sw_role: pos, sw_ci: POS-%s-01, sw_tier: ordinary, sw_tz: Asia/Shanghai}\n' \
                "$store" "${store#0002}" "$store" "$store"
        done
    } >"$WORK/estate/more-stores.yml"
    sed -i "s|^inventory: \(.*\)\]|inventory: \1, \"$WORK/estate/more-stores.yml\"]|" "$STOREWARDEN_CONFIG"
    (umask 077; python -c 'import secrets; print(secrets.token_urlsafe(24), end="")' >"$WORK/hook-token")
    cat >>"$STOREWARDEN_CONFIG" <<SETTINGS
healing:
  rules: "$ROOT/packaging/prometheus/heal-rules.yml"
  sources:
    shop:
      kind: alertmanager
      auth: {type: bearer, secrets: ["file:$WORK/hook-token"]}
      poll: {url: "$ALERTMANAGER", receiver: storewarden, every_seconds: 10}
  actions:
    service: {mode: approve}
  # One good run earns mode auto here; without a word it is twenty. Three of a store's four devices are no broken store.
  policy: {hold_down: 10, poll: 5, promotion_runs: 1, fault_hosts: 4}
SETTINGS
}

heal_allowed() { # the standing change that every repair of this kind belongs to
    show storewarden change new --token-file "$WORK/wei.token" --summary "Restart a till's service that has failed" \
        --kind standard --risk low --operation service-recovery --host 's*-pos0*' \
        --standing "heal service" --until "$(date -u -d '+30 days' +%Y-%m-%d)" \
        --reason "A till must sell" --plan "storewarden.ops.heal, action service" \
        --rollback "Nothing to take back: a service is started" --rollback-when "it does not stay up" --rollback-by wei
    NUMBER=$(storewarden change list --json --limit 1 --token-file "$WORK/wei.token" |
        python -c 'import json, sys; print(json.load(sys.stdin)["changes"][0]["number"])')
    show storewarden change approve "$NUMBER" --token-file "$WORK/na.token" --comment "For tills"
}

heal_hook() { # where Alertmanager sends its alerts: the controller's address is another one after each start
    URL=$(sed -n 's/.* listens on \([^ ]*\).*/\1/p' "$WORK/serve.out")
    printf '%s/hooks/shop\n%s\n' "$URL" "$(cat "$WORK/hook-token")" >"$HEAL_MONITORING/hook.new"
    mv "$HEAL_MONITORING/hook.new" "$HEAL_MONITORING/hook"
}

alert_at() { # host and a stage that its newest alert comes to; prints its key
    left=600
    while :; do
        key=$(storewarden heal history --json | python -c '
import json, sys
host, stages = sys.argv[1], sys.argv[2].split(",")
for one in json.load(sys.stdin):
    if one["labels"].get("host") == host and one["stage"] in stages:
        print(one["key"][:12])
        break
' "$1" "$2")
        [ -z "$key" ] || break
        left=$((left - 1))
        [ "$left" -gt 0 ] || { storewarden heal history >&2; exit 5; }
        sleep 0.2
    done
    printf '%s' "$key"
}

incident_of() { # newest incident of storms, or of anything else; prints its number
    left=300
    until number=$(storewarden incident list --all --json | python -c '
import json, sys
storm = sys.argv[1] == "storm"
found = [one["number"] for one in json.load(sys.stdin)["incidents"] if one["name"].startswith("storm:") is storm]
print(found[0])
' "$1" 2>/dev/null); do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { storewarden incident list --all >&2; exit 5; }
        sleep 0.2
    done
    printf '%s' "$number"
}

if ! may_have_lab; then
    say "No root and no sudo here, so there are no lab hosts to break; this chapter is left out."
elif ! python -c 'from tests.servers.monitoring import exporter, tools; import sys; sys.exit(not (tools() and exporter("node")))'; then
    say "Prometheus and its exporters cannot be had from Debian's packages here; this chapter is left out."
else
    need_lab
    say "Chapter: heal."
    say "Real Prometheus, Alertmanager and node_exporter, with the alert rules that storewarden ships:"
    for host in "$POS_BROKEN" "$POS_ALONE" "$POS_STORM"; do pos_service "$host"; done
    heal_monitoring
    heal_site
    need_fresh_service
    heal_allowed
    heal_hook

    say "The till's service at store 000101 dies."
    show lab exec --root "$POS_BROKEN" -- "systemctl kill -s KILL pos-till; sleep 0.5; systemctl is-active pos-till || date -u +%H:%M:%S"
    say "Monitoring sees it and sends an alert. The action has no record yet, so it asks a person first; Na says yes."
    KEY=$(alert_at "$POS_BROKEN" asking)
    show storewarden heal approve "$KEY" --token-file "$WORK/na.token"
    alert_at "$POS_BROKEN" healed >/dev/null
    show storewarden heal history "$KEY"
    show lab exec "$POS_BROKEN" -- systemctl is-active pos-till

    say "What people see of it: one incident with its clocks, and its ticket in Roundup itself."
    INCIDENT=$(incident_of other)
    show storewarden incident show "$INCIDENT"
    show python tools/show_ticket.py "$WORK/tickets.yml" "$INCIDENT" open

    say "That run was verified. Here one is enough to earn mode auto; a person sets it, nothing does by itself."
    show storewarden heal statistics
    sed -i 's/    service: {mode: approve}/    service: {mode: auto}/' "$STOREWARDEN_CONFIG"
    show grep -A 1 '^  actions:' "$STOREWARDEN_CONFIG"
    need_fresh_service
    heal_hook
    say "Another till's service dies. Nobody is asked this time."
    show lab exec --root "$POS_ALONE" -- "systemctl kill -s KILL pos-till; sleep 0.5; systemctl is-active pos-till || date -u +%H:%M:%S"
    KEY=$(alert_at "$POS_ALONE" healed)
    show storewarden heal history "$KEY"
    if storewarden heal history "$KEY" | grep -q 'decided: ask\|granted'; then
        note "Somebody was asked"
        exit 5
    fi
    show lab exec "$POS_ALONE" -- systemctl is-active pos-till

    say "Now ten stores at once: another till of store 000101 really dies, and nine other stores report the same in that minute."
    lab exec --root "$POS_STORM" -- "systemctl kill -s KILL pos-till"
    show python tools/chapters/broken_stores.py "$ALERTMANAGER" "$POS_STORM" \
        s000201-pos01 s000202-pos01 s000203-pos01 s000204-pos01 s000205-pos01 s000206-pos01 s000207-pos01 s000208-pos01 s000209-pos01
    for host in "$POS_STORM" s000201-pos01 s000205-pos01 s000209-pos01; do alert_at "$host" asking >/dev/null; done
    say "Ten broken tills in one minute are no ten broken tills. Also in mode auto nothing is repaired, and people are called once:"
    show storewarden heal history
    tell storewarden incident list
    STORM=$(incident_of storm)
    show storewarden incident show "$STORM"
    show python tools/show_ticket.py "$WORK/tickets.yml" "$STORM" open
    note "Repairs until now: $(storewarden heal history --json | python -c 'import json, sys; print(len({one["repair"] for one in json.load(sys.stdin)} - {""}))'), the one that Na allowed and the one that needed nobody. That till of store 000101 is as it was:"
    show lab exec "$POS_STORM" -- "systemctl is-active pos-till || true"
    end_watching
fi
