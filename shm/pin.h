/* pin.h: the words by which a reader of the parameter board says what it uses (board.h).
 *
 * They lie in a page of the reader's own, so a reader that dies takes them with it and one that
 * is broken can harm nobody: whatever the writer finds here, it takes for one slot or for none.
 */
#ifndef PAWL_SHM_PIN_H
#define PAWL_SHM_PIN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_PIN_NONE UINT64_MAX

/* Written by the reader only. */
struct pawl_pin {
    _Atomic uint64_t word; /* R2: `latest` of the board as it was acquired; or PAWL_PIN_NONE */
    _Atomic uint32_t waiter; /* 1: sleeps until there is a newer version */
    uint32_t reserved;
    _Atomic uint64_t generation; /* last acquired; figures for people, as all below */
    _Atomic uint64_t retries;    /* a newer version came while this one was being pinned */
    _Atomic uint64_t discards;   /* used in vain: the slot was written again meanwhile */
    _Atomic uint64_t waits;
};

_Static_assert(sizeof(struct pawl_pin) == 48, "layout 1");
_Static_assert(offsetof(struct pawl_pin, waiter) == 8, "layout 1");
_Static_assert(offsetof(struct pawl_pin, generation) == 16, "layout 1");

/* Before the page is handed to the writer. */
static inline void pawl_pin_init(struct pawl_pin *pin)
{
    /* Relaxed: handing the memory on orders it. */
    atomic_store_explicit(&pin->word, PAWL_PIN_NONE, memory_order_relaxed);
}

#endif
