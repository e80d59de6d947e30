#!/bin/sh
# text.sh ROOT: fails on tabs, trailing space, carriage returns, a missing last newline and bytes that
# are not ASCII in sources, scripts and configurations.
set -eu
root=$1
. "$(dirname "$0")/files.sh"

cd "$root"
tab=$(printf '\t')
cr=$(printf '\r')
files '*.c' '*.h' '*.cpp' '*.cmake' CMakeLists.txt '*.json' '*.toml' '*.sh' '*.py' '*.md' '*.pml' demo check |
    grep -vE '^tests/(golden|fuzz/corpus)/' | while read -r file; do
    grep -Hn "$tab" "$file" | sed 's/$/   <- a tab/' || true
    grep -HnE ' +$' "$file" | sed 's/$/   <- trailing space/' || true
    grep -Hn "$cr" "$file" | sed 's/$/   <- a carriage return/' || true
    case $file in
    *.md) ;; # prose may name people and draw lines
    *) LC_ALL=C grep -HnP '[^\x00-\x7f]' "$file" | sed 's/$/   <- not ASCII/' || true ;;
    esac
    if [ -s "$file" ] && [ "$(tail -c 1 "$file" | wc -l)" -eq 0 ]; then
        echo "$file: no newline at the end"
    fi
done >"$findings"
report "white space or bytes that do not belong in a source" "$findings"
