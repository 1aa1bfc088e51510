# Flattens JSON to lines "name<TAB>...<TAB>value", one for each scalar; list members are named 0, 1, 2, ...
# Input: one token a line (see settings.sh). In values, newlines stay written as \n and backslashes as \\, so that a value
# is one line; printf %b turns them back.
function unquote(token) {
  token = substr(token, 2, length(token) - 2)
  gsub(/\\"/, "\"", token)
  gsub(/\\\//, "/", token)
  gsub(/\\t/, " ", token)
  return token
}
function emit(value,    level, line) {
  for (level = 1; level <= depth; level++) line = line name[level] "\t"
  print line value
}
function arrived() { # a value has ended: in a list the next one has the next number
  expecting_name = isobject[depth]
  if (!isobject[depth]) name[depth]++
}
$0 == "{" { depth++; isobject[depth] = 1; expecting_name = 1; next }
$0 == "[" { depth++; isobject[depth] = 0; name[depth] = 0; expecting_name = 0; next }
$0 == "}" || $0 == "]" { depth--; if (depth > 0) arrived(); next }
$0 == "," { expecting_name = isobject[depth]; next }
$0 == ":" { expecting_name = 0; next }
expecting_name { name[depth] = unquote($0); next }
{ emit($0 ~ /^"/ ? unquote($0) : $0); if (depth > 0) arrived() }
