# SPDX-License-Identifier: GPL-3.0-or-later
# Chapter: audit a fleet in one round trip, and see what somebody changed behind our back.
if ! may_have_lab; then
    say "No root and no sudo here, so there are no lab hosts; auditing this machine alone."
    note "Nothing is changed. Probes that need root answer 'error' and say so."
    site
    tell storewarden audit --local
else
    need_lab
    say "Chapter: audit. Every host is asked once; all controls are evaluated there."
    tell storewarden audit --output "$WORK/first.txt"
    sed -n '1,24p' "$WORK/first.txt"

    say "Now somebody 'just quickly' changes two machines by hand."
    lab exec --root s000102-pos02 -- \
        "printf 'PermitRootLogin yes\\n' > /etc/ssh/sshd_config.d/00-quick.conf && systemctl reload ssh"
    note "  one POS terminal lets root in over SSH (a drop-in that outranks the main file)"
    lab exec --root s000103-sv01 -- "echo 0 > /proc/sys/net/ipv4/tcp_syncookies"
    note "  one store server lost its SYN cookies"

    say "The next audit shows what changed on exactly these two machines, and that no change explains it."
    tell storewarden audit --since last

    say "The same audit as one HTML file for the auditor, in Chinese."
    tell storewarden report --format html --lang zh --output "$ROOT/storewarden-audit-demo.html"

    say "And the record can prove that nobody touched it."
    tell storewarden ledger verify
fi
