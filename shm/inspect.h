/* inspect.h: what a run's shared memory says, read without a trace.
 *
 *     struct pawl_inspect inspect;
 *     pawl_inspect_open(&inspect, "runs/2026-05-14/12-00_reach", &err);
 *     pawl_inspect_look(&inspect);                 once for sums and ages, twice for rates
 *     pawl_inspect_print(&inspect, stdout, false); or pawl_inspect_json()
 *     pawl_inspect_close(&inspect);
 *
 * RUN is a run folder, its runtime folder, or the number of a process of the run. The segments
 * come from the hub, as to any other program. Where it does not answer, or is dead, they are
 * found without anybody's help: whatever segments the process holds, which other processes hold
 * one of these, what else those hold, and so on; that is the run. Of a folder whose supervisor
 * has ended it begins with the processes that use a file of it. Only segments that somebody
 * still has a descriptor of can be opened this way, maps alone need more privileges.
 *
 * All maps are read-only: whatever is found there, the run cannot be disturbed. Nothing in it
 * is trusted: what is broken is shown as broken, in a sentence. Each number is right for
 * itself; the sums are taken where the numbers stood still.
 *
 * Thread safety: one thread per inspector.
 */
#ifndef PAWL_SHM_INSPECT_H
#define PAWL_SHM_INSPECT_H

#include "runtime/err.h"
#include "shm/board.h"
#include "shm/peer.h"
#include "shm/ring.h"
#include "shm/stats.h"

#include <stdio.h>
#include <sys/types.h>

#define PAWL_INSPECT_SEGMENTS_MAX 4096u
#define PAWL_INSPECT_OWNER_BYTES  48u

/* In a run folder, leads to its runtime folder where that is another one. */
#define PAWL_INSPECT_RUNTIME_NAME "runtime"

/* A program that says nothing for so long makes no progress. */
#define PAWL_INSPECT_SILENT_NS 2000000000ull

/* Not known: in times, and in numbers of processes that have none. */
#define PAWL_INSPECT_UNKNOWN UINT64_MAX

/* What becomes of a segment's owner. */
enum pawl_inspect_state {
    PAWL_INSPECT_RUNNING,
    PAWL_INSPECT_SILENT,  /* alive, but its heartbeat is old */
    PAWL_INSPECT_STOPPED, /* by SIGSTOP or a debugger */
    PAWL_INSPECT_ENDED,
};

/* One sum of shm/ring.h, over numbers that stood still. */
struct pawl_inspect_rule {
    uint64_t left, right;
    bool is_moving; /* the numbers did not stand still, or their writer was halted on its way */
    bool is_broken;
};

struct pawl_inspect_ring {
    struct pawl_ring_geometry geometry;
    struct pawl_ring_counts counts;
    bool has_reader;
    uint64_t in_ring;
    uint64_t lag_ns;                         /* age of the oldest record that waits */
    double rate_hz, bytes_hz, blocked_share; /* since the look before; negative: none */
    uint64_t pin_word;                       /* PAWL_PIN_NONE: nothing is pinned */
    uint64_t version;        /* generation of the parameters last acquired, 0: none */
    uint64_t behind_count;   /* versions published since */
    uint64_t version_age_ns; /* since it was published, or at least so long */
    uint64_t heartbeat_age_ns;
    struct pawl_inspect_rule attempted, committed;

    /* Of the look before. */
    uint64_t look_ns, last_committed, last_bytes, last_blocked_ns;
};

struct pawl_inspect_board {
    struct pawl_board_geometry geometry;
    struct pawl_board_counts counts;
    uint64_t age_ns; /* of the last publication */
    uint32_t tensor_count;
};

/* Of a reader's segment of acknowledgements. */
struct pawl_inspect_acks {
    uint64_t sleeps, spurious, late_wakes, heartbeat_age_ns;
    bool is_asleep;
};

struct pawl_inspect_segment {
    dev_t device; /* with inode: which file, whoever told of it */
    ino_t inode;
    uint64_t id; /* the hub's name; 0: not from a hub */
    uint32_t role, index;
    uint64_t acks_id; /* of a ring: where the hub says it is acknowledged; 0: unknown */
    uint32_t acks_page;
    bool is_gone; /* the hub says that its owner has ended */

    char owner[PAWL_INSPECT_OWNER_BYTES]; /* fit to be printed */
    enum pawl_inspect_state state;
    char problem[256];           /* why it cannot be read; empty: it can */
    struct pawl_segment segment; /* not mapped when there is a problem, and for a store */
    struct pawl_stats_view stats;
    union {
        struct pawl_inspect_ring ring;
        struct pawl_inspect_board board;
        struct pawl_inspect_acks acks;
    };
};

/* Zeroed: closed. */
struct pawl_inspect {
    struct pawl_inspect_segment *segments;
    uint32_t segment_count, segment_room;
    char run[256];           /* as people call it */
    char note[512];          /* how the segments were found, when not from the hub */
    uint32_t seed_pid;       /* where the search begins; 0: none */
    char *seed_folder;       /* likewise, with those that use this run folder; NULL: none */
    uint32_t unopened_count; /* only mapped by others, and not ours to open */
    struct pawl_peer peer;
    uint64_t look_ns; /* of the last look; 0: none yet */
};

/* Finds the run. -EINVAL: RUN is no folder and no process; -ENOENT: there is no shared memory
 * of a run there (any more). Both say what to do. */
int pawl_inspect_open(struct pawl_inspect *inspect, const char *run, struct pawl_err *err);

/* Adds one segment; fd stays the caller's. offer: what the hub says of it, or NULL. A segment
 * that is there already is left as it is; one that cannot be read is added with its problem. */
int pawl_inspect_add(struct pawl_inspect *inspect, int fd, const struct pawl_hub_offer *offer,
                     struct pawl_err *err);

/* Hears the hub, or searches again, and reads all figures. */
void pawl_inspect_look(struct pawl_inspect *inspect);

/* Whether the owner of any segment is still there. */
bool pawl_inspect_is_live(const struct pawl_inspect *inspect);

/* The acknowledgement page of a ring, NULL while nobody reads it. */
const struct pawl_ring_ack *pawl_inspect_ack(const struct pawl_inspect *inspect,
                                             const struct pawl_inspect_segment *ring);

/* Whether the ring's pin holds a version of this board, and in which slot. */
bool pawl_inspect_pins(const struct pawl_inspect_segment *board,
                       const struct pawl_inspect_segment *ring, uint32_t *slot_index);

/* Tables of at most 80 columns. Without has_color not one escape byte. */
void pawl_inspect_print(const struct pawl_inspect *inspect, FILE *out, bool has_color);

/* One object. indent_count as in runtime/json.h. */
int pawl_inspect_json(const struct pawl_inspect *inspect, FILE *out, unsigned indent_count,
                      struct pawl_err *err);

void pawl_inspect_close(struct pawl_inspect *inspect);

/* "running", ... */
const char *pawl_inspect_state_name(enum pawl_inspect_state state);

#endif
