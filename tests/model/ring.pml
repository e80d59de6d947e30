/* ring.pml: one producer, one consumer, both killed at any step and started again.
 *
 * What is modelled, one statement per step of shm/ring: P1-P6 with a two-part payload, the
 * doorbell (a latch) behind the waiter word, C1-C4 with a tail that may be published late, the
 * blocked producer behind space_waiter and a futex on the mirror of tail.
 *
 * Who survives what: a ring belongs to one incarnation of the producer (e); a new incarnation
 * has a new ring, the dead one is drained to its last committed record. The learner's page and
 * its ACK pages belong to one incarnation of the consumer (c); a new one starts at the final
 * tails of the dead one, and the producer goes over to the new pages when it hears of them.
 * dead[], rings, learners and finished[] are what the supervisor knows and passes on.
 *
 * Promised: nothing torn, nothing skipped, nothing delivered twice by one incarnation, every
 * committed record delivered in the end, no sleep without a wake although nothing here has a
 * timeout. -DMUTANT_x builds the protocol with one mistake; run.sh wants each one found.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef RECORDS
#define RECORDS 3 /* committed in all, over all incarnations */
#endif
#ifndef PRODUCER_CRASHES
#define PRODUCER_CRASHES 1
#endif
#ifndef CONSUMER_CRASHES
#define CONSUMER_CRASHES 1
#endif
#define RINGS    (PRODUCER_CRASHES + 1)
#define LEARNERS (CONSUMER_CRASHES + 1)

#ifdef MUTANT_ONE_SLOT_TOO_MANY
#define ROOM (SLOTS + 1)
#else
#define ROOM SLOTS
#endif

/* The ring of incarnation e: slot words and payload, then the producer page. */
byte word[RINGS * SLOTS], part0[RINGS * SLOTS], part1[RINGS * SLOTS];
byte resv[RINGS], head[RINGS];
bit space_waiter[RINGS];

/* The pages of incarnation c of the consumer. */
byte tail[LEARNERS * RINGS], mirror[LEARNERS * RINGS];
bit waiter[LEARNERS];

/* Kernel objects: the doorbell (eventfd: a latch) and the producer inside futex_wait. */
bit bell, asleep;

/* What the supervisor knows. */
byte rings = 0, learners = 1;
bit dead[RINGS], drained[RINGS], finished;

/* Ghosts: what was promised. */
byte committed[RINGS], delivered[RINGS], committed_all;
byte producer_crashes = PRODUCER_CRASHES, consumer_crashes = CONSUMER_CRASHES;

#define SLOT(k)    (e * SLOTS + ((k) - 1) % SLOTS)
#define ACK        (page * RINGS + e)
#define MARK(k)    ((k) + 16 * (e + 1))
#define MAY_DIE_P                                                                              \
    if                                                                                         \
    :: producer_crashes > 0 -> producer_crashes--; goto crash                                  \
    :: true                                                                                    \
    fi
#define MAY_DIE_C                                                                              \
    if                                                                                         \
    :: consumer_crashes > 0 -> consumer_crashes--; goto crash                                  \
    :: true                                                                                    \
    fi

inline commit_word()
{
    d_step {
        assert(k == committed[e] + 1);
        word[SLOT(k)] = k;
        committed[e] = k;
        committed_all++
    }
}

active proctype Producer()
{
    byte e, k, page, seen;

start:
    skip;
    d_step { rings = e + 1; bell = 1 } /* hello: the new ring is announced */
#ifdef MUTANT_REUSE_RING
    k = head[e] + 1;
#else
    k = 1;
#endif
    do
    :: committed_all == RECORDS -> break
    :: else ->
again:
        if
        :: page != learners - 1 -> /* a new learner's pages, noticed now or later */
            page = learners - 1;
#ifndef MUTANT_NO_BELL_ON_NEW_PAGE
            bell = 1; /* it could not see what was committed under the old pages */
#endif
            goto again
        :: k - 1 - tail[ACK] < ROOM /* P1 */
        :: page == learners - 1 && k - 1 - tail[ACK] >= ROOM ->
#ifndef MUTANT_MISSING_SPACE_RECHECK
            seen = mirror[ACK];
#endif
#ifndef MUTANT_NO_SPACE_FLAG
            space_waiter[e] = 1;
#endif
            MAY_DIE_P;
#ifdef MUTANT_MISSING_SPACE_RECHECK
            seen = mirror[ACK];
#else
            if
            :: k - 1 - tail[ACK] < ROOM -> space_waiter[e] = 0; goto again
            :: else
            fi;
#endif
            if
            :: atomic { mirror[ACK] == seen && page == learners - 1 -> asleep = 1 };
                !asleep
            :: atomic { mirror[ACK] != seen || page != learners - 1 -> skip }
            fi;
            space_waiter[e] = 0;
            MAY_DIE_P;
            goto again
        fi;
        resv[e] = k; /* P2 */
        MAY_DIE_P;
#ifdef MUTANT_EARLY_COMMIT
        commit_word();
        MAY_DIE_P;
#endif
        part0[SLOT(k)] = MARK(k);
        MAY_DIE_P;
        part1[SLOT(k)] = MARK(k); /* P3 */
        MAY_DIE_P;
#ifndef MUTANT_EARLY_COMMIT
        commit_word(); /* P4 */
        MAY_DIE_P;
#endif
        head[e] = k; /* P5 */
        MAY_DIE_P;
        if /* P6 */
#ifdef MUTANT_NO_DOORBELL
        :: false -> skip
#else
        :: waiter[page] -> MAY_DIE_P; bell = 1
#endif
        :: else
        fi;
        k++
    od;
    skip;
    d_step { finished = 1; dead[e] = 1; bell = 1 } /* goodbye */
    goto done;

crash:
    skip;
    /* The socket hangs up: the supervisor marks the ring, the learner's wait ends. */
#ifdef MUTANT_REUSE_RING
    bell = 1;
#else
    if
    :: true
    :: finished = 1 /* the supervisor will not start it again */
    fi;
    d_step {
        dead[e] = 1;
#ifndef MUTANT_NO_WAKE_ON_PRODUCER_CRASH
        bell = 1;
#endif
        asleep = 0
    }
    if
    :: finished -> goto done
    :: else -> e++
    fi;
#endif
    goto start;
done:
    skip
}

