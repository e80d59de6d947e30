#!/bin/sh
# ring_instructions.sh BENCH_RING: instructions of claim+publish and of peek+release per record, loop included,
# as callgrind counts them. 10 rounds of 4096 records (bench_ring.c).
set -eu
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$2" "$1" instructions 2>&1 |
        sed -n 's/.*Collected : //p'
}
for pair in "claim_publish:fill_ring*" "peek_release:drain_ring*"; do
    total=$(count "$1" "${pair#*:}")
    awk -v name="ring_${pair%:*}_instructions" -v total="$total" \
        'BEGIN { printf "%s %.1f instructions/record\n", name, total / 40960 }'
done
