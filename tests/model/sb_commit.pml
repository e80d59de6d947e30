/* sb_commit.pml: the commit word and the reuse of slots (ring_core.h, P1, P4, C1, C3) on memory
 * that reorders (weak.pml). The payload is one word; the reader wants exactly the record's. */
#define LOCATIONS 5 /* commit of two slots, payload of two slots, tail */
#define COMMIT(k) (((k) - 1) % 2)
#define PAYLOAD(k) (2 + ((k) - 1) % 2)
#define TAIL 4
#define OWNER(l) (l / TAIL)
#include "weak.pml"

#ifndef RECORDS
#define RECORDS 4
#endif

active proctype Producer()
{
    byte k = 1, a;

    do
    :: k > RECORDS -> break
    :: else ->
        do /* P1 */
        :: k - 1 - a < 2 -> break
        :: else -> LOAD_ACQUIRE(0, a, TAIL)
        od;
#ifdef STREAMING
        STREAM(PAYLOAD(k), k);
#ifndef MUTANT_NO_SFENCE
        SFENCE;
#endif
#else
        STORE(PAYLOAD(k), k);
#endif
#ifndef MUTANT_RELAXED_COMMIT
        RELEASE(0);
#endif
        STORE(COMMIT(k), k); /* P4 */
        k++
    od
}

active proctype Consumer()
{
    byte k = 1, c;

    do
    :: k > RECORDS -> break
    :: else ->
        do /* C1 */
        :: c == k -> break
        :: else ->
#ifdef MUTANT_RELAXED_COMMIT_LOAD
            LOAD(c, COMMIT(k))
#else
            LOAD_ACQUIRE(1, c, COMMIT(k))
#endif
        od;
        LOAD_LATE(PAYLOAD(k), k); /* C2 */
#ifndef MUTANT_RELAXED_TAIL
        RELEASE(1);
#endif
        STORE(TAIL, k); /* C3 */
        k++
    od
}
