/* checkpoint_writer.h: the inside of a saver, for checkpoint_open.c (the folder as it is
 * found), checkpoint.c (the states), checkpoint_steps.c (what a step does) and
 * checkpoint_keep.c (what may go). Nobody else includes it. */
#ifndef PAWL_LEARNER_CHECKPOINT_WRITER_H
#define PAWL_LEARNER_CHECKPOINT_WRITER_H

#include "learner/checkpoint_find.h"
#include "runtime/errand.h"

#define TEMP_PREFIX  ".tmp-"
#define TRASH_PREFIX ".trash-"
#define LAST_NEW     ".last-new"

#define FOLDERS_MAX (2 * PAWL_CHECKPOINT_FILES_MAX)
#define NAME_BYTES  (PAWL_CHECKPOINT_PATH_BYTES + 64) /* a path below a temporary folder */

enum step {
    STEP_RESTING,
    STEP_MKDIR,
    STEP_ALLOCATE,
    STEP_WRITE,
    STEP_SYNC,
    STEP_AWAIT_CHECKSUMS, /* the files are on the disk, their sums not yet complete */
    STEP_MANIFEST,
    STEP_RENAME,
    STEP_LINK,
    STEP_TRASH,
    STEP_REMOVE,
    STEP_ABANDON, /* removing the files of an attempt that failed */
};

struct pawl_checkpoint_found; /* in checkpoint_open.c */

struct pawl_checkpoint_writer {
    struct pawl_io *io;
    struct pawl_io_queue queue;
    int folder;                /* RUN/checkpoints; -1: what is in it is not known yet */
    struct pawl_errand errand; /* which finds out */
    struct pawl_checkpoint_found *found;
    char run_path[PATH_MAX];
    struct pawl_checkpoint_cfg cfg;
    uint64_t nonce; /* of the next temporary name */

    struct pawl_checkpoint_entry *entries;
    size_t entry_count;

    uint64_t taken_step;     /* which the run goes on from */
    uint64_t rollback_count; /* of what is begun from now on */
    bool is_wanted;          /* there is none with this count */

    /* When the last one was begun, by the owner's clocks. */
    uint64_t begun_step;
    uint64_t begun_ns;
    uint64_t retry_ns; /* not before, after a failure */

    /* The attempt. */
    enum step step;
    bool is_ended; /* the result is to be reported */
    bool is_temp_there;
    bool is_replacing;    /* a folder of this number is there */
    bool has_no_exchange; /* so it is set aside before the new one takes its name */
    bool is_renamed;
    bool has_replaced; /* what was replaced is to be removed */
    struct pawl_err failure;
    unsigned retry_count;
    uint64_t write_begun_ns;
    uint64_t total_bytes;
    struct pawl_checkpoint_file
        files[PAWL_CHECKPOINT_FILES_MAX]; /* the bytes are the caller's */
    struct pawl_checkpoint_manifest manifest;
    size_t crc_file, crc_part, crc_at; /* up to where the checksums are made */

    char temp_name[64];
    char final_name[PAWL_CHECKPOINT_NAME_BYTES];
    char trash_name[64];
    size_t folder_count;
    char folders[FOLDERS_MAX][PAWL_CHECKPOINT_PATH_BYTES]; /* inside; outer ones first */
    /* What operations name, below the temporary folder or the trashed one. */
    char file_names[PAWL_CHECKPOINT_FILES_MAX + 1][NAME_BYTES]; /* the manifest last */
    char folder_names[FOLDERS_MAX][NAME_BYTES];
    char manifest_text[PAWL_CHECKPOINT_MANIFEST_MAX];
    size_t manifest_bytes;

    bool is_trash_due; /* there may be checkpoints that need not be kept */
    int64_t victim;    /* its index in entries */

    /* The operations of the step, run in chains. */
    struct pawl_io_op *ops;
    size_t part_count_max;
    unsigned op_count_max;
    unsigned op_count;
    unsigned op_next;   /* the first that is not done */
    unsigned op_flight; /* how many from there are in the chain */
    bool is_in_flight;
};

/* Begins to find out what is in the folder; and takes what was found, or says why nothing was.
 */
int pawl_checkpoint_begin_survey(struct pawl_checkpoint *saver, struct pawl_err *err);
int pawl_checkpoint_end_survey(struct pawl_checkpoint *saver, struct pawl_err *err);

/* How many operations any step has at most. */
unsigned pawl_checkpoint_ops_max(size_t part_count_max);

/* Chooses the names of an attempt for the files of writer->manifest. */
int pawl_checkpoint_names(struct pawl_checkpoint_writer *writer, uint64_t step,
                          struct pawl_err *err);

/* Puts the operations of writer->step into writer->ops; none for a step that has none. */
int pawl_checkpoint_fill_ops(struct pawl_checkpoint_writer *writer);

/* What some file systems cannot do and durability can do without. */
bool pawl_checkpoint_is_dispensable(const struct pawl_io_op *op, int code);

void pawl_checkpoint_describe_op(const struct pawl_io_op *op, char *text, size_t text_bytes);
const char *pawl_checkpoint_step_name(enum step step);

/* Passes the fault point of the step; 0 or the errno value to fail with. */
int pawl_checkpoint_pass_fault(enum step step);

/* Of two numbered folders. */
bool pawl_checkpoint_is_newer(const struct pawl_checkpoint_entry *entry,
                              const struct pawl_checkpoint_entry *other);

/* The index of one that need not be kept, the oldest first; -1: there is none. Those that were
 * not taken up go only once they are older than what is kept. */
int64_t pawl_checkpoint_find_victim(const struct pawl_checkpoint_writer *writer);

#endif
