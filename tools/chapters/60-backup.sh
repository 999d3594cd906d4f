# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: a till's sales are backed up in three places; a copy is damaged, a look finds it, the other copy is restored and proven.
STORING=""
end_storing() {
    [ -z "$STORING" ] || kill -TERM "$STORING" 2>/dev/null || true
    [ -z "$STORING" ] || wait "$STORING" 2>/dev/null || true
    STORING=""
}
before_end end_storing

TILL=s000101-pos03
HUB=s000102-sv01
PLACES=$WORK/places

till_sells() { # a database of sales, and a program that goes on selling
    lab exec --root "$TILL" -- 'mkdir -p /var/lib/pos && cat > /usr/local/bin/till.py <<"PROGRAM"
import sqlite3, time
base = sqlite3.connect("/var/lib/pos/sales.db", isolation_level=None)
base.execute("PRAGMA journal_mode = WAL")
base.execute("CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, at REAL, article TEXT, cents INTEGER)")
now = time.time()
base.execute("BEGIN")
base.executemany("INSERT INTO sale (at, article, cents) VALUES (?, ?, ?)",
    ((now - 20000 + n, "article %d" % (n % 900), 100 + n % 5000) for n in range(20000)))
base.execute("COMMIT")
while True:
    base.execute("INSERT INTO sale (at, article, cents) VALUES (?, ?, ?)", (time.time(), "bread", 250))
    time.sleep(0.5)
PROGRAM
systemd-run -q --unit=till python3 /usr/local/bin/till.py
until [ -s /var/lib/pos/sales.db-wal ]; do sleep 0.1; done; sleep 1'
}

hub_stores() { # an account at the regional hub that adds over SFTP and cannot delete
    ssh-keygen -q -t ed25519 -N '' -C store -f "$PLACES/hub.key"
    lab exec --root "$HUB" -- "groupadd backups && useradd -g backups -d / -s /usr/sbin/nologin store-backup &&
        mkdir -p -m 0755 /srv/backup /etc/ssh/authorized && install -d -o root -g backups -m 1770 /srv/backup/copies &&
        echo '$(cat "$PLACES/hub.key.pub")' > /etc/ssh/authorized/store-backup &&
        printf '%s\n' 'Match User store-backup' 'AuthorizedKeysFile /etc/ssh/authorized/%u' 'ChrootDirectory /srv/backup' \
            'ForceCommand internal-sftp -u 0027 -P remove,rmdir,setstat,fsetstat' > /etc/ssh/sshd_config.d/storewarden.conf &&
        systemctl reload ssh"
    HUB_ADDRESS=$(lab exec "$HUB" -- "hostname -I" | tr -d ' \n')
    lab exec "$HUB" -- "cat /etc/ssh/ssh_host_*_key.pub" | sed "s/^/$HUB_ADDRESS /" >"$PLACES/hub.known_hosts"
}

away_stores() { # a bucket with object lock: what was written stays for thirty days, whoever asks
    python -m tests.servers.seaweedfs "$PLACES/s3" >"$PLACES/s3.yml" 2>"$PLACES/s3.log" &
    STORING=$!
    wait_for "$PLACES/s3.yml" 90
    ENDPOINT=$(sed -n 's/^endpoint: //p' "$PLACES/s3.yml")
    show ansible localhost -m storewarden.ops.backup_bucket -a "word=lock endpoint=$ENDPOINT bucket=chain-backups ca=$PLACES/s3/server.crt \
        key_id_file=$PLACES/s3/admin.key-id secret_key_file=$PLACES/s3/admin.secret-key days=30"
}

