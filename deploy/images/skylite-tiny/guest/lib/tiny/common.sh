# Words and paths shared by the guest's scripts.
PATH=/bin:/sbin:/usr/bin:/usr/sbin
SETTINGS=/run/tiny       # what this instance was told: meta_data.json, user_data, vendor_data.json
DISK=/disk               # the root disk, where it is found: the only place that outlives a reboot
export PATH

say() { echo "tiny: $*"; }

# value NAME: a top-level string of meta_data.json, empty when it is not there.
value() { awk -F '\t' -v name="$1" 'NF == 2 && $1 == name { print $2; exit }' "$SETTINGS/meta_data.flat" 2>/dev/null; }

# values NAME: the strings below a top-level object, one a line.
values() { awk -F '\t' -v name="$1" 'NF == 3 && $1 == name { print $3 }' "$SETTINGS/meta_data.flat" 2>/dev/null; }

# Gives the guest its name, wherever it shows.
name_guest() {
  hostname "$1"
  echo "127.0.0.1 localhost $1" >/etc/hosts
  mkdir -p /var/www
  echo "hello from $1 $(cat /proc/sys/kernel/random/boot_id)" >/var/www/index.html
}

# A driver for every device that has none yet; not for IDE controllers (PCI class 01, 01: see settings.sh).
load_drivers() {
  find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u | grep -v -e '^cpu:' -e '^pci:.*bc01sc01' |
    xargs modprobe -a -b -q 2>/dev/null
}

# Brings up a network interface. Returns with the lease, or after 4 s without one; udhcpc goes on in the background.
start_dhcp() {
  ip link set "$1" up
  udhcpc -i "$1" -t 4 -T 1 -A 10 -b -R -O staticroutes -O mtu -x "hostname:$(hostname)" \
    -s /lib/tiny/udhcpc.script >/dev/null 2>&1
}
