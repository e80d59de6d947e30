#!/bin/sh
# coverage.sh: runs the suite of the coverage build and prints the lines covered, folder by folder.
# A process that dies by SIGKILL writes no counters, so what only the kill tests reach counts as missed.
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || {
    echo "coverage: gcovr is missing; apt-get install gcovr"
    exit 3
}
find build/coverage -name '*.gcda' -delete
ctest --preset coverage -LE '^(fuzz|bench|soak|chaos|interop|lint|model|tsan)$' || echo "coverage: some tests failed; the figures below are of this run"
mkdir -p build/coverage/report
for folder in runtime shm policy learner actor proto; do
    [ -d "$folder" ] || continue
    echo "== $folder"
    gcovr -r . --object-directory build/coverage -f "$folder/" --exclude-throw-branches \
        --exclude-lines-by-pattern '.*PAWL_CHECK\(.*' --txt "build/coverage/report/$folder.txt" --print-summary |
        grep -E '^(lines|branches)'
    sed -n '6,$p' "build/coverage/report/$folder.txt"
done
