/* board.pml: one writer, READERS readers, all killed at any step and started again.
 *
 * One statement per step of shm/board: W1-W4 with a two-part payload behind a slot header that
 * is invalidated first, R1-R6 with the generation read again after use, readers that keep a pin
 * while they acquire the next version, readers that wait for a new version on a futex.
 *
 * Who survives what: a board belongs to one incarnation of the writer (w); the next one starts
 * at the generation after the last one that was published. A reader's page dies with it, and
 * its pin counts until the hang-up is noticed. A live reader may also be given up by mistake:
 * its pin is ignored from then on, and the generation is all that protects it.
 *
 * Promised: no version is used torn, generations never go back, the writer never waits and
 * never skips unless the pin of a reader that died is still counted, every reader gets the last
 * version although nothing here has a timeout.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef VERSIONS
#define VERSIONS 2
#endif
#ifndef WRITER_CRASHES
#define WRITER_CRASHES 1
#endif
#ifndef READER_CRASHES
#define READER_CRASHES 1
#endif
#ifndef GIVEN_UP
#define GIVEN_UP 0 /* live readers that may be ignored by mistake */
#endif
#define BOARDS (WRITER_CRASHES + 1)
#define NONE   255

#ifdef MUTANT_ONE_SLOT_TOO_FEW
#define SLOTS (READERS + 1)
#else
#define SLOTS (READERS + 2)
#endif

/* The board of incarnation w: latest = generation * SLOTS + slot, the slots with their header. */
byte latest[BOARDS];
byte header[BOARDS * SLOTS], part0[BOARDS * SLOTS], part1[BOARDS * SLOTS];

/* The page of each reader; corpse: the pin in the page of an incarnation that died. */
byte pin[READERS] = NONE, corpse[READERS] = NONE;
bit wants_new[READERS];
bit ignored[READERS]; /* the writer counts the reader's pin no more */

byte asleep[READERS];    /* b + 1: in futex_wait on the low word of latest of board b */
byte boards = 1;         /* known to the supervisor, announced to the readers */
byte writer_crashes = WRITER_CRASHES, reader_crashes = READER_CRASHES, given_up = GIVEN_UP;
byte readers_done;

#define MAY_DIE_W                                                                              \
    if                                                                                         \
    :: writer_crashes > 0 -> writer_crashes--; goto crash                                      \
    :: true                                                                                    \
    fi
#define MAY_DIE_R                                                                              \
    if                                                                                         \
    :: reader_crashes > 0 -> reader_crashes--; goto crash                                      \
    :: true                                                                                    \
    fi
#define S(b, l) ((b) * SLOTS + (l) % SLOTS)

inline wake_all()
{
    i = 0;
    do
    :: i < READERS ->
        if
        :: wants_new[i] && asleep[i] == w + 1 -> asleep[i] = 0
        :: else
        fi;
        i++
    :: else -> break
    od
}

active proctype Writer()
{
    byte w, g = 1, i, s, p;
    bit busy[SLOTS];
    bit corpse_seen;

start:
    do
    :: latest[w] / SLOTS >= VERSIONS -> break
    :: else ->
        d_step { /* W1: the slot of latest, then the pin of every reader, one at a time */
            i = 0;
            do
            :: i < SLOTS -> busy[i] = 0; i++
            :: else -> break
            od;
#ifndef MUTANT_LATEST_IS_FREE
            busy[latest[w] % SLOTS] = 1;
#endif
            corpse_seen = 0;
            i = 0
        }
        do
        :: i < READERS ->
            atomic {
                p = pin[i];
#ifndef MUTANT_PINS_IGNORED
                if
                :: p != NONE && !ignored[i] -> busy[p % SLOTS] = 1
                :: else
                fi
#endif
            }
            atomic {
                p = corpse[i];
                if
                :: p != NONE -> busy[p % SLOTS] = 1; corpse_seen = 1
                :: else
                fi;
                i++
            }
        :: else -> break
        od;
        MAY_DIE_W;
        if /* W2: any free slot */
        :: !busy[0] -> s = 0
        :: !busy[1] -> s = 1
#if READERS > 1 || !defined(MUTANT_ONE_SLOT_TOO_FEW)
        :: !busy[2] -> s = 2
#endif
#if READERS > 1 && !defined(MUTANT_ONE_SLOT_TOO_FEW)
        :: !busy[3] -> s = 3
#endif
        :: else -> /* skipped; the same version is tried again */
            assert(corpse_seen);
            s = NONE
        fi;
        d_step {
            p = 0;
            i = 0;
            corpse_seen = 0;
            do
            :: i < SLOTS -> busy[i] = 0; i++
            :: else -> break
            od;
            i = 0
        }
        if
        :: s != NONE ->
#ifndef MUTANT_HEADER_NOT_INVALIDATED
            header[w * SLOTS + s] = 0;
            MAY_DIE_W;
#endif
#ifdef MUTANT_EARLY_LATEST
            latest[w] = g * SLOTS + s;
#endif
            part0[w * SLOTS + s] = g; /* W3 */
            MAY_DIE_W;
            part1[w * SLOTS + s] = g;
            MAY_DIE_W;
            header[w * SLOTS + s] = g;
            MAY_DIE_W;
            latest[w] = g * SLOTS + s; /* W4 */
            MAY_DIE_W;
#ifndef MUTANT_NO_WAKE
            d_step { wake_all() }
#endif
            g++;
            d_step { i = 0; s = 0 }
        :: else
        fi
    od;
    goto done;

crash:
    skip;
    d_step {
        w++;
        s = 0;
#ifdef MUTANT_GENERATION_RESTARTS
        g = 1;
#else
        g = latest[w - 1] / SLOTS + 1;
#endif
        boards = w + 1;
        i = 0;
        do /* the hang-up ends every wait */
        :: i < READERS ->
#ifndef MUTANT_NO_WAKE_ON_WRITER_CRASH
            asleep[i] = 0;
#endif
            i++
        :: else -> break
        od;
        i = 0
    }
    goto start;
done:
    skip
}

