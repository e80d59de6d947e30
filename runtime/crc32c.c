#include "runtime/crc32c.h"

#include <string.h>

/* nibble[i] = i * x^4 modulo the polynomial 0x1edc6f41, bits reflected: 16 words instead of 256
 * or more, since this is the path of processors that few have. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t pawl_crc32c_by_table(uint32_t crc, const void *data, size_t length_bytes)
{
    const uint8_t *from = data;

    crc = ~crc;
    for (size_t i = 0; i < length_bytes; i++) {
        crc ^= from[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

#ifdef __x86_64__

__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_sse42(uint32_t crc, const uint8_t *from, size_t length_bytes)
{
    uint64_t wide = ~crc;

    for (; length_bytes >= 8; length_bytes -= 8, from += 8) {
        uint64_t word;
        memcpy(&word, from, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; length_bytes; length_bytes--, from++)
        crc = __builtin_ia32_crc32qi(crc, *from);
    return ~crc;
}

uint32_t pawl_crc32c(uint32_t crc, const void *data, size_t length_bytes)
{
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_by_sse42(crc, data, length_bytes);
    return pawl_crc32c_by_table(crc, data, length_bytes);
}

#else

uint32_t pawl_crc32c(uint32_t crc, const void *data, size_t length_bytes)
{
    return pawl_crc32c_by_table(crc, data, length_bytes);
}

#endif
