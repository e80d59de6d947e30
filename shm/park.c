#include "shm/park.h"

#include "runtime/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void pawl_park_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

uint32_t pawl_park_spin_count(uint32_t busy_thread_count)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return 0;
    return CPU_COUNT(&cpus) > (int)busy_thread_count ? PAWL_PARK_SPIN_COUNT : 0;
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / PAWL_NS_PER_S),
                             .tv_nsec = (long)(ns % PAWL_NS_PER_S)};
}

int pawl_wait_go_on(const struct pawl_wait *wait, uint64_t start_ns, uint64_t *sleep_ns)
{
    uint64_t waited_ns = pawl_clock_now_ns() - start_ns;
    /* Relaxed: it is all there is to know. */
    if (wait->is_stopping && atomic_load_explicit(wait->is_stopping, memory_order_relaxed))
        return ECANCELED;
    if (waited_ns >= wait->timeout_ns)
        return ETIMEDOUT;
    uint64_t left_ns = wait->timeout_ns - waited_ns;
    *sleep_ns = left_ns < PAWL_PARK_SLICE_NS ? left_ns : PAWL_PARK_SLICE_NS;
    return 0;
}

int pawl_wait_give_up(const struct pawl_wait *wait, int code, uint64_t start_ns,
                      const char *what, struct pawl_err *err)
{
    double waited_s = (double)(pawl_clock_now_ns() - start_ns) / (double)PAWL_NS_PER_S;
    return pawl_err_set(err, code, "waited %.3f s for %s%s: %s", waited_s, what,
                        wait->whom ? wait->whom : "the other end",
                        code == ECANCELED ? "stopping" : "nothing came");
}

