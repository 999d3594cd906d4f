# SPDX-License-Identifier: GPL-3.0-or-later
# Undoes the hardened state where a reader of one file does not look: drop-ins that outrank the main
# file, a Match block, another way to write the same time. Run as root after hardened.sh.
set -eu
printf 'PermitRootLogin yes\nX11Forwarding yes\n' >/etc/ssh/sshd_config.d/00-quick.conf
sed -i 's/^LoginGraceTime 60/LoginGraceTime 1m/' /etc/ssh/sshd_config
printf 'Match Address 192.0.2.0/24\n    MaxAuthTries 10\n' >>/etc/ssh/sshd_config
systemctl reload ssh
mkdir -p /etc/security/pwquality.conf.d
printf 'minclass = 1\n' >/etc/security/pwquality.conf.d/99-quick.conf
# The setting on disk stays as it was; the kernel is told otherwise, until the next boot.
echo 1 >/proc/sys/net/ipv4/conf/eth0/accept_redirects 2>/dev/null ||
    echo 1 >/proc/sys/net/ipv4/conf/host0/accept_redirects
