/* weak.pml: memory that is weaker than sequentially consistent, for the sb_*.pml models.
 *
 * Two processes, 0 and 1; every location has one writer, OWNER(l), and is read by the other.
 *
 *   -DTSO    x86: stores wait in one queue per process, loads are in order. Streaming stores
 *            wait in a queue of their own, which only SFENCE orders.
 *   else     WEAK: stores wait in one queue per location, so that two locations may change in
 *            any order (PSO); what a load sees may lag behind memory, for each location by
 *            itself (loads out of order); a load whose value is not needed at once may be done
 *            after a later store (load buffering).
 *
 * Release: earlier stores of the process are in memory and its loads are done. Acquire: later
 * loads are not older. Fence: both, and the process's own stores are in memory. An acquire here
 * refreshes all that the process sees, which is more than a language promises: this shows what
 * hardware reorders, not all that C11 allows (genmc/ is for that).
 */
#define QUEUE 8

byte memory[LOCATIONS];
byte view[LOCATIONS]; /* what a load that orders nothing may still see */

/* The load that is done late; there is one at a time, of process 1. */
bit late;
byte late_location, late_value;

#ifdef TSO

chan queue[3] = [QUEUE] of { byte, byte }; /* 2: streaming stores of process 0 */
#define STORE(l, v)          queue[OWNER(l)]!l, v
#define STREAM(l, v)         queue[2]!l, v
#define SFENCE               (len(queue[2]) == 0)
#define RELEASE(p)           skip
#define FENCE(p)             (len(queue[p]) == 0)
#define STORE_STORE_FENCE(p) (len(queue[p]) == 0) /* SFENCE again */
#define LOAD_LOAD_FENCE(p)   skip
#define LOAD(x, l)           x = memory[l]
#define LOAD_ACQUIRE(p, x, l) x = memory[l]
#define LOAD_LATE(l, wanted) assert(memory[l] == wanted)

active proctype Memory()
{
    byte l, v;
end:
    do
    :: atomic { queue[0]?l, v -> memory[l] = v; l = 0; v = 0 }
    :: atomic { queue[1]?l, v -> memory[l] = v; l = 0; v = 0 }
    :: atomic { queue[2]?l, v -> memory[l] = v; l = 0; v = 0 }
    od
}

#else

chan queue[LOCATIONS] = [QUEUE] of { byte };
byte waiting[2]; /* stores of the process that are not in memory */
#define STORE(l, v)                                                                            \
    atomic { queue[l]!v -> waiting[OWNER(l)]++ }
#define STREAM(l, v)         STORE(l, v)
#define SFENCE               skip
#define RELEASE(p)           (waiting[p] == 0 && (p == 0 || !late))
#define FENCE(p)             d_step { RELEASE(p) -> refresh(p) }
#define STORE_STORE_FENCE(p) RELEASE(p)
#define LOAD_LOAD_FENCE(p)   d_step { !late -> refresh(p) }
#define LOAD(x, l)           x = view[l]
#define LOAD_ACQUIRE(p, x, l) d_step { x = view[l]; refresh(p) }
#define LOAD_LATE(l, wanted)                                                                   \
    assert(view[l] == wanted);                                                                 \
    atomic { !late -> late = 1; late_location = l; late_value = wanted }

byte ri;
inline refresh(p)
{
    ri = 0;
    do
    :: ri < LOCATIONS ->
        if
        :: OWNER(ri) != p -> view[ri] = memory[ri]
        :: else
        fi;
        ri++
    :: else -> break
    od;
    ri = 0
}

active [LOCATIONS] proctype Memory()
{
    byte v;
end:
    do
    :: atomic { queue[_pid]?v -> memory[_pid] = v; waiting[OWNER(_pid)]--; v = 0 }
    :: view[_pid] != memory[_pid] -> view[_pid] = memory[_pid]
    :: atomic { late && late_location == _pid ->
        assert(memory[_pid] == late_value);
        late = 0; late_location = 0; late_value = 0 }
    od
}

#endif
