#include "shm/board.h"

#include "runtime/clock.h"

static bool has_newer(const struct pawl_board_rx *rx)
{
    return pawl_board_latest(rx) > rx->generation;
}

/* One sleep on the writer's word. */
static void sleep_for_newer(struct pawl_board_rx *rx, uint64_t sleep_ns)
{
    pawl_board_waiter_set(rx);
    /* Acquire pairs with the release store of this word in pawl_board_commit(): a value that is
     * new comes with a `latest` that is new, so the look below finds it. */
    uint32_t seen = atomic_load_explicit(&rx->page->latest_futex, memory_order_acquire);
    if (!has_newer(rx)) {
        rx->waits_count++;
        atomic_store_explicit(&rx->pin->waits, rx->waits_count, memory_order_relaxed);
        bool is_over = pawl_park_sleep(&rx->page->latest_futex, seen, sleep_ns);
        if (is_over && has_newer(rx))
            rx->late_wakes++;
    }
    pawl_board_waiter_clear(rx);
}

int pawl_board_wait(struct pawl_board_rx *rx, const struct pawl_wait *wait,
                    struct pawl_err *err)
{
    uint64_t start_ns, sleep_ns;
    int code = 0;
    if (rx->fault) /* what a broken writer says is newer cannot be acquired */
        return pawl_board_rx_state(rx, err);
    for (uint32_t i = 0; i <= wait->spin_count; i++) {
        if (has_newer(rx))
            return 0;
        pawl_park_pause();
    }
    start_ns = pawl_clock_now_ns();
    while (!has_newer(rx) && code == 0) {
        code = pawl_wait_go_on(wait, start_ns, &sleep_ns);
        if (code == 0)
            sleep_for_newer(rx, sleep_ns);
    }
    return code ? pawl_wait_give_up(wait, code, start_ns, "new parameters of ", err) : 0;
}
