# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a stock lab host into the state that the baseline asks for, in the spelling that OpenSCAP also
# understands: settings in the main files where its rules read no drop-ins. Run as root on the host.
# What belongs to the machine's kernel (kernel.* settings, audit rules) cannot be reached from here.
set -eu

# An administrator who may log in with a password, so that the length for administrators applies.
printf 'ops:%s\n' "$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')Aa#" | chpasswd

# Passwords and accounts.
sed -i -E '/^#? ?(minlen|minclass|maxrepeat|maxsequence|dictcheck|usercheck|gecoscheck|enforce_for_root)\b/d' \
    /etc/security/pwquality.conf
cat >>/etc/security/pwquality.conf <<'END'
minlen = 12
minclass = 3
maxrepeat = 3
maxsequence = 4
dictcheck = 1
usercheck = 1
gecoscheck = 1
enforce_for_root
END
cat >/etc/security/faillock.conf <<'END'
deny = 5
unlock_time = 900
fail_interval = 900
END
cat >/etc/pam.d/common-auth <<'END'
auth    required                        pam_faillock.so preauth
auth    sufficient                      pam_unix.so
auth    [default=die]                   pam_faillock.so authfail
auth    sufficient                      pam_faillock.so authsucc
auth    requisite                       pam_deny.so
auth    required                        pam_permit.so
END
grep -q pam_faillock /etc/pam.d/common-account || sed -i '1i account required pam_faillock.so' /etc/pam.d/common-account
sed -i '/pam_unix/i password requisite pam_pwhistory.so remember=10 use_authtok enforce_for_root' /etc/pam.d/common-password
sed -i -E 's/^#?PASS_MAX_DAYS.*/PASS_MAX_DAYS 90/; s/^#?PASS_WARN_AGE.*/PASS_WARN_AGE 15/; s/^#?ENCRYPT_METHOD.*/ENCRYPT_METHOD YESCRYPT/' \
    /etc/login.defs
chage -M 60 -W 15 ops
chage -M 90 -W 15 cashier
printf 'declare -xr TMOUT=900\n' >/etc/profile.d/50-site.sh
sed -i '1i declare -xr TMOUT=900' /etc/profile
printf 'Defaults use_pty\nDefaults logfile=/var/log/sudo.log\n' >/etc/sudoers.d/50-site
sed -i '/^Defaults/a Defaults use_pty\nDefaults logfile=/var/log/sudo.log' /etc/sudoers
chmod 0440 /etc/sudoers.d/50-site

# Remote login.
sed -i -E '/^#?(PermitRootLogin|PermitEmptyPasswords|MaxAuthTries|LoginGraceTime|ClientAlive|X11Forwarding|AllowTcpForwarding|HostbasedAuthentication|IgnoreRhosts|PermitUserEnvironment|AllowUsers)/d' /etc/ssh/sshd_config
cat >>/etc/ssh/sshd_config <<'END'
PermitRootLogin no
PermitEmptyPasswords no
MaxAuthTries 4
LoginGraceTime 60
ClientAliveInterval 300
ClientAliveCountMax 3
X11Forwarding no
AllowTcpForwarding no
HostbasedAuthentication no
IgnoreRhosts yes
PermitUserEnvironment no
MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com
AllowUsers ops@10.213.0.0/16
END
chmod 0600 /etc/ssh/sshd_config
systemctl reload ssh

# Kernel, as far as a container has one of its own.
cat >/etc/sysctl.d/50-site.conf <<'END'
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv4.tcp_syncookies = 1
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv6.conf.all.accept_source_route = 0
net.ipv6.conf.default.accept_source_route = 0
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.default.rp_filter = 1
net.ipv4.ip_forward = 0
net.ipv6.conf.all.forwarding = 0
END
for interface in /proc/sys/net/ipv4/conf/*; do
    for key in accept_redirects send_redirects accept_source_route; do echo 0 >"$interface/$key"; done
    echo 1 >"$interface/rp_filter"
done
for interface in /proc/sys/net/ipv6/conf/*; do
    for key in accept_redirects accept_source_route; do echo 0 >"$interface/$key"; done
done
sysctl -q -p /etc/sysctl.d/50-site.conf
for module in dccp sctp rds tipc; do printf 'install %s /bin/false\nblacklist %s\n' $module $module; done >/etc/modprobe.d/50-site.conf
mount -o remount,nodev,nosuid,noexec /tmp
mount -o remount,nodev,nosuid,noexec /dev/shm
mountpoint -q /var/tmp || mount -t tmpfs -o nodev,nosuid,noexec,mode=1777 tmpfs /var/tmp

# Firewall.
cat >/etc/nftables.conf <<'END'
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    ip saddr 10.213.0.0/16 tcp dport 22 accept
  }
}
END
systemctl -q enable --now nftables
systemctl restart nftables

# Logs.
chown -R root:root /var/log/audit
chmod 0700 /var/log/audit
cat >/etc/rsyslog.d/50-site.conf <<'END'
global(DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="/etc/ssl/certs/ca-certificates.crt")
action(type="omfwd" target="log.lab.internal" port="6514" protocol="tcp" StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name")
END
systemctl restart rsyslog
mkdir -p /etc/systemd/timesyncd.conf.d
printf '[Time]\nNTP=ntp.lab.internal\nFallbackNTP=\n' >/etc/systemd/timesyncd.conf.d/50-site.conf
cat >/etc/audit/rules.d/50-site.rules <<'END'
-w /etc/passwd -p wa -k identity
-w /etc/shadow -p wa -k identity
-w /etc/group -p wa -k identity
-w /etc/gshadow -p wa -k identity
-w /etc/security/opasswd -p wa -k identity
-w /etc/sudoers -p wa -k actions
-w /etc/sudoers.d/ -p wa -k actions
-w /etc/localtime -p wa -k time
-w /var/log/lastlog -p wa -k logins
-w /run/faillock -p wa -k logins
-a always,exit -F arch=b64 -S adjtimex,settimeofday -k time
-a always,exit -F arch=b32 -S adjtimex,settimeofday,stime -k time
-a always,exit -F arch=b64 -S clock_settime -F a0=0x0 -k time
-a always,exit -F arch=b32 -S clock_settime -F a0=0x0 -k time
-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -k modules
-a always,exit -F arch=b32 -S init_module,finit_module,delete_module -k modules
END