backup_site() { # one policy, three places with their coordinates, one password per host
    mkdir -p "$PLACES/passwords"
    (umask 077; python -c 'import secrets; print(secrets.token_urlsafe(24), end="")' >"$PLACES/passwords/$TILL")
    cat >"$WORK/backup-policies.yml" <<POLICIES
policies:
  - id: sales
    tier: pos-database
    method: sqlite
    select: {hosts: [$TILL]}
    source:
      path: /var/lib/pos/sales.db
      heartbeat: {table: sale, column: at}
    size: {full: 5MB}
    copies:
      - {location: store}
      - {location: hub}
      - {location: away, immutable: 30d}
POLICIES
    cat "$WORK/backup-policies.yml"
    cat >>"$STOREWARDEN_CONFIG" <<SETTINGS
backup:
  policies: "$WORK/backup-policies.yml"
  secrets: {repository: "file:$PLACES/passwords/{host}"}
  locations:
    store: {kind: host, medium: ssd, credentials: store, point: [31.23, 121.47]}
    hub:
      kind: sftp
      medium: disk
      credentials: hub-admin
      point: [30.27, 120.15]
      address: $HUB_ADDRESS
      user: store-backup
      folder: copies
      key: "file:$PLACES/hub.key"
      known_hosts: "$PLACES/hub.known_hosts"
    away:
      kind: s3
      medium: object-store
      credentials: away-admin
      point: [39.90, 116.40]
      endpoint: $ENDPOINT
      bucket: chain-backups
      ca: "$PLACES/s3/server.crt"
      key_id: "file:$PLACES/s3/store.key-id"
      secret_key: "file:$PLACES/s3/store.secret-key"
      lock_days: 30
SETTINGS
}

tell_bad() { # a command that must find something
    code=0
    show "$@" || code=$?
    note "(exit code $code)"
    [ "$code" = 1 ] || [ "$code" = 4 ] || exit 5
}

if ! may_have_lab; then
    say "No root and no sudo here, so there are no lab hosts to back up; this chapter is left out."
elif ! python -c 'from tests.servers.seaweedfs import weed; import sys; sys.exit(not weed())'; then
    say "SeaweedFS cannot be had here; this chapter is left out."
else
    need_lab
    say "Chapter: backup."
    say "A till with a database of 20,000 sales that goes on selling; a regional hub over SFTP; a bucket far away with object lock."
    mkdir -p "$PLACES/s3"
    till_sells
    hub_stores
    away_stores
    say "What is to be kept, and where: one policy. What it does not say is the guide's rule for a till's database."
    backup_site

    say "One set, taken while the till sells; the manifest of its data is written before. Then its copies."
    show storewarden backup run "$TILL"
    show storewarden backup copy "$TILL"
    show storewarden backup verify "$TILL" --level 2

    say "Somebody's disk at the hub turns one byte round."
    show lab exec --root "$HUB" -- 'f=$(find /srv/backup/copies -path "*/data/*" -type f -size +4k | sort | head -1); python3 - "$f" <<"END"
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(2000); byte = file.read(1)[0]; file.seek(2000); file.write(bytes([byte ^ 1]))
print("one bit of", sys.argv[1].rsplit("/", 1)[1][:12], "is not what it was")
END'
    say "Its size, its time and its name are as before. The look that reads every byte finds it, and says what it means:"
    tell_bad storewarden backup verify "$TILL" --level 2 --at hub
    tell_bad storewarden backup coverage --host "$TILL" --lang en
    tell_bad storewarden backup prove-321 "$TILL"

    say "The only proof that a backup works is a restore. The rehearsal goes into a scratch place, and compares with the manifest."
    show storewarden drill run "$TILL" --from away
    show storewarden drill list

    say "The hub's people take the bad file away; the next copy brings it again, and now the proof holds. Places that claim to keep what they have are tried."
    lab exec --root "$HUB" -- 'find /srv/backup/copies -path "*/data/*" -type f -size +4k | sort | head -1 | xargs rm'
    show storewarden backup copy "$TILL" --to hub
    show storewarden backup verify "$TILL" --level 2 --at hub
    show storewarden backup prove-321 "$TILL" --canary
    show storewarden backup list
    end_storing
fi
