#!/bin/sh
# Called by host-start.mjs: makes the host's control groups and namespaces and leaves its init running in them.
# Prints the init's pid as this side sees it. Environment: HOST_DIR, RUN_DIR, HOST_NAME, HOST_UUID, VIRT_TYPE.
set -eu
if [ "${1:-}" = --fork ]; then
  # Second half, already in the new namespaces. The first child of this shell is process 1 of the new pid namespace (so
  # nothing may be forked before it), and nothing stays behind as its parent: the only thing to kill is that init.
  setsid "$HOST_SCRIPTS/host-init.sh" >>"$HOST_DIR/log/host-init.log" 2>&1 </dev/null &
  echo $!
  exit 0
fi
HOST_SCRIPTS=$(dirname "$(readlink -f "$0")")
export HOST_SCRIPTS

# A group of its own below the group we are in, in every hierarchy that lets us: limits set on us go on to hold.
# The paths are kept in a file for host-stop. HOST_CGROUPS tells init what it may mount again.
group="skylite-$HOST_UUID"
HOST_CGROUPS=
: >"$HOST_DIR/cgroups"

join_v1() { # controllers, own path
  folder="/sys/fs/cgroup/$1$2"
  [ -d "$folder" ] || return 0
  mkdir -p "$folder/$group" 2>/dev/null || return 0
  if [ -e "$folder/$group/cpuset.cpus" ]; then
    cat "$folder/cpuset.cpus" >"$folder/$group/cpuset.cpus"
    cat "$folder/cpuset.mems" >"$folder/$group/cpuset.mems"
  fi
  echo "$folder/$group" >>"$HOST_DIR/cgroups"
  echo 0 >"$folder/$group/cgroup.procs" || return 0
  HOST_CGROUPS="$HOST_CGROUPS $1"
}

# In the unified tree a group with processes cannot hand controllers on, unless it is the root: try our own group first,
# then the root.
join_v2() { # own path
  for folder in "/sys/fs/cgroup${1%/}" /sys/fs/cgroup; do
    [ -d "$folder" ] || continue
    for controller in cpu cpuset io memory pids; do
      echo "+$controller" >"$folder/cgroup.subtree_control" 2>/dev/null || true
    done
    grep -qw memory "$folder/cgroup.subtree_control" && grep -qw cpu "$folder/cgroup.subtree_control" || continue
    mkdir -p "$folder/$group" 2>/dev/null || continue
    echo "$folder/$group" >>"$HOST_DIR/cgroups"
    echo 0 >"$folder/$group/cgroup.procs" || continue
    HOST_CGROUPS=unified
    return 0
  done
}

if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  join_v2 "$(sed -n 's/^0:://p' /proc/self/cgroup)"
else
  while IFS=: read -r number controllers path; do
    case $controllers in '' | name=*) continue ;; esac
    join_v1 "$controllers" "${path%/}"
  done </proc/self/cgroup
fi
export HOST_CGROUPS

exec unshare --cgroup --mount --uts --ipc --pid --propagation private "$HOST_SCRIPTS/host-launch.sh" --fork
