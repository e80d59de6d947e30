#!/bin/sh
# headers.sh ROOT: fails on a header that does not compile alone, as C17 and without a warning.
set -eu
root=$1
. "$(dirname "$0")/files.sh"

cd "$root"
flags="-std=c17 -Wall -Wextra -Wpedantic -Werror -Wno-psabi -fsyntax-only -D_GNU_SOURCE -DPAWL_FAULTS=1 -I. -Itests"
files '*.h' | while read -r header; do
    # Our one extension: 128-bit integers, which gcc and clang both have.
    echo "#include \"$header\"" | ${CC:-cc} $flags -x c - 2>&1 || echo "$header does not compile alone"
done >"$findings"
report "a header that does not compile alone" "$findings"
