#!/bin/sh
# ring_instructions.sh BENCH_RING: instructions of claim+publish and of peek+release of a record, and of
# acquire+release of parameters, loop included, as callgrind counts them: 10 rounds of 4096 (bench_ring.c).
set -eu
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$2" "$1" instructions 2>&1 |
        sed -n 's/.*Collected : //p'
}
for pair in "claim_publish:fill_ring*" "peek_release:drain_ring*" "acquire_release:acquire_board*"; do
    total=$(count "$1" "${pair#*:}")
    awk -v name="ring_${pair%:*}_instructions" -v total="$total" \
        'BEGIN { printf "%s %.1f instructions\n", name, total / 40960 }'
done
