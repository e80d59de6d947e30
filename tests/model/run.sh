#!/bin/bash
# run.sh ring|board|weak|deep: checks the models with Spin, then every mutant of them.
#
# Fails when a model has an error, when a search was cut short (depth, memory, time), when a
# step of a model was never taken, or when a mutant passes: each `#ifdef MUTANT_x` in a .pml
# is found by name, so a mutant cannot be forgotten here. `deep` has larger bounds (minutes, 8 GiB).
#
# A search depends on nothing but the models, this script and spin. With PAWL_MODEL_KEPT, a folder,
# a search that ended as it has to is kept there under the hash of all of them and not made again.
set -u
cd "$(dirname "$0")" || exit 1
here=$PWD
jobs=${PAWL_MODEL_JOBS:-2}
limit_s=${PAWL_MODEL_LIMIT_S:-250}
command -v spin >/dev/null || { echo "spin is not installed: apt-get install spin"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ -z "${PAWL_MODEL_KEPT:-}" ] || mkdir -p "$PAWL_MODEL_KEPT" || exit 1
inputs=$(cat ./*.pml run.sh <(spin -V) | sha256sum)

# one WANT MODEL MUTANT MODE DEFINE...: builds and runs one search.
#   WANT  passes: no error. covers: no error and every step taken. killed: an error.
#   MODE  safety: assertions and deadlocks. live: the claim `live` under weak fairness.
one()
{
    local want=$1 model=$2 mutant=$3 mode=$4
    shift 4
    local name="$model $mode${mutant:+ MUTANT_$mutant}${*:+ $*}"
    local dir cflags=-DSAFETY pan_flags= out found
    dir=$(mktemp -d -p "$work") && cd "$dir" || exit 1
    [ "$mode" = live ] && set -- -DLIVENESS "$@" && cflags=-DNFAIR=3 && pan_flags="-a -f"
    [ -n "$mutant" ] && set -- "-DMUTANT_$mutant" "$@"
    if ! spin -a "$@" "$here/$model.pml" >build.log 2>&1 ||
        ! cc -O1 -w -DCOLLAPSE $cflags -o pan pan.c >>build.log 2>&1; then
        echo "FAILED $name: does not build"
        cat build.log
        return 1
    fi
    out=$(timeout "$limit_s" ./pan -m1000000 $pan_flags 2>&1)
    local errors states reason
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' <<<"$out")
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$out")
    reason=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' <<<"$out")
    rm -rf "$dir"
    found="${states:-?} states, ${errors:-?} errors${reason:+: $reason}"
    if [ "$want" = killed ]; then
        if [ "${errors:-0}" = 0 ] || grep -q 'invalid array index' <<<"$out"; then
            echo "FAILED $name: the mutant lives ($found)"
            return 1
        fi
    elif [ "${errors:-1}" != 0 ] || grep -q 'max search depth too small\|out of memory' <<<"$out"; then
        echo "FAILED $name: $found"
        grep -v '^$' <<<"$out" | head -40
        return 1
    elif [ "$want" = covers ] && grep 'state [0-9]*, ' <<<"$out" | grep -qv -- '-end-'; then
        echo "FAILED $name: steps that were never taken ($found)"
        grep 'state [0-9]*, ' <<<"$out"
        return 1
    fi
    echo "ok $name: $found"
}

mutants() # MODEL
{
    grep -o 'MUTANT_[A-Z_]*' "$here/$1.pml" | sed 's/MUTANT_//' | sort -u
}

plan_ring()
{
    echo "covers ring - safety"
    echo "passes ring - live"
    echo "passes ring - safety -DSLOTS=1 -DCONSUMER_CRASHES=2 -DRECORDS=2"
    echo "passes ring - safety -DSLOTS=3 -DRECORDS=4 -DPRODUCER_CRASHES=0"
    for mutant in $(mutants ring); do echo "killed ring $mutant safety"; done
}

plan_board()
{
    local given_up="-DREADERS=1 -DVERSIONS=4 -DGIVEN_UP=1 -DWRITER_CRASHES=0 -DREADER_CRASHES=0"
    echo "passes board - safety -DREADERS=1 -DVERSIONS=3"
    echo "passes board - safety -DREADERS=2 -DVERSIONS=2 -DWRITER_CRASHES=0 -DREADER_CRASHES=0"
    echo "passes board - safety $given_up"
    echo "passes board - safety -DREADERS=1 -DVERSIONS=3 -DGIVEN_UP=1 -DREADER_CRASHES=0"
    echo "passes board - live -DREADERS=1 -DVERSIONS=2"
    for mutant in $(mutants board); do
        case $mutant in
        # what protects a reader that was given up by mistake
        HEADER_NOT_INVALIDATED | NO_GENERATION_CHECK) echo "killed board $mutant safety $given_up" ;;
        # the writer skips for ever: no wrong state, but no progress
        CORPSE_COUNTED_FOREVER) echo "killed board $mutant live -DREADERS=1 -DVERSIONS=3" ;;
        *) echo "killed board $mutant safety -DREADERS=1 -DVERSIONS=3" ;;
        esac
    done
}

plan_weak()
{
    local model mutant
    for model in sb_commit sb_waiter sb_pin sb_generation sb_overwrite; do
        echo "passes $model - safety -DTSO"
        echo "passes $model - safety -DWEAK"
        for mutant in $(mutants $model); do
            # streaming stores are x86's; on WEAK every store may be as late as they are
            [ "$mutant" = NO_SFENCE ] || echo "killed $model $mutant safety -DWEAK"
        done
    done
    echo "passes sb_commit - safety -DTSO -DSTREAMING"
    echo "killed sb_commit NO_SFENCE safety -DTSO -DSTREAMING"
    echo "killed sb_generation NO_SFENCE safety -DTSO"
    echo "killed sb_generation NO_FENCE_AFTER_INVALIDATE safety -DTSO"
    echo "killed sb_waiter NO_FENCE_AFTER_COMMIT safety -DTSO"
    echo "killed sb_waiter NO_FENCE_AFTER_WAITER safety -DTSO"
    echo "killed sb_pin NO_FENCE_BEFORE_PINS safety -DTSO"
    echo "killed sb_pin NO_FENCE_AFTER_PIN safety -DTSO"
}

plan_deep()
{
    echo "passes ring - safety -DPRODUCER_CRASHES=2 -DRECORDS=4"
    echo "passes ring - live -DPRODUCER_CRASHES=1 -DRECORDS=4"
    echo "passes board - safety -DREADERS=2 -DVERSIONS=2 -DREADER_CRASHES=0"
    echo "passes board - live -DREADERS=1 -DVERSIONS=3"
    echo "passes sb_commit - safety -DWEAK -DRECORDS=6"
    echo "passes sb_pin - safety -DWEAK -DVERSIONS=4"
}

kept() # one line of a plan -> the file that holds its result
{
    echo "$PAWL_MODEL_KEPT/$(sha256sum <<<"$inputs $1" | cut -c1-32)"
}

run() # one line of a plan
{
    if [ -n "${PAWL_MODEL_KEPT:-}" ] && [ -s "$(kept "$1")" ]; then
        sed 's/^ok /ok (kept) /' "$(kept "$1")"
        return
    fi
    read -ra words <<<"$1"
    [ "${words[2]}" = - ] && words[2]=
    local result
    result=$(one "${words[@]}")
    local failed=$?
    echo "$result"
    if [ "$failed" = 0 ] && [ -n "${PAWL_MODEL_KEPT:-}" ]; then
        echo "$result" >"$(kept "$1").$$" && mv "$(kept "$1").$$" "$(kept "$1")"
    fi
    return "$failed"
}
export -f run one kept
export here work limit_s inputs

case ${1:-} in
ring | board | weak | deep) ;;
*) echo "usage: run.sh ring|board|weak|deep"; exit 2 ;;
esac
"plan_$1" >"$work/plan"
xargs -a "$work/plan" -d '\n' -P "$jobs" -I{} bash -c 'run "$1"' - {} >"$work/report"
failed=$?
sort "$work/report"
wanted=$(wc -l <"$work/plan")
passed=$(grep -c '^ok ' "$work/report")
echo "$1: $passed of $wanted searches as they have to be"
[ "$failed" = 0 ] && [ "$passed" = "$wanted" ]
