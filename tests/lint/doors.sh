#!/bin/sh
# doors.sh ROOT: fails on C++ and on tensor or TOML headers outside their doors. C++ lives in two
# places: runtime/toml.cpp sees toml++, policy/torch/ sees the tensor headers. The product is not what
# tests/bench/peers is compared with, so a peer may be C++; and what the door's results are compared with in
# tests/torch sees tensors, too.
set -eu
root=$1
. "$(dirname "$0")/files.sh"

{
    files '*.cpp' '*.cc' '*.cxx' '*.hpp' '*.hh' | grep -vE '^(runtime/toml\.cpp|policy/torch/[^/]*\.(cpp|hpp)|tests/(bench/peers|torch)/[^/]*\.cpp)$' |
        sed 's/$/: C++ outside the two doors/' || true
    cd "$root"
    files '*.c' '*.h' '*.cpp' '*.hpp' | while read -r file; do
        case $file in
        policy/torch/*.cpp | policy/torch/*.hpp | tests/torch/*.cpp) headers='toml\+\+' ;;
        runtime/toml.cpp) headers='torch|ATen|c10' ;;
        *) headers='torch|ATen|c10|toml\+\+' ;;
        esac
        grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($headers)[/.]" "$file" || true
        case $file in
        *.c | *.h) grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<[a-z_0-9]+>' "$file" || true ;;
        esac
    done
} >"$findings"
report "a C++ or tensor header outside the two doors" "$findings"
