#!/bin/sh
# Boots the guest, run once by init. Each step may find nothing to work on; none may keep the guest from getting ready.
. /lib/tiny/common.sh

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /run
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$SETTINGS" /run/lock "$DISK"
exec </dev/null >/dev/console 2>&1

load_drivers   # buses first,
load_drivers   # then what sits on them
modprobe -a -q button evdev
ip link set lo up
name_guest tiny

# The root disk. Without it (kernel and initramfs started directly) the guest lives in memory alone.
if disk=$(findfs LABEL=tinyroot 2>/dev/null) && mount -t ext4 -o noatime "$disk" "$DISK"; then
  mkdir -p "$DISK/tiny" "$DISK/dropbear"
else
  mkdir -p "$DISK/tiny" "$DISK/dropbear"
  say 'no root disk: nothing will outlive a reboot'
fi

. /lib/tiny/settings.sh
. /lib/tiny/access.sh

httpd -p 80 -h /var/www

# Hot-plug: one process that sleeps on the kernel's messages. What came before it is looked for once.
uevent /lib/tiny/uevent.sh &
for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
  [ -e "$cpu" ] && [ "$(cat "$cpu")" = 0 ] && echo 1 >"$cpu"
done
acpid -l /dev/null

for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name" 2>/dev/null)" = org.qemu.guest_agent.0 ] || continue
  qemu-ga --daemonize --method virtio-serial --path "/dev/${port##*/}" --statedir /run --pidfile /run/qemu-ga.pid
done

. /lib/tiny/user-data.sh

[ -d "$DISK/lost+found" ] && sync -f "$DISK"
read -r uptime rest </proc/uptime
instance=$(value uuid)
say "ready $uptime hostname=$(hostname) instance=${instance:-none}"
