#include "runtime/sha256.h"

#include <string.h>

/* The fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned count)
{
    return x >> count | x << (32 - count);
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* The letters of FIPS 180-4, 6.2.2: W the message schedule, a..h the working variables. */
static void compress(uint32_t h[8], const uint8_t *block)
{
    uint32_t W[64];

    for (int t = 0; t < 16; t++)
        W[t] = load_be32(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
        uint32_t s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
        W[t] = W[t - 16] + s0 + W[t - 7] + s1;
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
    for (int t = 0; t < 64; t++) { /* z is the standard's h, which is the state here */
        uint32_t S1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        uint32_t T1 = z + S1 + ((e & f) ^ (~e & g)) + K[t] + W[t];
        uint32_t S0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        uint32_t T2 = S0 + ((a & b) ^ (a & c) ^ (b & c));
        z = g, g = f, f = e, e = d + T1;
        d = c, c = b, b = a, a = T1 + T2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
    h[4] += e, h[5] += f, h[6] += g, h[7] += z;
}

void pawl_sha256_start(struct pawl_sha256 *sha)
{
    *sha = (struct pawl_sha256){
        .h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
              0x1f83d9ab, 0x5be0cd19},
    };
}

void pawl_sha256_update(struct pawl_sha256 *sha, const void *data, size_t length_bytes)
{
    const uint8_t *from = data;
    size_t held_bytes = sha->length_bytes % sizeof(sha->block);

    sha->length_bytes += length_bytes;
    if (held_bytes + length_bytes >= sizeof(sha->block)) {
        if (held_bytes) {
            size_t fill_bytes = sizeof(sha->block) - held_bytes;
            memcpy(sha->block + held_bytes, from, fill_bytes);
            compress(sha->h, sha->block);
            from += fill_bytes;
            length_bytes -= fill_bytes;
            held_bytes = 0;
        }
        for (; length_bytes >= sizeof(sha->block); length_bytes -= sizeof(sha->block)) {
            compress(sha->h, from);
            from += sizeof(sha->block);
        }
    }
    if (length_bytes)
        memcpy(sha->block + held_bytes, from, length_bytes);
}

void pawl_sha256_finish(struct pawl_sha256 *sha, uint8_t digest[PAWL_SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t length_bits = sha->length_bytes * 8;
    size_t held_bytes = sha->length_bytes % sizeof(sha->block);
    uint8_t tail[8];

    store_be32(tail, (uint32_t)(length_bits >> 32));
    store_be32(tail + 4, (uint32_t)length_bits);
    pawl_sha256_update(sha, padding, (held_bytes < 56 ? 56 : 120) - held_bytes);
    pawl_sha256_update(sha, tail, sizeof(tail));
    for (int i = 0; i < 8; i++)
        store_be32(digest + 4 * i, sha->h[i]);
}

void pawl_sha256(const void *data, size_t length_bytes, uint8_t digest[PAWL_SHA256_BYTES])
{
    struct pawl_sha256 sha;

    pawl_sha256_start(&sha);
    pawl_sha256_update(&sha, data, length_bytes);
    pawl_sha256_finish(&sha, digest);
}
