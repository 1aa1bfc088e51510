#!/bin/sh
# Called for each message of the kernel about a device: drivers, processors and network cards that come while it runs.
[ "$ACTION" = add ] || exit 0
. /lib/tiny/common.sh
[ -n "$MODALIAS" ] && modprobe -b -q "$MODALIAS"
case $SUBSYSTEM in
  cpu) [ -e "/sys$DEVPATH/online" ] && echo 1 >"/sys$DEVPATH/online" ;;
  net) [ -e "/sys$DEVPATH/device" ] && start_dhcp "$INTERFACE" & ;;
esac
