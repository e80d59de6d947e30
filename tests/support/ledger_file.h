/* ledger_file.h: reads a run's ledger.jsonl and says whether every record of every actor was
 * counted once, without a gap. */
#ifndef PAWL_TEST_LEDGER_FILE_H
#define PAWL_TEST_LEDGER_FILE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LEDGER_SOURCES_MAX 4096

/* An incarnation of an actor. */
struct ledger_source {
    unsigned actor;
    char epoch[33];
    unsigned long next; /* records 0 to next - 1 are counted */
    unsigned crc32c;
    bool has_end;
};

struct ledger_file {
    struct ledger_source sources[LEDGER_SOURCES_MAX]; /* in the order of their first line */
    size_t source_count;
    unsigned long record_count;
    size_t line_count;
};

static inline struct ledger_source *ledger_find(struct ledger_file *ledger, unsigned actor,
                                                const char *epoch)
{
    for (size_t i = 0; i < ledger->source_count; i++)
        if (strcmp(ledger->sources[i].epoch, epoch) == 0)
            return &ledger->sources[i];
    ck_assert_uint_lt(ledger->source_count, LEDGER_SOURCES_MAX);
    struct ledger_source *source = &ledger->sources[ledger->source_count++];
    *source = (struct ledger_source){.actor = actor};
    snprintf(source->epoch, sizeof(source->epoch), "%s", epoch);
    return source;
}

/* Fails the test on a line that cannot be read, a gap or a double. */
static inline void ledger_read(struct ledger_file *ledger, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[512];
    *ledger = (struct ledger_file){0};
    ck_assert_msg(file != NULL, "no %s", path);
    while (fgets(line, sizeof(line), file)) {
        unsigned actor, crc32c;
        char epoch[33];
        unsigned long first, last, end;
        ledger->line_count++;
        if (sscanf(line,
                   "{\"actor\":%u,\"epoch\":\"%32[0-9a-f]\",\"first\":%lu,\"last\":%lu,"
                   "\"crc32c\":%u}",
                   &actor, epoch, &first, &last, &crc32c) == 5) {
            struct ledger_source *source = ledger_find(ledger, actor, epoch);
            ck_assert_msg(first == source->next, "line %zu: %s after %lu: %s",
                          ledger->line_count, first > source->next ? "a gap" : "a double",
                          source->next, line);
            ck_assert_msg(last >= first && !source->has_end, "line %zu: %s", ledger->line_count,
                          line);
            ledger->record_count += last - first + 1;
            source->next = last + 1;
            source->crc32c = crc32c;
        } else if (sscanf(line,
                          "{\"actor\":%u,\"epoch\":\"%32[0-9a-f]\",\"end\":%lu,\"crc32c\":%u}",
                          &actor, epoch, &end, &crc32c) == 4) {
            struct ledger_source *source = ledger_find(ledger, actor, epoch);
            ck_assert_msg(end == source->next && !source->has_end, "line %zu: %s",
                          ledger->line_count, line);
            source->has_end = true;
        } else
            ck_abort_msg("line %zu: %s", ledger->line_count, line);
    }
    fclose(file);
}

#endif
