#!/bin/sh
# symbols.sh MODULE: fails when a module of the torch door exports a function or a variable besides its table's.
# (Weak symbols are C++'s own: the linker makes one of all copies of them.)
set -eu
name=$(basename "$1" .so)_door
found=$(nm -D --defined-only "$1" | awk '$2 ~ /[TDBR]/ { print $3 }' | grep -vxE '__bss_start|_edata|_end')
[ "$found" = "$name" ] || {
    echo "$1 exports:"
    echo "$found"
    exit 1
}