/* C3: tail, its futex mirror, then the wake of a producer that said it waits. */
inline publish_tail()
{
#ifdef MUTANT_MIRROR_FIRST
    mirror[ACK] = t;
    MAY_DIE_C;
    tail[ACK] = t;
#else
    tail[ACK] = t;
    MAY_DIE_C;
    mirror[ACK] = t;
#endif
    MAY_DIE_C;
#ifndef MUTANT_NO_SPACE_WAKE
    if
    :: space_waiter[e] -> MAY_DIE_C; asleep = 0
    :: else
    fi
#endif
}

active proctype Consumer()
{
    byte e, t, page;
    bit is_dead;

start:
    do /* the first ring that is not drained, from the tail the dead learner left */
    :: e < RINGS && drained[e] -> e++
    :: else -> break
    od;
attach:
    if
    :: e == RINGS -> goto done
    :: e < RINGS -> t = tail[ACK]
    fi;
    do
    :: finished && e >= rings -> goto done
    :: else ->
        if
        :: e >= rings -> (bell == 1); bell = 0 /* no ring yet: wait for a hello */
        :: e < rings ->
            /* a hang-up seen before the ring was found empty is what "drained" may rest on */
#ifndef MUTANT_DEATH_SEEN_AFTER_EMPTY
            is_dead = dead[e];
#endif
            if
            :: word[SLOT(t + 1)] == t + 1 -> /* C1 */
#ifdef MUTANT_TAIL_BEFORE_USE
                tail[ACK] = t + 1;
                mirror[ACK] = t + 1;
#endif
                /* C2 reads twice: the producer must leave the slot alone in between */
                assert(part0[SLOT(t + 1)] == MARK(t + 1));
                assert(part1[SLOT(t + 1)] == MARK(t + 1));
                d_step {
                    assert(t + 1 <= delivered[e] + 1);
                    assert(t + 1 > delivered[e] || page > 0);
                    delivered[e] = (t + 1 > delivered[e] -> t + 1 : delivered[e])
                }
                MAY_DIE_C;
                assert(part0[SLOT(t + 1)] == MARK(t + 1));
                t++;
                if
                :: publish_tail()
                :: true /* later, together with the next */
                fi
            :: word[SLOT(t + 1)] != t + 1 ->
#ifdef MUTANT_DEATH_SEEN_AFTER_EMPTY
                is_dead = dead[e];
#endif
#ifdef MUTANT_NO_DRAIN
                is_dead = is_dead || rings > e + 1;
#endif
#ifndef MUTANT_NO_TAIL_FLUSH
                if
                :: tail[ACK] != t -> publish_tail()
                :: else
                fi;
#endif
                if
                :: is_dead -> /* nothing can be added any more, and all of it was read */
                    d_step {
                        assert(delivered[e] == committed[e]);
                        drained[e] = 1
                    }
                    MAY_DIE_C;
                    e++;
                    goto attach
                :: else ->
                    waiter[page] = 1; /* C4 */
                    MAY_DIE_C;
                    if
#ifndef MUTANT_MISSING_RECHECK
                    :: word[SLOT(t + 1)] == t + 1
                    :: word[SLOT(t + 1)] != t + 1 ->
#else
                    :: true ->
#endif
#ifdef MUTANT_BELL_CLEARED_LATE
                        bell = 0;
#endif
                        (bell == 1);
                        bell = 0
                    fi;
                    waiter[page] = 0;
                    MAY_DIE_C
                fi
            fi
        fi
    od;

crash:
    skip;
    /* The next learner: new pages that start at the final tails; the producers are told, and
     * one that sleeps on a page of the dead learner is woken by the hang-up. */
    d_step {
        page++;
        e = 0;
        do
        :: e < RINGS ->
#ifdef MUTANT_RESUME_FROM_RESV
            tail[ACK] = resv[e];
#else
#ifdef MUTANT_RESUME_FROM_ZERO
            tail[ACK] = 0;
#else
            tail[ACK] = tail[ACK - RINGS];
#endif
#endif
            mirror[ACK] = tail[ACK];
            e++
        :: else -> break
        od;
        e = 0;
        learners = page + 1;
#ifndef MUTANT_NO_WAKE_ON_CONSUMER_CRASH
        asleep = 0
#endif
    }
    goto start;
done:
    assert(committed_all == RECORDS || producer_crashes < PRODUCER_CRASHES)
}

#ifdef LIVENESS
ltl live { <> (finished && drained[rings - 1]) }
#endif
