#!/bin/sh
# layers.sh ROOT: fails on an #include of ours that the table of folders and layers does not allow.
set -eu
root=$1
. "$(dirname "$0")/files.sh"

# folder: the folders it may include, besides itself
layers='
runtime:
shm: runtime
policy: runtime
proto: shm runtime
learner: policy shm runtime
actor: policy shm runtime
pawl: actor learner policy proto shm runtime
'

files '*.c' '*.h' '*.cpp' | while read -r file; do
    folder=${file%%/*}
    case $folder in
    tests) continue ;;
    esac
    allowed=$(echo "$layers" | sed -n "s/^$folder://p")
    if ! echo "$layers" | grep -q "^$folder:"; then
        echo "$file: the folder '$folder' is in no layer (tests/lint/layers.sh has the table)"
        continue
    fi
    grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$root/$file" |
        sed -E 's/^([0-9]+):[^"]*"([^"]*)".*/\1 \2/' | while read -r line header; do
        to=${header%%/*}
        if [ "$to" = "$header" ] || [ "$to" = .. ] || [ "$to" = . ]; then
            echo "$file:$line: \"$header\": name our headers from the root, as \"folder/name.h\""
        elif [ "$to" != "$folder" ] && ! echo " $allowed " | grep -q " $to "; then
            echo "$file:$line: '$folder' may not include '$to' (\"$header\"); allowed:${allowed:- nothing}"
        fi
    done
done >"$findings"
report "an include that the layers do not allow" "$findings"
