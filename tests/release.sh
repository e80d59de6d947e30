#!/bin/sh
# release.sh: builds what people run, installs it into a folder of its own and looks at it: no fault point is
# left in it, every program is hardened, and people find one program in bin while the role programs, which
# other programs start, are in libexec.
set -eu
cd "$(dirname "$0")/.."
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ cmake --preset release && cmake --build --preset release &&
    cmake --install build/release --prefix "$there"; } >"$there/log" 2>&1 || {
    cat "$there/log"
    exit 1
}

failures=0
fail()
{
    echo "release: $*"
    failures=$((failures + 1))
}

[ "$(ls "$there/bin")" = pawl ] || fail "bin holds more than pawl: $(ls "$there/bin" | tr '\n' ' ')"
for main in */main_*.c; do
    [ "$main" != pawl/main_pawl.c ] || continue
    name=pawl-$(basename "$main" .c | sed 's/^main_//')
    [ -x "$there/libexec/pawl/$name" ] || fail "libexec/pawl has no $name"
done

# The torch door is a module, there unless the build was made without it.
if grep -q '^PAWL_TORCH:STRING=OFF' build/release/CMakeCache.txt; then
    ! ls "$there"/libexec/pawl/*.so 2>/dev/null || fail "libexec/pawl holds a torch door that was not asked for"
else
    [ -e "$there/libexec/pawl/pawl_torch.so" ] || fail "libexec/pawl has no pawl_torch.so"
    env -u PAWL_LIBEXEC "$there/bin/pawl" info | grep -q '^torch *version' || fail "pawl does not find its torch door"
fi

grep -rhoE 'PAWL_FAULT(_ERRNO)?\("[^"]+"' --include='*.c' --include='*.h' runtime shm policy actor learner pawl |
    sed 's/.*("//; s/"$//' | sort -u >"$there/points"
[ -s "$there/points" ] || fail "no fault point was found in the sources"
for program in "$there"/bin/* "$there"/libexec/pawl/*; do
    [ -f "$program" ] || continue
    name=${program#"$there"/}
    strings -a "$program" | grep -xFf "$there/points" && fail "$name: names of fault points"
    nm "$program" | grep pawl_fault && fail "$name: code of fault points"
    readelf -hW "$program" | grep -q 'Type:.*DYN' || fail "$name: not position-independent"
    readelf -lW "$program" | grep -q GNU_RELRO || fail "$name: no read-only relocations"
    readelf -dW "$program" | grep -q 'FLAGS.*NOW' || fail "$name: symbols are bound late"
    readelf -lW "$program" | grep 'GNU_STACK' | grep -q 'RWE' && fail "$name: an executable stack"
    nm -D "$program" | grep -q __stack_chk_fail || fail "$name: no stack protector"
    nm -D "$program" | grep -q '_chk@' || fail "$name: not fortified"
done
[ "$failures" -eq 0 ] && echo "release: builds, is hardened, has no fault points"
