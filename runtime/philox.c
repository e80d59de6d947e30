#include "runtime/philox.h"

#include <errno.h>
#include <string.h>

#include "runtime/ziggurat.h"

#define ROUND_COUNT 10

void pawl_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4])
{
    uint32_t c[4], k0 = key[0], k1 = key[1];

    memcpy(c, counter, sizeof(c));
    for (int round = 0; round < ROUND_COUNT; round++) {
        uint64_t product0 = (uint64_t)c[0] * 0xd2511f53u;
        uint64_t product1 = (uint64_t)c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t)(product1 >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)product1;
        c[2] = (uint32_t)(product0 >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)product0;
        k0 += 0x9e3779b9u; /* the golden ratio */
        k1 += 0xbb67ae85u; /* sqrt(3) - 1 */
    }
    memcpy(block, c, sizeof(c));
}

void pawl_philox_open(struct pawl_philox *philox, uint64_t seed, uint32_t role, uint32_t index)
{
    *philox = (struct pawl_philox){.seed = seed, .role = role, .index = index};
}

void pawl_philox_seek(struct pawl_philox *philox, uint64_t block_index)
{
    philox->block_index = block_index;
    philox->left_count = 0;
}

uint32_t pawl_philox_next32(struct pawl_philox *philox)
{
    if (!philox->left_count) {
        const uint32_t counter[4] = {(uint32_t)philox->block_index,
                                     (uint32_t)(philox->block_index >> 32), philox->index,
                                     philox->role};
        const uint32_t key[2] = {(uint32_t)philox->seed, (uint32_t)(philox->seed >> 32)};
        pawl_philox_block(counter, key, philox->block);
        philox->block_index++;
        philox->left_count = 4;
    }
    return philox->block[4 - philox->left_count--];
}

uint64_t pawl_philox_next64(struct pawl_philox *philox)
{
    uint64_t low = pawl_philox_next32(philox);
    return (uint64_t)pawl_philox_next32(philox) << 32 | low;
}

double pawl_philox_double(struct pawl_philox *philox)
{
    return (double)(pawl_philox_next64(philox) >> 11) * 0x1p-53;
}

static uint64_t next64(void *philox)
{
    return pawl_philox_next64(philox);
}

double pawl_philox_normal(struct pawl_philox *philox)
{
    return pawl_ziggurat_normal(next64, philox);
}