int pawl_bell_open(struct pawl_bell *bell, const struct pawl_segment *acks,
                   struct pawl_err *err)
{
    *bell = (struct pawl_bell){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (bell->fd < 0)
        return pawl_err_set(err, errno, "open doorbell: %s", strerror(errno));
    bell->shared = pawl_ring_acks_bell(acks);
    return 0;
}

void pawl_bell_close(struct pawl_bell *bell)
{
    if (bell->shared)
        close(bell->fd);
    *bell = (struct pawl_bell){.fd = -1};
}

void pawl_bell_arm(struct pawl_bell *bell)
{
    if (++bell->sleep_number == 0)
        bell->sleep_number = 1;
    pawl_ring_bell_set(bell->shared, bell->sleep_number);
}

bool pawl_bell_disarm(struct pawl_bell *bell)
{
    uint64_t rings;
    pawl_ring_bell_clear(bell->shared);
    return read(bell->fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings);
}

static void publish_counts(const struct pawl_bell *bell)
{
    /* Relaxed: figures for people. */
    atomic_store_explicit(&bell->shared->sleeps, bell->sleeps, memory_order_relaxed);
    atomic_store_explicit(&bell->shared->spurious, bell->spurious, memory_order_relaxed);
    atomic_store_explicit(&bell->shared->late_wakes, bell->late_wakes, memory_order_relaxed);
}

static void sleep_on_bell(struct pawl_bell *bell, uint64_t sleep_ns)
{
    struct pollfd doorbell = {.fd = bell->fd, .events = POLLIN};
    struct timespec left = to_timespec(sleep_ns);
    bell->sleeps++;
    ppoll(&doorbell, 1, &left, NULL);
}

int pawl_bell_wait(struct pawl_bell *bell, bool (*look)(void *context), void *context,
                   const struct pawl_wait *wait, struct pawl_err *err)
{
    for (uint32_t i = 0; i <= wait->spin_count; i++) {
        if (look(context))
            return 0;
        pawl_park_pause();
    }
    uint64_t start_ns = pawl_clock_now_ns(), sleep_ns;
    bool was_rung = false, has_slept = false, is_found = false;
    int code = 0;
    while (!is_found && code == 0) {
        pawl_bell_arm(bell);
        if (look(context)) {
            /* Found without a ring after the bound ran out: the wake-up was lost. */
            bell->late_wakes += has_slept && !was_rung;
            is_found = true;
        } else {
            bell->spurious += was_rung;
            code = pawl_wait_go_on(wait, start_ns, &sleep_ns);
            if (code == 0)
                sleep_on_bell(bell, sleep_ns);
            has_slept = true;
        }
        was_rung = pawl_bell_disarm(bell);
        if (!is_found && was_rung)
            is_found = look(context);
    }
    publish_counts(bell);
    return code && !is_found ? pawl_wait_give_up(wait, code, start_ns, "a record of ", err) : 0;
}

void pawl_ring_wake_reader(struct pawl_ring_tx *tx, uint32_t waiter)
{
    const uint64_t one = 1;
    /* Once for each sleep: the doorbell keeps it until the reader, awake, looks everywhere. */
    if (tx->rung_for == waiter || tx->doorbell_fd < 0)
        return;
    tx->rung_for = waiter;
    /* EAGAIN would be a counter at 2^64 - 1, which is rung enough. */
    ssize_t put = write(tx->doorbell_fd, &one, sizeof(one));
    (void)put;
    tx->wakes_count++;
    atomic_store_explicit(&tx->page->wakes_sent, tx->wakes_count, memory_order_relaxed);
}

bool pawl_park_sleep(const _Atomic uint32_t *word, uint32_t seen, uint64_t sleep_ns)
{
    const struct timespec bound = to_timespec(sleep_ns);
    return syscall(SYS_futex, word, FUTEX_WAIT, seen, &bound, NULL, 0) != 0 &&
           errno == ETIMEDOUT;
}

void pawl_park_wake(const _Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

void pawl_ring_wake_writer(struct pawl_ring_rx *rx)
{
    pawl_park_wake(&rx->ack->tail_futex, 1);
}

static bool has_room(struct pawl_ring_tx *tx, uint64_t wanted_count)
{
    return pawl_ring_room(tx, wanted_count) >= wanted_count;
}

/* One sleep on the reader's word. */
static void sleep_for_room(struct pawl_ring_tx *tx, uint64_t wanted_count, uint64_t sleep_ns)
{
    pawl_ring_space_waiter_set(tx);
    /* Acquire pairs with the release store of this word in pawl_ring_flush(): a value that is
     * new comes with a tail that is new, so the look below finds the room. */
    uint32_t seen = atomic_load_explicit(&tx->ack->tail_futex, memory_order_acquire);
    if (!has_room(tx, wanted_count) && !tx->fault) {
        bool is_over = pawl_park_sleep(&tx->ack->tail_futex, seen, sleep_ns);
        if (is_over && has_room(tx, wanted_count))
            atomic_fetch_add_explicit(&tx->page->late_wakes, 1, memory_order_relaxed);
    }
    pawl_ring_space_waiter_clear(tx);
}

int pawl_ring_wait_room(struct pawl_ring_tx *tx, uint64_t wanted_count,
                        const struct pawl_wait *wait, struct pawl_err *err)
{
    if (wanted_count > tx->slot_count)
        return pawl_err_set(err, EINVAL, "wait for %llu free slots: the ring has %llu",
                            (unsigned long long)wanted_count,
                            (unsigned long long)tx->slot_count);
    for (uint32_t i = 0; i <= wait->spin_count; i++) {
        if (has_room(tx, wanted_count))
            return 0;
        pawl_park_pause();
    }
    if (!tx->ack)
        return pawl_err_set(err, ENOTCONN, "the ring is full and has no reader yet");

    uint64_t start_ns = pawl_clock_now_ns(), sleep_ns;
    int code = 0;
    while (!has_room(tx, wanted_count) && code == 0) {
        code = tx->fault ? EPROTO : pawl_wait_go_on(wait, start_ns, &sleep_ns);
        if (code == 0)
            sleep_for_room(tx, wanted_count, sleep_ns);
    }
    uint64_t blocked_ns = pawl_clock_now_ns() - start_ns;
    /* Relaxed: figures for people, and this thread is the only writer. */
    struct pawl_ring_page *page = tx->page;
    atomic_fetch_add_explicit(&page->blocked_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&page->blocked_ns, blocked_ns, memory_order_relaxed);
    if (code == ETIMEDOUT)
        atomic_fetch_add_explicit(&page->block_timeouts, 1, memory_order_relaxed);
    if (code == EPROTO)
        return pawl_ring_tx_state(tx, err);
    return code ? pawl_wait_give_up(wait, code, start_ns, "room in the ring of ", err) : 0;
}
