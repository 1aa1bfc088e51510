#!/bin/sh
# host-exec.sh HOST_DIR -- COMMAND...: runs a command inside a compute host (its mount, uts and pid namespaces), in the
# machine's network. This process stays as the command's stand-in, because a process cannot move itself into another pid
# namespace: it hands on the signals it gets, ends with the command's exit code, and if it is killed the command is too.
if [ "$1" = --inside ]; then
  cd "$2" 2>/dev/null || cd /
  shift 2
  setpriv --pdeathsig KILL -- "$@" <&3 3<&- &
  child=$!
  exec 3<&-
  for signal in TERM INT HUP QUIT USR1 USR2; do
    # shellcheck disable=SC2064  # both are to be expanded now
    trap "kill -$signal $child 2>/dev/null" "$signal"
  done
  # A signal interrupts `wait`; the command's own end is what counts.
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || exit "$code"
  done
fi

host_dir=$1
[ "${2:-}" = -- ] && [ $# -ge 3 ] || { echo 'usage: host-exec.sh HOST_DIR -- COMMAND...' >&2; exit 64; }
shift 2
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$host_dir/host.json" 2>/dev/null | head -n 1; }
pid=$(field pid)
# A pid alone may long belong to another process: its start time says whether it is still our init.
begun=$(sed 's/.*) //' "/proc/${pid:-none}/stat" 2>/dev/null | cut -d ' ' -f 20)
if [ -z "$begun" ] || [ "$begun" != "$(field startTime)" ]; then
  echo "host-exec: the host in $host_dir is not running" >&2
  exit 69
fi
here=$(dirname "$(readlink -f "$0")")
exec nsenter --target "$pid" --mount --uts --pid --no-fork \
  /bin/sh "$here/host-exec.sh" --inside "$PWD" "$@" 3<&0
