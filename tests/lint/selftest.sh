#!/bin/sh
# selftest.sh: each rule passes on a clean little tree and fails on the same tree with one defect.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

fresh()
{
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/runtime" "$tree/shm" "$tree/build"
    cp "$here/../../.clang-format" "$tree/"
    printf '#ifndef A_H\n#define A_H\n#include <stdint.h>\nuint32_t a(void);\n#endif\n' >"$tree/runtime/a.h"
    printf '#include "runtime/a.h"\n' >"$tree/shm/b.c"
    printf '\tbuild output is not the tree \n' >"$tree/build/c.c"
}

expect()
{
    want=$1 rule=$2 what=$3
    if "$here/$rule.sh" "$tree" >/dev/null 2>&1; then got=pass; else got=fail; fi
    if [ "$got" != "$want" ]; then
        echo "lint_$rule on $what: $got, expected $want"
        failures=$((failures + 1))
    fi
}

for rule in layers format headers doors text walk; do
    fresh
    expect pass "$rule" "a clean tree"
done

fresh && echo '#include "shm/b.h"' >"$tree/runtime/d.c" && expect fail layers "an include upwards"
fresh && echo '#include "../runtime/a.h"' >"$tree/shm/d.c" && expect fail layers "a relative include"
fresh && mkdir "$tree/misc" && echo 'int x;' >"$tree/misc/d.c" && expect fail layers "an unknown folder"
fresh && printf 'int  x ;\n' >"$tree/runtime/d.c" && expect fail format "a badly laid out file"
fresh && printf 'uint32_t b(void);\n' >"$tree/runtime/d.h" && expect fail headers "a header that needs another"
fresh && printf 'int x;\n' >"$tree/runtime/d.cpp" && expect fail doors "a C++ file elsewhere"
fresh && printf '#include <torch/torch.h>\n' >"$tree/runtime/toml.cpp" && expect fail doors "torch in the TOML door"
fresh && printf '#include <toml++/toml.h>\n' >"$tree/shm/d.c" && expect fail doors "toml++ outside its door"
fresh && mkdir -p "$tree/policy/torch" && printf '#include <ATen/ATen.h>\n' >"$tree/policy/torch/shim.h" &&
    expect fail doors "a tensor header in the door's C header"
fresh && mkdir -p "$tree/policy/torch" && printf '#include <ATen/ATen.h>\n' >"$tree/policy/torch/shim.cpp" &&
    expect pass doors "a tensor header in the door"
fresh && printf '#include <vector>\n' >"$tree/shm/d.h" && expect fail doors "a C++ header in a C header"
fresh && printf 'int x;\t\n' >"$tree/runtime/d.c" && expect fail text "a tab"
fresh && printf 'int x; \n' >"$tree/runtime/d.c" && expect fail text "trailing space"
fresh && printf 'int x;' >"$tree/runtime/d.c" && expect fail text "a missing last newline"
fresh && printf '/* \303\251 */\n' >"$tree/runtime/d.c" && expect fail text "a byte that is not ASCII"
fresh && mkdir "$tree/docs" && yes '1. `shm/b.c` `gone()`: it was here' | head -12 >"$tree/docs/architecture.md" &&
    expect fail walk "a function that is no more"
page()
{
    fresh && mkdir "$tree/docs" && printf 'int b(void)\n' >>"$tree/shm/b.c"
    yes '1. `shm/b.c` `b()`: here' | head -12 >"$tree/docs/architecture.md"
    echo "$1" >>"$tree/docs/architecture.md"
}
page '`runtime/a*` `shm/b*`' && expect pass walk "a page that names all"
page '`runtime/a*`' && expect fail walk "a file that is not in the table"
page '`runtime/a*` `shm/b*` `shm/gone*`' && expect fail walk "a name in the table that no file has"

[ "$failures" -eq 0 ]
