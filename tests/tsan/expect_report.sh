#!/bin/sh
# expect_report.sh MUTANT PROGRAM ARG...: succeeds when the mutant is found out: a weakened order (1 to
# 4, 32 to 42) by the thread sanitizer as a data race, a broken rule by that or by what the program sees.
# Whether the two threads meet at the broken place is up to the scheduler, so a run that saw nothing is
# repeated; a program without a mutant passes any number of runs.
mutant=$1
shift
for run in 1 2 3 4 5 6 7 8 9 10; do
    output=$("$@" 2>&1)
    code=$?
    case $output in
    *"WARNING: ThreadSanitizer: data race"*)
        echo "a data race in run $run, as it has to be"
        exit 0
        ;;
    *"tsan_ring: record"* | *"tsan_board: version"*)
        case $mutant in
        [1-4] | 3[2-9] | 4[0-2]) ;;
        *)
            [ $code -eq 0 ] && exit 1
            echo "run $run: $output"
            exit 0
            ;;
        esac
        ;;
    esac
done
echo "$output"
echo "mutant $mutant was not found out: $*"
exit 1
