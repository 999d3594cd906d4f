# What the states of G*.yml and H*.yml share: the host has both servers, and each state starts from the way they were
# installed. pg_fresh and my_fresh undo what the state before did; only what is said to the server is slow.

PG=/etc/postgresql/15/main
MY=/etc/mysql/mariadb.conf.d

psql_() { runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" </dev/null; }

# Without Debian's own wrapper, which looks only every two seconds whether the server is there.
pg_ctl_() {
  cluster=$1
  shift
  runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -s -w -D /var/lib/postgresql/15/$cluster "$@" \
    -l /var/log/postgresql/test.log -o "-c config_file=/etc/postgresql/15/$cluster/postgresql.conf" </dev/null >/dev/null
}

# A server of systemd's must be stopped by it: its ExecStop would end the next one, too.
pg_stop() {
  if systemctl is-active -q postgresql@15-main; then
    systemctl stop postgresql@15-main
  else
    runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -s -w -m fast -D /var/lib/postgresql/15/main stop
  fi
}

pg_restart() {
  if psql_ -c 'SELECT 1' >/dev/null 2>&1; then pg_stop; fi
  pg_ctl_ main start
}

# As the host's own boot starts them.
pg_by_systemd() {
  pg_stop
  systemctl start postgresql@15-main
}

pg_second() {
  pg_createcluster 15 crm -o "$1" >/dev/null
  pg_ctl_ crm start
}

# A reload is only a signal: it is over when a new session says so.
pg_reload() {
  before=$(psql_ -c 'SELECT pg_conf_load_time()')
  psql_ -c 'SELECT pg_reload_conf()' >/dev/null
  while [ "$(psql_ -c 'SELECT pg_conf_load_time()')" = "$before" ]; do sleep 0.02; done
}

pg_conf() { cat > $PG/conf.d/50-test.conf; }

pg_fresh() {
  nft flush ruleset
  [ -e /root/pristine ] || { mkdir /root/pristine; cp -p $PG/pg_hba.conf $PG/postgresql.conf /root/pristine; }
  if [ -e /etc/postgresql/15/crm ]; then pg_dropcluster --stop 15 crm; fi
  auto=/var/lib/postgresql/15/main/postgresql.auto.conf
  now=true
  if grep -qs '^[a-z]' $auto $PG/conf.d/*.conf; then now=pg_reload; fi
  if ! cmp -s $PG/pg_hba.conf /root/pristine/pg_hba.conf; then now=pg_reload; fi
  if ! cmp -s $PG/postgresql.conf /root/pristine/postgresql.conf; then now=pg_restart; fi
  if grep -qsE '^(shared_preload|listen)' $auto $PG/conf.d/*.conf; then now=pg_restart; fi
  if ! psql_ -c 'SELECT 1' >/dev/null 2>&1; then now=pg_restart; fi
  rm -f $PG/conf.d/*.conf
  sed -i '/^[a-z]/d' $auto
  cp -p /root/pristine/postgresql.conf /root/pristine/pg_hba.conf $PG/
  $now
  psql_ -c 'DROP ROLE IF EXISTS till'
}

my_restart() {
  touch /root/my-changed
  systemctl reset-failed mariadb  # systemd allows few starts in a row
  systemctl restart mariadb
}

my_conf() {
  { echo '[mariadb]'; cat; } > $MY/70-test.cnf
  my_restart
}

my() {
  touch /root/my-changed
  mariadb -e "$1"
}

my_fresh() {
  if [ -e /root/my-changed ]; then
    rm -f $MY/70-test.cnf $MY/zz-*
    my_restart
    for account in "''@localhost" "root@'%'" "till@'%'" "li@'%'"; do
      mariadb -e "DROP USER IF EXISTS $account"
    done
    rm /root/my-changed
  fi
}
