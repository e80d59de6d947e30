#include "learner/finite.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime/numbers.h"

static bool is_checked(enum pawl_dtype dtype)
{
    return dtype == PAWL_BOOL || dtype == PAWL_F16 || dtype == PAWL_BF16 || dtype == PAWL_F32 ||
           dtype == PAWL_F64;
}

void pawl_finite_make(struct pawl_finite *finite, const struct pawl_spec *spec)
{
    finite->spec = *spec;
    finite->span_count = 0;
    for (uint32_t i = 0; i < spec->field_count; i++) {
        const struct pawl_spec_field *field = &spec->fields[i];
        size_t value_bytes = pawl_dtype_bytes(field->dtype);
        if (!is_checked(field->dtype))
            continue;
        struct pawl_finite_span *last =
            finite->span_count ? &finite->spans[finite->span_count - 1] : NULL;
        if (last && last->dtype == field->dtype &&
            last->offset_bytes + last->count * value_bytes == field->offset_bytes) {
            last->count += field->size_bytes / value_bytes;
            continue;
        }
        finite->spans[finite->span_count++] = (struct pawl_finite_span){
            .dtype = field->dtype,
            .offset_bytes = field->offset_bytes,
            .count = field->size_bytes / value_bytes,
        };
    }
}

/* Without a branch in its loop, as numbers.h. */
static bool is_bool(const uint8_t *bytes, uint64_t count)
{
    unsigned all = 0;
    for (uint64_t i = 0; i < count; i++)
        all |= bytes[i];
    return all <= 1;
}

static bool is_span_finite(enum pawl_dtype dtype, const void *data, uint64_t count)
{
    return dtype == PAWL_BOOL ? is_bool(data, count)
                              : pawl_numbers_are_finite(dtype, data, count);
}

bool pawl_finite_is(const struct pawl_finite *finite, const unsigned char *data)
{
    for (uint32_t i = 0; i < finite->span_count; i++) {
        const struct pawl_finite_span *span = &finite->spans[i];
        if (!is_span_finite(span->dtype, data + span->offset_bytes, span->count))
            return false;
    }
    return true;
}

static const char *value_text(enum pawl_dtype dtype, const unsigned char *value)
{
    uint64_t bits = 0;
    if (dtype == PAWL_BOOL)
        return "neither 0 nor 1";
    memcpy(&bits, value, pawl_dtype_bytes(dtype));
    uint64_t fraction = dtype == PAWL_F16    ? 0x3ff
                        : dtype == PAWL_BF16 ? 0x7f
                        : dtype == PAWL_F32  ? 0x7fffff
                                             : UINT64_C(0xfffffffffffff);
    return bits & fraction ? "nan" : "infinite";
}

int pawl_finite_explain(const struct pawl_finite *finite, const unsigned char *data,
                        struct pawl_err *err)
{
    for (uint32_t i = 0; i < finite->spec.field_count; i++) {
        const struct pawl_spec_field *field = &finite->spec.fields[i];
        size_t value_bytes = pawl_dtype_bytes(field->dtype);
        for (uint64_t k = 0; is_checked(field->dtype) && k < field->size_bytes / value_bytes;
             k++) {
            const unsigned char *value = data + field->offset_bytes + k * value_bytes;
            if (is_span_finite(field->dtype, value, 1))
                continue;
            const char *text = value_text(field->dtype, value);
            if (field->rank == 0)
                return pawl_err_set(err, EINVAL, "%s is %s", field->name, text);
            return pawl_err_set(err, EINVAL, "%s[%" PRIu64 "] is %s", field->name, k, text);
        }
    }
    return 0;
}
