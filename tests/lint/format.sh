#!/bin/sh
# format.sh [--fix] ROOT: fails on a file that clang-format 14 would lay out differently.
set -eu
mode=--dry-run
if [ "$1" = --fix ]; then
    mode=-i
    shift
fi
root=$1
. "$(dirname "$0")/files.sh"

# Another version lays some lines out differently, so only this one decides.
if ! command -v clang-format-14 >/dev/null; then
    echo "lint: clang-format-14 is missing; ./check installs it"
    exit 1
fi
cd "$root"
files '*.c' '*.h' '*.cpp' | tr '\n' '\0' |
    xargs -0 -r clang-format-14 $mode -Werror --style=file 2>"$findings" || true
report "a file is not laid out by clang-format 14; cmake --build --preset dev --target format does it" "$findings"
