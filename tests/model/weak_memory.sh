#!/bin/bash
# weak_memory.sh: the product's own ring_core.h and board_core.h under GenMC (C11 and IMM), every
# mutant of them, and the AArch64 shapes under herd7.
#
#     GENMC=path/to/genmc HERD7="path/to/herd7 -set-libdir DIR" tests/model/weak_memory.sh
#
# A warning of GenMC counts as a failure. results_weak_memory.txt keeps the last run.
set -u
cd "$(dirname "$0")/genmc" || exit 1
genmc=${GENMC:-genmc}
herd7=${HERD7:-herd7}
failed=0
command -v "${genmc%% *}" >/dev/null || { echo "no genmc: see tests/model/README.md"; exit 1; }
command -v "${herd7%% *}" >/dev/null || { echo "no herd7: see tests/model/README.md"; exit 1; }

# check WANT MODEL FORM PROGRAM MUTANT: WANT is "passes" or "killed".
check()
{
    local want=$1 model=$2 form=$3 program=$4 mutant=$5 output found executions flags=()
    [ "$form" = fences ] || flags+=(-DPAWL_TSAN)
    [ "${program#*+}" = "$program" ] || flags+=("-D${program#*+}")
    output=$(timeout 300 $genmc "-$model" -disable-estimation -- -DPAWL_GENMC "-DPAWL_MUTANT=$mutant" \
        "${flags[@]}" -I../../.. -I. "${program%+*}.c" 2>&1)
    executions=$(sed -n 's/^Number of complete executions explored: //p' <<<"$output")
    found=$(sed -n 's/^Error: \(.*\)/\1/p' <<<"$output" | head -1)
    if grep -q 'No errors were detected' <<<"$output"; then
        # what is filtered here is about GenMC's own transformations, not about the program
        found=$(grep -i '^warning' <<<"$output" | grep -v 'Memory intrinsic\|naming info\|no effect under IMM' | head -1)
        found=${found:-no error}
    fi
    local verdict=killed
    [ "$found" = "no error" ] && verdict=passes
    [ -n "$found" ] || verdict="gave up"
    [ "$verdict" = "$want" ] || { failed=1; want="FAILED, wanted $want:"; }
    printf '%-8s %-5s %-7s %-24s mutant %-2s  %s (%s executions)\n' "$want" "$model" "$form" \
        "$program" "$mutant" "$found" "${executions:-?}"
}

all_mutants()
{
    local model=$1 form=$2 mutant
    for mutant in 1 2 3 4 13 14 15; do check killed "$model" "$form" ring_commit $mutant; done
    for mutant in 5 6; do check killed "$model" "$form" ring_waiter $mutant; done
    for mutant in 7 8; do check killed "$model" "$form" ring_room $mutant; done
    for mutant in 33 34 35 36 41 43 45 46; do check killed "$model" "$form" board_pin $mutant; done
    # The fence of R3 or R4's own acquire: one of the two is enough, so with the fence 37 is no mistake.
    local want=killed
    [ "$form" = fences ] && want=passes
    check $want "$model" "$form" board_pin 37
    check killed "$model" "$form" board_pin+MODEL_RELEASE 38
    for mutant in 39 40; do check killed "$model" "$form" board_given_up $mutant; done
    for mutant in 41 42; do check killed "$model" "$form" board_wait $mutant; done
}

$genmc --version 2>&1 | grep -io 'version:* *[0-9.]*\|genmc v[0-9.]*' | head -1
echo "herd7 $($herd7 -version 2>&1 | head -1)"
for model in rc11 imm; do
    for form in fences seq_cst; do
        for program in ring_commit ring_waiter ring_room board_pin board_pin+MODEL_RELEASE \
            board_given_up board_wait; do
            check passes $model $form $program 0
        done
    done
done
all_mutants rc11 fences
all_mutants rc11 seq_cst

cd ../litmus || exit 1
for file in *.litmus; do
    observation=$($herd7 "$file" 2>&1 | grep '^Observation')
    want=Never
    [ "${file%_weak.litmus}" = "$file" ] || want=Sometimes
    [[ $observation == *" $want "* ]] || { failed=1; echo "FAILED, wanted $want:"; }
    echo "AArch64  $observation"
done
exit $failed
