/* ledger_file.h: reads a run's ledger.jsonl and says whether every record of every actor was
 * counted once, without a gap. */
#ifndef PAWL_TEST_LEDGER_FILE_H
#define PAWL_TEST_LEDGER_FILE_H

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

/* NULL when there is no room for one more. */
static inline struct ledger_source *ledger_find(struct ledger_file *ledger, unsigned actor,
                                                const char *epoch)
{
    for (size_t i = 0; i < ledger->source_count; i++)
        if (strcmp(ledger->sources[i].epoch, epoch) == 0)
            return &ledger->sources[i];
    if (ledger->source_count == LEDGER_SOURCES_MAX)
        return NULL;
    struct ledger_source *source = &ledger->sources[ledger->source_count++];
    *source = (struct ledger_source){.actor = actor};
    snprintf(source->epoch, sizeof(source->epoch), "%s", epoch);
    return source;
}

/* What is wrong with the line, or NULL. */
static inline const char *ledger_take(struct ledger_file *ledger, const char *line)
{
    unsigned actor, crc32c;
    char epoch[33];
    unsigned long first, last, end;
    if (sscanf(line,
               "{\"actor\":%u,\"epoch\":\"%32[0-9a-f]\",\"first\":%lu,\"last\":%lu,"
               "\"crc32c\":%u}",
               &actor, epoch, &first, &last, &crc32c) == 5) {
        struct ledger_source *source = ledger_find(ledger, actor, epoch);
        if (!source)
            return "too many incarnations";
        if (first != source->next)
            return first > source->next ? "a gap" : "a double";
        if (last < first || source->has_end)
            return "records behind the end";
        ledger->record_count += last - first + 1;
        source->next = last + 1;
        source->crc32c = crc32c;
        return NULL;
    }
    if (sscanf(line, "{\"actor\":%u,\"epoch\":\"%32[0-9a-f]\",\"end\":%lu,\"crc32c\":%u}",
               &actor, epoch, &end, &crc32c) == 4) {
        struct ledger_source *source = ledger_find(ledger, actor, epoch);
        if (!source)
            return "too many incarnations";
        if (end != source->next || source->has_end)
            return "an end that is none";
        source->has_end = true;
        return NULL;
    }
    return "no line of a ledger";
}

/* NULL when every record of every incarnation is there once and in order; else the sentence
 * that says what is not, valid until the next call. */
static inline const char *ledger_read(struct ledger_file *ledger, const char *path)
{
    static char sentence[1024];
    FILE *file = fopen(path, "re");
    char line[512];
    const char *wrong = NULL;
    *ledger = (struct ledger_file){0};
    if (!file) {
        snprintf(sentence, sizeof(sentence), "no %.500s", path);
        return sentence;
    }
    while (!wrong && fgets(line, sizeof(line), file)) {
        ledger->line_count++;
        wrong = ledger_take(ledger, line);
    }
    fclose(file);
    if (!wrong)
        return NULL;
    snprintf(sentence, sizeof(sentence), "line %zu: %s: %s", ledger->line_count, wrong, line);
    return sentence;
}

#endif
