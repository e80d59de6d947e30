/* A spec text comes from the header of another process's segment. What parses is canonical. */
#include "runtime/spec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition))                                                                      \
            abort();                                                                           \
    } while (0)

static void check_parsed(const struct pawl_spec *spec, const char *text, size_t length_bytes)
{
    static char again[PAWL_SPEC_TEXT_BYTES];
    uint64_t end_bytes = 0;

    REQUIRE(pawl_spec_text(spec, again) == length_bytes);
    REQUIRE(memcmp(again, text, length_bytes) == 0);
    for (uint32_t i = 0; i < spec->field_count; i++) {
        const struct pawl_spec_field *field = &spec->fields[i];
        REQUIRE(field->offset_bytes >= end_bytes);
        REQUIRE(field->offset_bytes % pawl_dtype_bytes(field->dtype) == 0);
        end_bytes = field->offset_bytes + field->size_bytes;
    }
    REQUIRE(spec->record_bytes >= end_bytes);
    REQUIRE(spec->record_bytes <= PAWL_SPEC_RECORD_BYTES_MAX);
    REQUIRE(pawl_spec_match(spec, spec, NULL) == 0);
}

/* Two texts with a zero byte between them, so that the second can differ from the first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pawl_spec here, there;
    struct pawl_err err = {0};
    if (!size)
        return 0;
    const char *text = (const char *)data;
    const char *cut = memchr(text, '\0', size);
    size_t first_bytes = cut ? (size_t)(cut - text) : size;

    if (pawl_spec_parse(&here, text, first_bytes, &err) != 0) {
        REQUIRE(err.code && err.text[0] && here.field_count == 0);
        return 0;
    }
    check_parsed(&here, text, first_bytes);
    if (!cut || pawl_spec_parse(&there, cut + 1, size - first_bytes - 1, NULL) != 0)
        return 0;
    check_parsed(&there, cut + 1, size - first_bytes - 1);
    bool is_same = size == 2 * first_bytes + 1 && memcmp(text, cut + 1, first_bytes) == 0;
    REQUIRE((pawl_spec_match(&here, &there, &err) == 0) == is_same);
    return 0;
}
