/* The names of the figures come from the segment of another process. What parses is canonical.
 */
#include "shm/stats.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition))                                                                      \
            abort();                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_stats_view_row *rows;
    struct pawl_err err = {0};
    uint32_t row_count, hist_count = 0;
    size_t at = 0;
    if (pawl_stats_parse(&rows, &row_count, (const char *)data, size, &err) != 0) {
        REQUIRE(err.code && err.text[0] && !rows && !row_count);
        return 0;
    }
    REQUIRE(row_count >= 1 && row_count <= PAWL_STATS_ROWS_MAX);
    for (uint32_t i = 0; i < row_count; i++) {
        const struct pawl_stat_row row = {rows[i].name, rows[i].kind, rows[i].unit,
                                          rows[i].help};
        char line[256];
        size_t line_bytes = pawl_stats_line(&row, line, &err);
        REQUIRE(line_bytes && at + line_bytes <= size);
        REQUIRE(memcmp(data + at, line, line_bytes) == 0);
        if (row.kind == PAWL_STAT_HIST)
            REQUIRE(rows[i].hist_index == hist_count++);
        at += line_bytes;
    }
    REQUIRE(at == size);
    free(rows);
    return 0;
}
