#!/bin/sh
# expect_report.sh MUTANT PROGRAM ARG...: succeeds when the mutant is found out: a weakened order (1 to
# 4, 32 to 42) by the thread sanitizer as a data race, a broken rule by that or by what the program sees.
mutant=$1
shift
output=$("$@" 2>&1)
code=$?
case $output in
*"WARNING: ThreadSanitizer: data race"*)
    echo "a data race, as it has to be"
    exit 0
    ;;
*"tsan_ring: record"* | *"tsan_board: version"*)
    case $mutant in
    [1-4] | 3[2-9] | 4[0-2]) ;;
    *)
        [ $code -eq 0 ] && exit 1
        echo "$output"
        exit 0
        ;;
    esac
    ;;
esac
echo "$output"
echo "mutant $mutant was not found out: $*"
exit 1
