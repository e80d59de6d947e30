/* ck.c: Concurrency Kit's ring, single producer and single consumer, records by value. */
#include "bench/peers/peers.h"

#include <ck_ring.h>
#include <errno.h>
#include <sys/mman.h>

struct record_64 {
    unsigned char bytes[64];
};
struct record_1024 {
    unsigned char bytes[1024];
};
struct record_65536 {
    unsigned char bytes[65536];
};
struct record_524288 {
    unsigned char bytes[524288];
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
CK_RING_PROTOTYPE(r64, record_64)
CK_RING_PROTOTYPE(r1024, record_1024)
CK_RING_PROTOTYPE(r65536, record_65536)
CK_RING_PROTOTYPE(r524288, record_524288)
#pragma GCC diagnostic pop

struct ck_link {
    ck_ring_t ring;
    size_t map_bytes;
    _Alignas(64) unsigned char slots[];
};

#define PAWL_BENCH_NAME(name) ck_##name

#define ENQUEUE(n)                                                                             \
    while (!CK_RING_ENQUEUE_SPSC(r##n, &ck->ring, (struct record_##n *)(void *)ck->slots,      \
                                 (struct record_##n *)(void *)pawl_bench_out))                 \
    pawl_bench_relax(&looks)
#define DEQUEUE(n)                                                                             \
    while (!CK_RING_DEQUEUE_SPSC(r##n, &ck->ring, (struct record_##n *)(void *)ck->slots,      \
                                 (struct record_##n *)(void *)pawl_bench_in))                  \
    pawl_bench_relax(&looks)

static inline __attribute__((always_inline)) void ck_put(void *link, uint64_t value,
                                                         uint32_t bytes)
{
    struct ck_link *ck = link;
    uint32_t looks = 0;
    memcpy(pawl_bench_out, &value, sizeof(value));
    PAWL_BENCH_FOR_SIZE(bytes, ENQUEUE)
}

static inline __attribute__((always_inline)) bool ck_take(void *link, uint64_t value,
                                                          uint32_t bytes)
{
    struct ck_link *ck = link;
    uint32_t looks = 0;
    uint64_t got;
    PAWL_BENCH_FOR_SIZE(bytes, DEQUEUE)
    memcpy(&got, pawl_bench_in, sizeof(got));
    return got == value;
}

PAWL_BENCH_LOOPS

static int open_ck(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    size_t bytes = sizeof(struct ck_link) + (size_t)size->slot_count * size->bytes;
    struct ck_link *ck = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ck == MAP_FAILED)
        return pawl_err_set(err, errno, "bench: map: %s", strerror(errno));
    ck->map_bytes = bytes;
    ck_ring_init(&ck->ring, size->slot_count);
    *link = ck;
    return 0;
}

static void close_ck(void *link)
{
    struct ck_link *ck = link;
    munmap(ck, ck->map_bytes);
}

const struct pawl_bench_way peer_ck = {.name = "ck_ring",
                                       .open = open_ck,
                                       .close = close_ck,
                                       .send = ck_send_all,
                                       .receive = ck_receive_all,
                                       .ping = ck_ping,
                                       .pong = ck_pong};
