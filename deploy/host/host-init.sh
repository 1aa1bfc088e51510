#!/bin/sh
# Process 1 of a compute host's own namespaces: sets them up, keeps virtlogd and libvirtd running, reaps orphans.
#
# What ends what:
#   SIGKILL to this process   power loss: the kernel ends everything in the pid namespace, guests too.
#   SIGTERM to this process   libvirtd ends; guests and virtlogd (which writes their serial logs) go on, and when the last
#                             guest is gone, all ends.
#   a daemon dies             it is started again after a short, growing pause; guests do not notice.
# It never touches a guest, and changes nothing outside its namespaces but HOST_DIR and RUN_DIR.
# Environment: HOST_DIR, RUN_DIR, HOST_NAME, VIRT_TYPE, HOST_CGROUPS (see host-launch.sh).
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
umask 022
cd /

say() { echo "$(date -u +%FT%TZ) host-init: $*"; }

[ $$ -eq 1 ] || { say "must be process 1 of its own pid namespace"; exit 1; }

# --- control groups: the same hierarchies, with our group as their root ---
mount_cgroups() {
  # libvirt reads the mount table: hierarchies that stay under ours would confuse it.
  [ -z "$HOST_CGROUPS" ] || umount -n -l -R /sys/fs/cgroup
  case $HOST_CGROUPS in
    '')
      say 'control groups cannot be used here: guests run without cpu and memory limits'
      echo 'cgroup_controllers = []' >>"$HOST_DIR/etc/libvirt/qemu.conf"
      ;;
    unified)
      # A group that holds processes cannot hand out controllers: daemons live one level down.
      mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
      mkdir -p /sys/fs/cgroup/daemons
      echo 0 >/sys/fs/cgroup/daemons/cgroup.procs
      for controller in cpu cpuset io memory pids; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
      done
      ;;
    *)
      mount -n -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
      for controllers in $HOST_CGROUPS; do
        mkdir "/sys/fs/cgroup/$controllers"
        mount -n -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers"
      done
      ;;
  esac
}

# --- /run: our own, so that nothing here meets the machine's D-Bus, udev or libvirt ---
mount_run() {
  new=$HOST_DIR/run.new
  mkdir -p "$new"
  mount -n -t tmpfs -o mode=755 tmpfs "$new"
  mkdir -p "$new/lock" "$new/libvirt"
  mount -n --bind "$RUN_DIR" "$new/libvirt"
  # What resolv.conf may point to, and our own run folder under the name it has outside.
  for folder in /run/systemd/resolve /run/resolvconf /run/NetworkManager "$(readlink -f "$RUN_DIR")"; do
    case $folder in /run/*) ;; *) continue ;; esac
    [ -d "$folder" ] || continue
    mkdir -p "$new/${folder#/run/}"
    mount -n --bind "$folder" "$new/${folder#/run/}"
  done
  mount -n --move "$new" /run
  rmdir "$new"
}

# --- huge pages, each size on a file system of its own; libvirt looks for them once, when it starts. The pages are the machine's ---
mount_huge_pages() {
  for folder in /sys/kernel/mm/hugepages/hugepages-*kB; do
    [ -d "$folder" ] || continue
    size=${folder##*hugepages-}
    mkdir -p "/run/hugepages/$size"
    mount -n -t hugetlbfs -o "pagesize=${size%kB}K,mode=755" hugetlbfs "/run/hugepages/$size" || say "huge pages of $size cannot be mounted: guests get none"
  done
}

# --- names and ids of a machine of its own ---
mount_identity() {
  hostname "$HOST_NAME"
  { echo "127.0.0.1 localhost"; echo "127.0.1.1 $HOST_NAME"; cat /etc/hosts; } >/run/hosts
  mount -n --bind /run/hosts /etc/hosts
  cat /proc/sys/kernel/random/uuid >"$RUN_DIR/boot-id.new"
  mv "$RUN_DIR/boot-id.new" "$RUN_DIR/boot-id"
  mount -n --bind "$RUN_DIR/boot-id" /proc/sys/kernel/random/boot_id
}

# --- /dev/kvm: QEMU and libvirt must agree whether it can be used, else libvirt examines QEMU anew at every step ---
mount_kvm() {
  [ -c /dev/kvm ] || return 0
  if [ "$VIRT_TYPE" = kvm ]; then
    [ "$(stat -c '%G %a' /dev/kvm)" = 'kvm 660' ] && return 0
    mknod -m 0660 /run/kvm c 10 "$(printf %d "0x$(stat -c %T /dev/kvm)")"
    chown root:kvm /run/kvm
  else
    : >/run/kvm
    chmod 000 /run/kvm
  fi
  mount -n --bind /run/kvm /dev/kvm
  # libvirt cannot build a private /dev for a guest around a mount point that is a file. Device access is then limited
  # by QEMU's unprivileged user and the devices control group alone.
  echo 'namespaces = []' >>"$HOST_DIR/etc/libvirt/qemu.conf"
}

mount -n -t proc -o nosuid,nodev,noexec proc /proc
mount_cgroups
mount_run
mount_huge_pages
mount_identity
mount_kvm
mount -n --bind "$HOST_DIR/etc/libvirt" /etc/libvirt
mount -n --bind "$HOST_DIR/lib" /var/lib/libvirt
mount -n --bind "$HOST_DIR/cache" /var/cache/libvirt
mount -n --bind "$HOST_DIR/log/libvirt" /var/log/libvirt
set +e

# keep NAME STOPFILE: runs a daemon again and again, until STOPFILE exists.
keep() {
  pause=0.2
  while [ ! -e "$2" ]; do
    begun=$(date +%s)
    env -i PATH="$PATH" LC_ALL=C HOME=/root "/usr/sbin/$1" &
    echo $! >"/run/$1.host-pid"
    wait $!
    code=$?
    [ -e "$2" ] && break
    [ $(($(date +%s) - begun)) -ge 30 ] && pause=0.2
    say "$1 ended (exit code $code); starting it again in $pause s"
    sleep "$pause"
    case $pause in 0.2) pause=0.5 ;; 0.5) pause=1 ;; 1) pause=2 ;; *) pause=5 ;; esac
  done
}

stop() { # NAME: its keeper lets it go
  : >"/run/$1.stop"
  kill -TERM "$(cat "/run/$1.host-pid")" 2>/dev/null
}

guests() { # are there processes that are neither this one, nor a daemon, nor a keeper?
  for process in /proc/[0-9]*; do
    case $(cat "$process/comm" 2>/dev/null) in qemu-*) return 0 ;; esac
  done
  return 1
}

orderly_end() {
  trap '' TERM
  say 'asked to end: libvirtd stops, guests go on'
  stop libvirtd
  wait "$libvirtd_keeper"
  while guests; do sleep 1; done
  stop virtlogd
  wait "$virtlogd_keeper"
  say 'no guest left; the end'
  exit 0
}

trap orderly_end TERM
keep virtlogd /run/virtlogd.stop &
virtlogd_keeper=$!
keep libvirtd /run/libvirtd.stop &
libvirtd_keeper=$!
say "host $HOST_NAME is up, boot id $(cat "$RUN_DIR/boot-id")"

# `wait` collects whatever child ends, known or adopted: guests that end are reaped at once, on which libvirt relies.
while :; do
  wait
done
