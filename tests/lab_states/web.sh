# Shell functions of all states on the host with Redis and nginx (host: web). Every state begins
# with both servers as Debian installs them.
systemctl stop other-redis 2>/dev/null || true
kept=/var/tmp/as-installed
[ -d $kept ] || { mkdir $kept; cp -a /etc/redis /etc/nginx $kept/; }
rm -rf /etc/redis /etc/nginx /etc/storewarden /etc/rsyslog.d/50-nginx.conf
cp -a $kept/redis $kept/nginx /etc/

# The lines on standard input behind Debian's own; later ones win.
with_redis() {
  cat >> /etc/redis/redis.conf
  restart_redis
}
restart_redis() {
  systemctl reset-failed redis-server 2>/dev/null || true
  systemctl restart redis-server
}
# The server blocks on standard input in place of Debian's default site.
with_nginx() {
  cat > /etc/nginx/sites-available/default
  restart_nginx
}
restart_nginx() {
  nginx -t 2>&1
  systemctl reset-failed nginx 2>/dev/null || true
  systemctl restart nginx
}
# A self-made certificate for both servers, made once per host.
certificate() {
  if [ ! -f /var/tmp/tls/ca.crt ]; then
    mkdir -p /var/tmp/tls
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
      -subj /CN=shop.example.com -keyout /var/tmp/tls/own.key -out /var/tmp/tls/own.crt 2>/dev/null
    cp /var/tmp/tls/own.crt /var/tmp/tls/ca.crt
  fi
  mkdir -p /etc/redis/tls /etc/nginx/tls
  cp /var/tmp/tls/own.crt /var/tmp/tls/own.key /etc/nginx/tls/
  cp /var/tmp/tls/ca.crt /etc/redis/tls/ca.crt
  cp /var/tmp/tls/own.crt /etc/redis/tls/redis.crt
  cp /var/tmp/tls/own.key /etc/redis/tls/redis.key
  chown -R redis: /etc/redis/tls
  chmod 0600 /etc/redis/tls/redis.key
}
