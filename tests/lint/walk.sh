#!/bin/sh
# walk.sh ROOT: fails when docs/architecture.md names a function that its file does not define, or when its
# table of all files names none that is there, or lacks one.
set -eu
root=$1
. "$(dirname "$0")/files.sh"

page=$root/docs/architecture.md
[ -e "$page" ] || exit 0
grep -oE '`[a-z_0-9/]+\.[ch]` `[a-z_0-9]+\(\)`' "$page" | tr -d '`()' | while read -r file name; do
    # A definition begins its line, or follows the type on it; a call is indented.
    grep -qE "^[a-zA-Z].*[ *]$name\(|^$name\(" "$root/$file" 2>/dev/null ||
        echo "docs/architecture.md: $file has no function $name()"
done >"$findings"
[ "$(grep -cE '`[a-z_0-9]+\(\)`' "$page")" -ge 10 ] || echo "docs/architecture.md: no walk found" >>"$findings"
map=$(mktemp)
trap 'rm -f "$findings" "$map"' EXIT
grep -oE '`[a-z_]+/[a-z_0-9/]*\*`' "$page" | tr -d '`*' >"$map" || true
files '*.c' '*.h' '*.cpp' '*.hpp' | grep -E '^(pawl|actor|learner|proto|policy|shm|runtime)/' |
    awk -v map="$map" '
        BEGIN { while ((getline name < map) > 0) used[name] = 0 }
        { found = 0
          for (name in used) if (index($0, name) == 1) { used[name] = 1; found = 1 }
          if (!found) print "docs/architecture.md: nothing under \"Where to look\" for " $0 }
        END { for (name in used) if (!used[name]) print "docs/architecture.md: there is no " name "*" }' >>"$findings"
report "the walk through the source does not fit the source" "$findings"
