# Runs the instance's user data, once in an instance's life (a reboot does not run it again). Sourced by boot.sh.

USER_DATA=$SETTINGS/user_data
MAY_DELAY_READY=60   # seconds; what takes longer goes on while the guest calls itself ready

# Runs a command in the background with its output on the console, and waits for it within limits.
run_user_data() {
  mkfifo "$SETTINGS/user-data.out"
  while IFS= read -r line || [ -n "$line" ]; do say "user-data: $line"; done <"$SETTINGS/user-data.out" &
  echo=$!
  "$@" >"$SETTINGS/user-data.out" 2>&1 &
  running=$!
  ( sleep "$MAY_DELAY_READY" && kill -USR1 $$ ) >/dev/null 2>&1 &
  alarm=$!
  trap : USR1
  wait "$running"
  code=$?
  trap - USR1
  kill "$alarm" 2>/dev/null
  if kill -0 "$running" 2>/dev/null; then
    say "user-data still runs after $MAY_DELAY_READY s; not waiting any longer"
    return
  fi
  # A daemon it left behind may hold its output open: let the last lines through, but do not wait for that daemon.
  usleep 50000
  say "user-data finished, exit code $code"
}

apply_cloud_config() {
  awk -f /lib/tiny/cloud-config.awk "$USER_DATA" >"$SETTINGS/cloud-config.flat"
  flat=$SETTINGS/cloud-config.flat
  understood=$(awk -F '\t' '$1 == "known" { print $2 }' "$flat" | tr '\n' ' ')
  skipped=$(awk -F '\t' '$1 == "skipped" { print $2 }' "$flat" | tr '\n' ' ')
  say "cloud-config understood: ${understood:-nothing }skipped: ${skipped:-nothing}"
  name=$(awk -F '\t' '$1 == "hostname" { print $2 }' "$flat")
  [ -n "$name" ] && name_guest "$name"
  awk -F '\t' '$1 == "key" { print $2 }' "$flat" >>/root/.ssh/authorized_keys
  awk -F '\t' '$1 == "run" { print $2 }' "$flat" >"$SETTINGS/runcmd"
  if [ -s "$SETTINGS/runcmd" ] && first_time; then run_user_data sh "$SETTINGS/runcmd"; fi
}

first_time() {
  mark=$DISK/tiny/user-data-of
  instance=$(value uuid)
  if [ -n "$instance" ] && [ "$(cat "$mark" 2>/dev/null)" = "$instance" ]; then
    say "user-data ran at this instance's first boot; not again"
    return 1
  fi
  echo "$instance" >"$mark"
}

if [ -s "$USER_DATA" ]; then
  sum=$(sha256sum "$USER_DATA" | cut -c 1-12)
  say "user-data $(wc -c <"$USER_DATA") bytes sha256 $sum"
  case $(head -n 1 "$USER_DATA") in
    '#!'*)
      if first_time; then
        chmod 700 "$USER_DATA"
        run_user_data "$USER_DATA"
      fi
      ;;
    '#cloud-config'*) apply_cloud_config ;;
    *) say 'user-data is neither a #! script nor #cloud-config; left alone' ;;
  esac
fi
