/* order.h: the memory orders of the shared structures, each with a number.
 *
 *     atomic_store_explicit(&slot->commit, k, PAWL_ORDER(1, memory_order_release));
 *     PAWL_FENCE(5, memory_order_seq_cst);
 *
 * A build with -DPAWL_MUTANT=n weakens number n: an order becomes relaxed, a fence disappears.
 * Tests and model checkers build every mutant and have to report each of them, which shows that
 * they would see the mistake. What a fence or an order is for stands where it is used.
 *
 * The thread sanitizer does not know fences. With PAWL_TSAN the same protocol is compiled in a
 * form without any: what a fence separated becomes seq_cst (or, around a copy of atomic words,
 * release and acquire on every word).
 */
#ifndef PAWL_SHM_ORDER_H
#define PAWL_SHM_ORDER_H

#include <stdatomic.h>

#ifndef PAWL_MUTANT
#define PAWL_MUTANT 0
#endif

/* All mutants: number, where, what is weakened. 1 to 12 weaken an ordering; 13 to 15 break a
 * rule of the protocol. Numbers from 32 on belong to the parameter board. */
#define PAWL_RING_MUTANT_LIST(X)                                                               \
    X(1, "P4", "the commit store is relaxed")                                                  \
    X(2, "C1", "the commit load is relaxed")                                                   \
    X(3, "C3", "the tail store is relaxed")                                                    \
    X(4, "P1", "the tail load is relaxed")                                                     \
    X(5, "P6", "no fence between commit and the reader's waiter word")                         \
    X(6, "C4", "no fence between the waiter word and the last look")                           \
    X(7, "B1", "no fence between space_waiter and the last look at tail")                      \
    X(8, "B2", "no fence between tail and space_waiter")                                       \
    X(9, "O1", "overwrite: no fence between the odd mark and the payload")                     \
    X(10, "O2", "overwrite: the even mark is relaxed")                                         \
    X(11, "O3", "overwrite: the mark is read relaxed")                                         \
    X(12, "O4", "overwrite: no fence between the payload and the second look")                 \
    X(13, "P1", "room for one slot too many")                                                  \
    X(14, "P4", "commit before the record is written")                                         \
    X(15, "C3", "tail includes the record that is still being read")

#define PAWL_ORDER(number, order) (PAWL_MUTANT == (number) ? memory_order_relaxed : (order))

#ifdef PAWL_TSAN

#define PAWL_FENCE(number, order) ((void)0)
/* The access next to a fence: `order` in the fence form, seq_cst here. The mutant without the
 * fence leaves `order`; a mutant of its own leaves nothing. */
#define PAWL_ORDER_AT_FENCE(number, fence_number, order)                                       \
    (PAWL_MUTANT == (number)         ? memory_order_relaxed                                    \
     : PAWL_MUTANT == (fence_number) ? (order)                                                 \
                                     : memory_order_seq_cst)
/* A word of a payload between two marks. */
#define PAWL_ORDER_WORD_STORE(fence_number) PAWL_ORDER(fence_number, memory_order_release)
#define PAWL_ORDER_WORD_LOAD(fence_number)  PAWL_ORDER(fence_number, memory_order_acquire)

#else

#define PAWL_FENCE(number, order)                                                              \
    do {                                                                                       \
        if (PAWL_MUTANT != (number))                                                           \
            atomic_thread_fence(order);                                                        \
    } while (0)
#define PAWL_ORDER_AT_FENCE(number, fence_number, order) PAWL_ORDER(number, order)
#define PAWL_ORDER_WORD_STORE(fence_number)              memory_order_relaxed
#define PAWL_ORDER_WORD_LOAD(fence_number)               memory_order_relaxed

#endif

#endif
