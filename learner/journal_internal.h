/* journal_internal.h: the writer of a journal, as journal.c and journal_open.c see it. */
#ifndef PAWL_LEARNER_JOURNAL_INTERNAL_H
#define PAWL_LEARNER_JOURNAL_INTERNAL_H

#include "learner/journal.h"
#include "learner/journal_file.h"
#include "runtime/errand.h"

#include <limits.h>

#define PAWL_JOURNAL_OPS_MAX 8u

/* A file of the folder. */
struct pawl_journal_entry {
    uint64_t sequence;
    uint64_t end; /* behind its highest frame number */
};

/* What a folder holds: looked for beside the store's thread, since files are read and synced
 * for it. */
struct pawl_journal_found {
    struct pawl_io *io;
    char folder[PATH_MAX];
    struct pawl_spec spec; /* of the store */
    uint64_t head;         /* likewise, when it began */
    int folder_fd;
    struct pawl_journal_entry *entries;
    uint32_t entry_count;
    char name[PAWL_JOURNAL_NAME_BYTES];
    bool has_file, has_synced; /* as below, as is take_back_at */
    uint64_t take_back_at;
    uint64_t offset_bytes;
    uint64_t next; /* PAWL_REPLAY_NONE: no chunk anywhere */
    uint64_t next_sequence;
};

enum pawl_journal_chain {
    PAWL_JOURNAL_CHAIN_NONE,
    PAWL_JOURNAL_CHAIN_FILE,
    PAWL_JOURNAL_CHAIN_CLOSE,
    PAWL_JOURNAL_CHAIN_CHUNK,
    PAWL_JOURNAL_CHAIN_SYNC,
    PAWL_JOURNAL_CHAIN_REMOVE,
};

struct pawl_journal_state {
    struct pawl_journal_cfg cfg;
    char folder[PATH_MAX];
    int folder_fd; /* -1: what the folder holds is not known yet, and nothing is written */
    struct pawl_errand errand; /* which finds out */
    struct pawl_journal_found *found;
    struct pawl_io_queue queue;
    uint64_t slots_lost_count; /* of the queue, when it was last looked at */

    struct pawl_journal_entry *entries; /* by age; the last one is written when has_file */
    uint32_t entry_count;

    /* The file that is written. */
    bool has_file;   /* it is the last of entries; made or about to be */
    bool is_open;    /* in the queue's slot */
    bool has_header; /* durable, with its name and, where one is due, what it takes back */
    bool has_synced; /* chunks of it are durable */
    bool is_spoilt;  /* a sync of it failed: not to be used again */
    uint64_t offset_bytes;

    uint64_t next;        /* first frame that is not written */
    uint64_t durable;     /* first frame that a power cut could take */
    uint64_t hurry_until; /* frames below are to be durable soon */
    uint64_t keep_head;
    uint64_t take_back_at; /* the next new file begins with that; PAWL_REPLAY_NONE: nothing */
    uint64_t next_sequence;

    enum pawl_journal_chain chain;
    unsigned op_count;
    struct pawl_io_op ops[PAWL_JOURNAL_OPS_MAX];
    struct pawl_journal_chunk chunk; /* in flight */
    unsigned char header[PAWL_JOURNAL_HEADER_BYTES_MAX];
    size_t header_bytes;
    char name[PAWL_JOURNAL_NAME_BYTES]; /* of the file that is written */
    char old_name[PAWL_JOURNAL_NAME_BYTES];

    uint64_t write_ns, sync_ns; /* when the last was begun */
    uint64_t retry_ns;          /* nothing is begun before */
};

/* Begins to find out what the folder holds; and takes what was found, or says why nothing was.
 */
int pawl_journal_begin_look(struct pawl_journal *journal, struct pawl_err *err);
int pawl_journal_end_look(struct pawl_journal *journal, struct pawl_err *err);

#endif
