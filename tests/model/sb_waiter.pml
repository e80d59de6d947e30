/* sb_waiter.pml: nobody sleeps while there is something for it (ring_core.h, P6 and C4; the
 * blocked producer, B1 and B2, is the same with the roles exchanged; so is the board's reader
 * that waits for a version). There is no timeout: a lost wake-up is a deadlock. */
#define LOCATIONS 2
#define COMMIT 0
#define WAITER 1
#define OWNER(l) (l)
#include "weak.pml"

#ifndef RECORDS
#define RECORDS 3
#endif
bit bell;

active proctype Producer()
{
    byte k = 1, w;

    do
    :: k > RECORDS -> break
    :: else ->
        RELEASE(0);
        STORE(COMMIT, k); /* P4 */
#ifndef MUTANT_NO_FENCE_AFTER_COMMIT
        FENCE(0); /* P6 */
#endif
        LOAD(w, WAITER);
        if
        :: w -> bell = 1
        :: else
        fi;
        w = 0;
        k++
    od
}

active proctype Consumer()
{
    byte c;

    do
    :: c == RECORDS -> break
    :: else ->
        byte again;
        STORE(WAITER, 1); /* C4 */
#ifndef MUTANT_NO_FENCE_AFTER_WAITER
        FENCE(1);
#endif
        LOAD_ACQUIRE(1, again, COMMIT);
        if
        :: again != c
        :: else -> (bell == 1); bell = 0
        fi;
        STORE(WAITER, 0);
        LOAD_ACQUIRE(1, c, COMMIT);
        again = 0
    od
}
