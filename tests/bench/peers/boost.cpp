// boost.cpp: boost::lockfree::spsc_queue, its capacity as a constant so that its memory is in
// place and can be shared.
#include <boost/lockfree/spsc_queue.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <type_traits>

#include "bench/peers/peers.h"

namespace
{

template <uint32_t bytes> struct record {
    std::array<unsigned char, bytes> data;
};

template <uint32_t bytes, uint32_t slots>
using queue = boost::lockfree::spsc_queue<record<bytes>, boost::lockfree::capacity<slots>>;

// The depths of pawl_bench_sizes.
template <uint32_t bytes> struct depth;
template <> struct depth<64> : std::integral_constant<uint32_t, 4096> {
};
template <> struct depth<1024> : std::integral_constant<uint32_t, 1024> {
};
template <> struct depth<65536> : std::integral_constant<uint32_t, 32> {
};
template <> struct depth<524288> : std::integral_constant<uint32_t, 8> {
};

template <uint32_t bytes> using queue_of = queue<bytes, depth<bytes>::value>;

template <uint32_t bytes>
inline __attribute__((always_inline)) void put(void *link, uint64_t value)
{
    auto *records = static_cast<queue_of<bytes> *>(link);
    uint32_t looks = 0;
    std::memcpy(pawl_bench_out, &value, sizeof(value));
    while (!records->push(*reinterpret_cast<const record<bytes> *>(pawl_bench_out)))
        pawl_bench_relax(&looks);
}

template <uint32_t bytes>
inline __attribute__((always_inline)) bool take(void *link, uint64_t value)
{
    auto *records = static_cast<queue_of<bytes> *>(link);
    uint32_t looks = 0;
    uint64_t got;
    while (!records->pop(*reinterpret_cast<record<bytes> *>(pawl_bench_in)))
        pawl_bench_relax(&looks);
    std::memcpy(&got, pawl_bench_in, sizeof(got));
    return got == value;
}

// Before each queue: how much there is to give back.
struct alignas(128) map_head {
    size_t map_bytes;
};

template <uint32_t bytes> int open_queue(void **link, struct pawl_err *err)
{
    const size_t map_bytes = sizeof(map_head) + sizeof(queue_of<bytes>);
    void *memory = mmap(nullptr, map_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return pawl_err_set(err, errno, "bench: map: %s", std::strerror(errno));
    auto *head = new (memory) map_head{map_bytes};
    *link = new (head + 1) queue_of<bytes>;
    return 0;
}

#define PAWL_BENCH_NAME(name)          boost_##name
#define boost_put(link, value, bytes)  put<bytes>(link, value)
#define boost_take(link, value, bytes) take<bytes>(link, value)

PAWL_BENCH_LOOPS

int open_boost(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    switch (size->bytes) {
    case 64:
        return open_queue<64>(link, err);
    case 1024:
        return open_queue<1024>(link, err);
    case 65536:
        return open_queue<65536>(link, err);
    default:
        return open_queue<524288>(link, err);
    }
}

void close_boost(void *link)
{
    auto *head = static_cast<map_head *>(link) - 1;
    munmap(head, head->map_bytes);
}

} // namespace

extern "C" const struct pawl_bench_way peer_boost = {
    "boost_spsc",      0,          open_boost, close_boost, boost_send_all,
    boost_receive_all, boost_ping, boost_pong};
