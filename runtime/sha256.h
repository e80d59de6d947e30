/* sha256.h: SHA-256 (FIPS 180-4), for names of content: specs, checkpoints, data sets.
 *
 *     uint8_t digest[PAWL_SHA256_BYTES];
 *     pawl_sha256(text, length_bytes, digest);
 *
 * or in pieces: start, update as often as wanted, finish. Not for secrets: nothing here is
 * constant-time by design. Thread safety: a state belongs to one thread.
 */
#ifndef PAWL_RUNTIME_SHA256_H
#define PAWL_RUNTIME_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define PAWL_SHA256_BYTES     32
#define PAWL_SHA256_HEX_BYTES (2 * PAWL_SHA256_BYTES + 1) /* as pawl_text_hex() writes it */

struct pawl_sha256 {
    uint32_t h[8];
    uint64_t length_bytes;
    uint8_t block[64]; /* the last length_bytes % 64 bytes */
};

void pawl_sha256_start(struct pawl_sha256 *sha);

/* data may be NULL when length_bytes is 0. */
void pawl_sha256_update(struct pawl_sha256 *sha, const void *data, size_t length_bytes);

/* The state must be started again before its next use. */
void pawl_sha256_finish(struct pawl_sha256 *sha, uint8_t digest[PAWL_SHA256_BYTES]);

void pawl_sha256(const void *data, size_t length_bytes, uint8_t digest[PAWL_SHA256_BYTES]);

#endif
