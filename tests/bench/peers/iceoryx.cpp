// iceoryx.cpp: iceoryx, its publisher and its subscriber, with the data copied in and out.
//
// Its runtime does not outlive a fork and wants to take its leave, so each side of a
// measurement is a process of its own. The daemon it needs, iox-roudi, is started with the
// first link and ends with us. Waiting for a connection sleeps: the daemon makes it and needs a
// core.
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/peers/peers.h"

namespace
{

constexpr uint64_t queue_max = 256; // iceoryx's own
constexpr size_t trips_max = 10000; // of pawl_bench_sizes
constexpr int connect_ms_max = 10000;

struct channel {
    pid_t bench; // with number: its name, whoever opens it
    uint32_t number;
    uint64_t depth;
};

pid_t roudi, roudi_parent;
struct results {
    uint64_t receive_ns;
    double trips[trips_max];
};

results *shared; // with the processes that measure

void stop_roudi()
{
    if (getpid() != roudi_parent)
        return; // a fork that ends
    kill(roudi, SIGTERM);
    waitpid(roudi, nullptr, 0);
}

int start_roudi(struct pawl_err *err)
{
    if (roudi > 0)
        return 0;
    void *memory = mmap(nullptr, sizeof(results), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    roudi = memory == MAP_FAILED ? -1 : fork();
    if (roudi < 0)
        return pawl_err_set(err, errno, "bench: iceoryx: %s", std::strerror(errno));
    if (roudi == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execlp("iox-roudi", "iox-roudi", "--log-level", "off", "--monitoring-mode", "off",
               nullptr);
        _exit(127);
    }
    shared = static_cast<results *>(memory);
    roudi_parent = getpid();
    std::atexit(stop_roudi);
    usleep(1000 * 1000); // it says nowhere that it is there
    return 0;
}

// The ends that this process has; made on first use, after all forks.
struct ends {
    iox::popo::UntypedPublisher *out;
    iox::popo::UntypedSubscriber *in;
};

iox::capro::ServiceDescription service_of(const channel &channel)
{
    std::string name = std::to_string(channel.bench) + "." + std::to_string(channel.number);
    return {"pawl", "bench",
            iox::capro::IdString_t(iox::cxx::TruncateToCapacity, name.c_str())};
}

void start_runtime()
{
    std::string name = "pawl-bench-" + std::to_string(getpid());
    iox::runtime::PoshRuntime::initRuntime(
        iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name.c_str()));
}

iox::popo::UntypedPublisher *open_out(const channel &channel)
{
    iox::popo::PublisherOptions options;
    options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
    return new iox::popo::UntypedPublisher(service_of(channel), options);
}

iox::popo::UntypedSubscriber *open_in(const channel &channel)
{
    iox::popo::SubscriberOptions options;
    options.queueCapacity = channel.depth;
    options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    return new iox::popo::UntypedSubscriber(service_of(channel), options);
}

template <typename Condition> void sleep_until(Condition condition)
{
    for (int ms = 0; !condition() && ms < connect_ms_max; ms++)
        usleep(1000);
}

bool is_subscribed(const iox::popo::UntypedSubscriber *in)
{
    return in->getSubscriptionState() == iox::SubscribeState::SUBSCRIBED;
}

ends here;

#define PAWL_BENCH_NAME(name) iceoryx_##name

inline __attribute__((always_inline)) void iceoryx_put(void *, uint64_t value, uint32_t bytes)
{
    uint32_t looks = 0;
    bool is_sent = false;
    std::memcpy(pawl_bench_out, &value, sizeof(value));
    while (!is_sent) {
        here.out->loan(bytes).and_then([&](void *data) {
            std::memcpy(data, pawl_bench_out, bytes);
            here.out->publish(data);
            is_sent = true;
        });
        pawl_bench_relax(&looks);
    }
}

inline __attribute__((always_inline)) bool iceoryx_take(void *, uint64_t value, uint32_t bytes)
{
    uint32_t looks = 0;
    bool is_taken = false;
    uint64_t got;
    while (!is_taken) {
        here.in->take().and_then([&](const void *data) {
            std::memcpy(pawl_bench_in, data, bytes);
            here.in->release(data);
            is_taken = true;
        });
        pawl_bench_relax(&looks);
    }
    std::memcpy(&got, pawl_bench_in, sizeof(got));
    return got == value;
}

PAWL_BENCH_LOOPS

// One side of a measurement, in a process of its own.
template <typename Body> void in_a_process(Body body)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        start_runtime();
        body();
        delete here.out;
        delete here.in;
        std::exit(0); // takes leave of the daemon
    }
    waitpid(child, nullptr, 0);
}

int open_iceoryx(void **opened, const struct pawl_bench_size *size, struct pawl_err *err)
{
    static uint32_t number;
    int status = start_roudi(err);
    if (status == 0)
        *opened = new channel{getpid(), number++,
                              size->slot_count < queue_max ? size->slot_count : queue_max};
    return status;
}

void close_iceoryx(void *opened)
{
    delete static_cast<channel *>(opened);
}

void send_all(void *there, const struct pawl_bench_size *size)
{
    in_a_process([=] {
        here.out = open_out(*static_cast<channel *>(there));
        sleep_until([] { return here.out->hasSubscribers(); });
        iceoryx_send_all(there, size);
    });
}

uint64_t receive_all(void *there, const struct pawl_bench_size *size)
{
    shared->receive_ns = PAWL_BENCH_WRONG;
    in_a_process([=] {
        here.in = open_in(*static_cast<channel *>(there));
        sleep_until([] { return here.in->hasData(); });
        shared->receive_ns = iceoryx_receive_all(there, size);
    });
    return shared->receive_ns;
}

void ping(void *there, void *back, const struct pawl_bench_size *size, double *trips_ns)
{
    in_a_process([=] {
        here.in = open_in(*static_cast<channel *>(back));
        here.out = open_out(*static_cast<channel *>(there));
        sleep_until([] { return is_subscribed(here.in) && here.out->hasSubscribers(); });
        iceoryx_ping(there, back, size, shared->trips);
    });
    std::memcpy(trips_ns, shared->trips, size->trip_count * sizeof(trips_ns[0]));
}

void pong(void *there, void *back, const struct pawl_bench_size *size)
{
    in_a_process([=] {
        here.in = open_in(*static_cast<channel *>(there));
        here.out = open_out(*static_cast<channel *>(back));
        sleep_until([] { return here.in->hasData(); });
        iceoryx_pong(there, back, size);
    });
}

} // namespace

extern "C" const struct pawl_bench_way peer_iceoryx = {
    "iceoryx", 0, open_iceoryx, close_iceoryx, send_all, receive_all, ping, pong};
