# Reads the part of #cloud-config this guest understands: hostname, runcmd and ssh_authorized_keys as simple lists.
# Output lines: known<TAB>key, skipped<TAB>key, hostname<TAB>name, key<TAB>ssh key, run<TAB>shell command.
function plain(text) {
  sub(/^[ \t]+/, "", text)
  sub(/[ \t\r]+$/, "", text)
  if (text ~ /^".*"$/ || text ~ /^'.*'$/) text = substr(text, 2, length(text) - 2)
  return text
}
# [ echo, "two words" ] is one command with its words quoted
function command(text,    parts, count, i, line, quote) {
  if (text !~ /^\[.*\]$/) return text
  quote = "'"
  count = split(substr(text, 2, length(text) - 2), parts, ",")
  for (i = 1; i <= count; i++) line = line (i > 1 ? " " : "") quote plain(parts[i]) quote
  return line
}
/^[ \t]*(#|$)/ { next }
/^[A-Za-z_]+:/ {
  section = $0
  sub(/:.*/, "", section)
  rest = $0
  sub(/^[^:]*:/, "", rest)
  rest = plain(rest)
  if (section == "hostname" && rest != "") { print "known\t" section; print "hostname\t" rest }
  else if ((section == "runcmd" || section == "ssh_authorized_keys") && rest == "") print "known\t" section
  else { print "skipped\t" section; section = "" }
  next
}
/^[ \t]*- / {
  item = $0
  sub(/^[ \t]*- /, "", item)
  item = plain(item)
  if (item ~ /^[|>]/) { print "skipped\t" section "(block)"; next }
  if (section == "runcmd") print "run\t" command(item)
  if (section == "ssh_authorized_keys") print "key\t" item
}
