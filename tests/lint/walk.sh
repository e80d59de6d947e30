#!/bin/sh
# walk.sh ROOT: fails when docs/architecture.md names a function that its file does not define.
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
report "the walk through the source does not fit the source" "$findings"
