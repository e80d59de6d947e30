/* sb_overwrite.pml: a ring that overwrites: its reader copies a slot while the writer may be at
 * it again, and keeps the copy only if the mark was even before and the same after (ring_core.h,
 * O1 to O4) on memory that reorders. One slot; record k has both words k. */
#define LOCATIONS 3 /* the slot's two words, its mark */
#define MARK 2
#define OWNER(l) (l / LOCATIONS)
#include "weak.pml"

#ifndef RECORDS
#define RECORDS 3
#endif

active proctype Writer()
{
    byte k = 1;

    do
    :: k > RECORDS -> break
    :: else ->
        STORE(MARK, 2 * k - 1); /* O1 */
#ifndef MUTANT_NO_FENCE_AFTER_ODD
        STORE_STORE_FENCE(0);
#endif
        STORE(0, k);
        STORE(1, k);
#ifndef MUTANT_EVEN_RELAXED
        RELEASE(0);
#endif
        STORE(MARK, 2 * k); /* O2 */
        k++
    od
}

active proctype Reader()
{
    byte m, x, y, again;

    do
    :: m == 2 * RECORDS -> break
    :: else ->
#ifdef MUTANT_MARK_RELAXED
        LOAD(m, MARK);
#else
        LOAD_ACQUIRE(1, m, MARK); /* O3 */
#endif
        if
        :: m > 0 && m % 2 == 0 ->
            LOAD(x, 0);
            LOAD(y, 1);
#ifndef MUTANT_NO_FENCE_BEFORE_SECOND_LOOK
            LOAD_LOAD_FENCE(1); /* O4 */
#endif
            LOAD(again, MARK);
            assert(again != m || (x == m / 2 && y == m / 2));
            x = 0;
            y = 0;
            again = 0
        :: else
        fi
    od
}
