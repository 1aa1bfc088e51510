# Finds out what this instance is: from the config drive, else from the metadata service; sets hostname and network.
# Sourced by boot.sh.

read_config_drive() {
  drive=$(findfs LABEL=config-2 2>/dev/null) || return 1
  mkdir -p /run/config
  mount -r -t iso9660 "$drive" /run/config 2>/dev/null || mount -r -t vfat "$drive" /run/config 2>/dev/null || {
    say "config drive $drive cannot be read"
    return 1
  }
  for file in meta_data.json user_data vendor_data.json; do
    [ -f "/run/config/openstack/latest/$file" ] && cp "/run/config/openstack/latest/$file" "$SETTINGS/"
  done
  umount /run/config
  say "config drive $drive"
  [ -s "$SETTINGS/meta_data.json" ]
}

# wget's own -T crashes in the distribution's busybox, hence timeout.
read_metadata_service() {
  from=http://169.254.169.254/openstack/latest
  timeout 4 wget -q -O "$SETTINGS/meta_data.json" "$from/meta_data.json" 2>/dev/null || {
    rm -f "$SETTINGS/meta_data.json"
    return 1
  }
  for file in user_data vendor_data.json; do
    timeout 4 wget -q -O "$SETTINGS/$file" "$from/$file" 2>/dev/null || rm -f "$SETTINGS/$file"
  done
  say "metadata service $from"
}

flatten_metadata() {
  grep -oE '"([^"\\]|\\.)*"|[][{},:]|[^][{},:"[:space:]]+' "$SETTINGS/meta_data.json" |
    awk -f /lib/tiny/json.awk >"$SETTINGS/meta_data.flat"
  name=$(value hostname)
  [ -n "$name" ] && name_guest "${name%%.*}"
}

# A CD-ROM on the old IDE bus, where there is one: its driver is loaded only now, because asking empty ports takes long.
read_ide_config_drive() {
  grep -q '^0x0101' /sys/bus/pci/devices/*/class || return 1
  modprobe -a -q sr_mod sd_mod ata_piix || return 1
  tries=0
  until findfs LABEL=config-2 >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -le 20 ] || return 1
    usleep 50000
  done
  read_config_drive
}

read_config_drive || read_ide_config_drive
[ -s "$SETTINGS/meta_data.json" ] && flatten_metadata

interfaces=
for device in /sys/class/net/*/device; do
  [ -e "$device" ] || continue
  interface=${device%/device}
  interfaces="$interfaces ${interface##*/}"
done
if [ -n "$interfaces" ]; then
  waits=
  for interface in $interfaces; do
    start_dhcp "$interface" &
    waits="$waits $!"
  done
  wait $waits
  say "network $(ip -4 -o addr show scope global | awk '{ print $2, $4 }' | tr '\n' ' ')"
  [ -s "$SETTINGS/meta_data.json" ] || { read_metadata_service && flatten_metadata; }
fi

[ -s "$SETTINGS/meta_data.json" ] || say 'no config drive and no metadata service: nobody told this guest who it is'
[ -s "$SETTINGS/vendor_data.json" ] && say "vendor-data $(wc -c <"$SETTINGS/vendor_data.json") bytes"
