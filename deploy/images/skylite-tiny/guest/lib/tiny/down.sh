#!/bin/sh
# Run by init before it ends all processes: the disk is left clean.
. /lib/tiny/common.sh
read -r uptime rest </proc/uptime
say "going down $uptime" >/dev/console
mount -o remount,ro "$DISK" 2>/dev/null
sync
