#include "runtime/numbers.h"

#include <string.h>

/* The bits of an exponent; all of them set is infinity or no number. */
#define EXPONENT_F16  0x7c00u
#define EXPONENT_BF16 0x7f80u
#define EXPONENT_F32  0x7f800000u
#define EXPONENT_F64  UINT64_C(0x7ff0000000000000)

static bool is_finite_16(const unsigned char *data, uint64_t count, uint16_t exponent)
{
    uint16_t bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

static bool is_finite_32(const unsigned char *data, uint64_t count)
{
    uint32_t bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        bad |= (bits & EXPONENT_F32) == EXPONENT_F32;
    }
    return !bad;
}

static bool is_finite_64(const unsigned char *data, uint64_t count)
{
    uint64_t bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        bad |= (bits & EXPONENT_F64) == EXPONENT_F64;
    }
    return !bad;
}

bool pawl_numbers_are_finite(enum pawl_dtype dtype, const void *data, uint64_t count)
{
    switch (dtype) {
    case PAWL_F16:
        return is_finite_16(data, count, EXPONENT_F16);
    case PAWL_BF16:
        return is_finite_16(data, count, EXPONENT_BF16);
    case PAWL_F32:
        return is_finite_32(data, count);
    case PAWL_F64:
        return is_finite_64(data, count);
    default:
        return true;
    }
}