active [READERS] proctype Reader()
{
    byte me = _pid - 1, b, l, again, x, y, z;
    byte have;   /* generation in use by this incarnation */
    byte newest; /* ghost: by any incarnation */

start:
    do
    :: have >= VERSIONS -> break
    :: else ->
        b = boards - 1;
        l = latest[b]; /* R1 */
        if
        :: l / SLOTS <= have -> goto wait
        :: else
        fi;
repin:
#ifdef MUTANT_PIN_AFTER_CHECK
        again = latest[b];
        if
        :: again != l -> l = again; goto repin
        :: else
        fi;
        MAY_DIE_R;
        pin[me] = l;
#else
#ifndef MUTANT_NO_PIN
        pin[me] = l; /* R2 */
#endif
        MAY_DIE_R;
#ifndef MUTANT_NO_RECHECK
        again = latest[b]; /* R4; R3 is its fence */
        if
        :: again != l -> l = again; goto repin
        :: else
        fi;
#endif
#endif
        MAY_DIE_R;
        x = part0[S(b, l)]; /* R5 */
        MAY_DIE_R;
        y = part1[S(b, l)];
        z = header[S(b, l)];
        if
#ifdef MUTANT_NO_GENERATION_CHECK
        :: true ->
#else
        :: z == l / SLOTS ->
#endif
            assert(x == l / SLOTS && y == l / SLOTS);
            assert(l / SLOTS > have && l / SLOTS >= newest);
            have = l / SLOTS;
            newest = have
        :: z != l / SLOTS -> /* discarded, acquired again */
            assert(ignored[me])
        fi;
        d_step { x = 0; y = 0; z = 0; again = 0; l = 0 }
        if
        :: pin[me] = NONE /* R6 */
        :: true /* kept until the next version is pinned in its place */
        fi;
        MAY_DIE_R;
        goto next;
wait:
#ifndef MUTANT_NO_WAIT_FLAG
        wants_new[me] = 1;
#endif
        MAY_DIE_R;
#ifdef MUTANT_WAIT_WITHOUT_COMPARE
        asleep[me] = b + 1;
        asleep[me] == 0;
#else
        if /* futex_wait compares, then sleeps, in one step */
        :: atomic { b == boards - 1 && latest[b] == l -> asleep[me] = b + 1 };
            asleep[me] == 0
        :: atomic { b != boards - 1 || latest[b] != l -> skip }
        fi;
#endif
        wants_new[me] = 0;
        l = 0;
next:
        skip
    od;
    goto done;

crash:
    skip;
    d_step { /* a new page; the old pin is counted until the hang-up is noticed */
        corpse[me] = pin[me];
        pin[me] = NONE;
        wants_new[me] = 0;
        have = 0; l = 0; again = 0; x = 0; y = 0; z = 0
    }
    goto start;
done:
    skip;
    d_step { pin[me] = NONE; readers_done++ }
}

/* The hub: notices hang-ups, in its own time; may also give up a reader that lives. */
active proctype Hub()
{
    byte i;
end:
    do
#ifndef MUTANT_CORPSE_COUNTED_FOREVER
    :: atomic { corpse[0] != NONE -> corpse[0] = NONE }
#if READERS > 1
    :: atomic { corpse[1] != NONE -> corpse[1] = NONE }
#endif
#endif
    :: atomic { given_up > 0 -> given_up--; ignored[0] = 1 }
    od
}

#ifdef LIVENESS
ltl live { <> (readers_done == READERS) }
#endif
