# Who may log in: root by the keys of this instance; by password only if the instance was given one. Sourced by boot.sh.

mkdir -p /root/.ssh /etc
values public_keys | while read -r key; do printf '%b\n' "$key"; done | grep -v '^$' >/root/.ssh/authorized_keys
chmod 700 /root /root/.ssh
chmod 600 /root/.ssh/authorized_keys /etc/shadow
say "$(wc -l </root/.ssh/authorized_keys) ssh key(s) for root"

password=$(value admin_pass)
[ -n "$password" ] && printf 'root:%b\n' "$password" | chpasswd && say 'root has the password it was given'
unset password

# Keys only (-s, -g); host keys are made at the first connection and kept on the disk.
ln -sfn "$DISK/dropbear" /etc/dropbear
dropbear -R -s -g -E 2>/dev/null
