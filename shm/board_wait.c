#include "shm/board.h"

#include "runtime/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool has_newer(const struct pawl_board_rx *rx)
{
    return pawl_board_latest(rx) > rx->generation;
}

/* One sleep on the writer's word, through a map that can only be read. */
static void sleep_for_newer(struct pawl_board_rx *rx, uint64_t sleep_ns)
{
    const struct timespec bound = {.tv_sec = (time_t)(sleep_ns / PAWL_NS_PER_S),
                                   .tv_nsec = (long)(sleep_ns % PAWL_NS_PER_S)};
    pawl_board_waiter_set(rx);
    /* Acquire pairs with the release store of this word in pawl_board_commit(): a value that is
     * new comes with a `latest` that is new, so the look below finds it. */
    uint32_t seen = atomic_load_explicit(&rx->page->latest_futex, memory_order_acquire);
    if (!has_newer(rx)) {
        rx->waits_count++;
        atomic_store_explicit(&rx->pin->waits, rx->waits_count, memory_order_relaxed);
        long code =
            syscall(SYS_futex, &rx->page->latest_futex, FUTEX_WAIT, seen, &bound, NULL, 0);
        if (code != 0 && errno == ETIMEDOUT && has_newer(rx))
            rx->late_wakes++;
    }
    pawl_board_waiter_clear(rx);
}

int pawl_board_wait(struct pawl_board_rx *rx, const struct pawl_wait *wait,
                    struct pawl_err *err)
{
    for (uint32_t i = 0; i <= wait->spin_count; i++)
        if (has_newer(rx))
            return 0;
    uint64_t start_ns = pawl_clock_now_ns(), now_ns = start_ns;
    int code = 0;
    while (!has_newer(rx) && code == 0) {
        uint64_t waited_ns = now_ns - start_ns;
        if (wait->is_stopping &&
            atomic_load_explicit(wait->is_stopping, memory_order_relaxed)) {
            code = ECANCELED;
        } else if (waited_ns >= wait->timeout_ns) {
            code = ETIMEDOUT;
        } else {
            uint64_t left_ns = wait->timeout_ns - waited_ns;
            sleep_for_newer(rx, left_ns < PAWL_PARK_SLICE_NS ? left_ns : PAWL_PARK_SLICE_NS);
        }
        now_ns = pawl_clock_now_ns();
    }
    if (code == 0)
        return 0;
    return pawl_err_set(err, code, "waited %.3f s for new parameters of %s: %s",
                        (double)(now_ns - start_ns) / (double)PAWL_NS_PER_S,
                        wait->whom ? wait->whom : "the learner",
                        code == ECANCELED ? "stopping" : "nothing came");
}
