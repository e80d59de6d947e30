/* checkpoint.h: a set of files becomes RUN/checkpoints/NNNNNN as a whole, or not at all, across
 * crashes and power cuts, while the caller goes on.
 *
 *     struct pawl_checkpoint saver;
 *     pawl_checkpoint_open(&saver, &setup, &err);
 *     ...
 *     if (pawl_checkpoint_is_due(&saver, now_ns, update_count))
 *         pawl_checkpoint_begin(&saver, update_count, score, files, file_count, now_ns, &err);
 *     ...
 *     switch (pawl_checkpoint_poll(&saver, &err)) {            once per turn of the loop
 *     case PAWL_CHECKPOINT_DONE:   committed; the bytes of the files are free again
 *     case PAWL_CHECKPOINT_FAILED: likewise free; err says why; older checkpoints are as before
 *     }
 *     ...
 *     pawl_checkpoint_close(&saver);
 *
 * The order: a temporary folder; each file allocated, then written and synced; its folders
 * synced; the manifest (sizes and CRC-32C of all files, spec hash, step, run) written last;
 * renamed to its number; `checkpoints` synced: only now it counts. Then `last` is replaced by a
 * link to it, and then what need not be kept is renamed to .trash-... and removed.
 *
 * A step that is saved again takes the place of the older one, the names being exchanged: at
 * any instant there is one or the other. On a file system that cannot exchange names there is a
 * moment with neither; the checkpoint before it is there.
 *
 * What is in `checkpoints` after any crash: complete numbered folders, perhaps .tmp-... and
 * .trash-... ones, which the next open removes. Who reads takes the newest valid one
 * (checkpoint_find.h); `last` is only a hint.
 *
 * A failure condemns the files of the attempt: nothing of it is synced again, the next attempt
 * writes new ones. No checkpoint is removed to make room. After a failure is_due() backs off,
 * and PAWL_CHECKPOINT_FAILURES_LOST of them in a row are a state of their own
 * (is_durability_lost): training goes on, and somebody has to be told.
 *
 * Fault points, each passed when its step begins; an error makes the step fail:
 *     checkpoint.mkdir checkpoint.allocate checkpoint.write checkpoint.sync checkpoint.manifest
 *     checkpoint.rename checkpoint.link checkpoint.trash checkpoint.remove
 *
 * Thread safety: an object belongs to one thread and is not used after fork() by the child. One
 * writer per run: who holds the run's lock.
 */
#ifndef PAWL_LEARNER_CHECKPOINT_H
#define PAWL_LEARNER_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "learner/checkpoint_cfg.h"
#include "runtime/err.h"
#include "runtime/io_queue.h"
#include "runtime/sha256.h"

#define PAWL_CHECKPOINT_FOLDER        "checkpoints"
#define PAWL_CHECKPOINT_LAST          "last"
#define PAWL_CHECKPOINT_MANIFEST      "pawl_manifest.json"
#define PAWL_CHECKPOINT_FILES_MAX     32u
#define PAWL_CHECKPOINT_PATH_BYTES    128u /* of a file inside, with the closing zero */
#define PAWL_CHECKPOINT_RUN_BYTES     256u /* of a run's name, likewise */
#define PAWL_CHECKPOINT_NAME_BYTES    24u  /* of a number, likewise */
#define PAWL_CHECKPOINT_ENTRIES_MAX   4096u
#define PAWL_CHECKPOINT_KEEP_MIN      2
#define PAWL_CHECKPOINT_FAILURES_LOST 3u

/* A file: its parts one after the other. Paths have at most two folders above the name. */
struct pawl_checkpoint_file {
    const char *path; /* "pretrained_model/config.json" */
    const struct iovec *parts;
    size_t part_count;
};

struct pawl_checkpoint_setup {
    struct pawl_io *io; /* stays the caller's */
    enum pawl_io_queue_kind queue;
    const char *run_path;
    const char *run; /* the run's name, for manifests */
    uint8_t spec_hash[PAWL_SHA256_BYTES];
    struct pawl_checkpoint_cfg cfg;

    /* The update the run goes on from. Checkpoints beyond it are of a past that was not taken
     * up (torn, rotten, or not asked for): they may be replaced. */
    uint64_t step;

    /* When the last one was begun that is committed, or the run, so that a writer that dies
     * again and again saves at last. 0: now, at `step`. */
    uint64_t begun_ns;
    uint64_t begun_step;

    /* How often training has gone back to an earlier state, over all of the run: what was saved
     * after that is newer than what was saved before, whatever their steps. */
    uint64_t rollback_count;

    size_t part_count_max; /* of one begin, all files together */

    bool is_looked_for_later; /* see pawl_checkpoint_open() */
};

enum pawl_checkpoint_state {
    PAWL_CHECKPOINT_IDLE,
    PAWL_CHECKPOINT_BUSY,   /* in flight, or old ones are being removed */
    PAWL_CHECKPOINT_DONE,   /* reported once */
    PAWL_CHECKPOINT_FAILED, /* likewise */
};

/* A numbered folder. */
struct pawl_checkpoint_entry {
    uint64_t step;
    uint64_t rollback_count;
    double score;      /* NaN: none */
    bool is_committed; /* else it may be replaced */
};

struct pawl_checkpoint_writer; /* checkpoint_writer.h */

/* Zeroed: closed. */
struct pawl_checkpoint {
    struct pawl_checkpoint_writer *writer;

    /* Since open; read by the owner's thread. */
    uint64_t done_count;
    uint64_t failed_count;
    uint64_t skipped_count;  /* begins refused since one was in flight */
    uint64_t removed_count;  /* old ones */
    uint64_t leftover_count; /* of dead writers, that open removed */
    uint64_t failures_in_row;
    uint64_t done_step;  /* of the last DONE */
    uint64_t done_bytes; /* likewise, of all its files */
    uint64_t took_ns;    /* likewise, from begin until it was noticed */
    uint64_t done_ns;    /* likewise, when */
    uint64_t begun_ns;   /* of the one under way or the last, by the owner's clock */

    /* What went wrong beside it: `last` could not be replaced, an old one not be removed. "":
     * nothing. The owner empties it when it has told; a save that begins does, too. */
    char warning[256];
};

/* Makes RUN/checkpoints if it is missing, removes leftovers, looks at what is there, and
 * allocates all that later begins need. With is_looked_for_later what waits for the disk goes
 * on beside the caller: until it has ended the saver is busy and nothing is due. Where it fails
 * that is reported as a FAILED save, and tried again. */
int pawl_checkpoint_open(struct pawl_checkpoint *saver,
                         const struct pawl_checkpoint_setup *setup, struct pawl_err *err);

/* Whether it is time, by [checkpoint] period_s and every_updates, whichever comes first, and
 * none is in flight (then it is counted as skipped). now_ns 0 (a deterministic run): time is
 * not looked at but for the pause after a failure, which doubles from one second up to a
 * minute. */
bool pawl_checkpoint_is_due(struct pawl_checkpoint *saver, uint64_t now_ns,
                            uint64_t update_count);

/* One that was due could not be begun: it counts as one that failed, and is_due() backs off. */
void pawl_checkpoint_note_unbegun(struct pawl_checkpoint *saver);

/* Training has gone back, so often in all. What was saved before may be of the state that it
 * went back from: a save is due as soon as none is in flight, and is the newest. */
void pawl_checkpoint_note_rollback(struct pawl_checkpoint *saver, uint64_t rollback_count);

/* Begins to save. The files' texts and bytes are borrowed until DONE or FAILED; a higher score
 * is better, NaN is none. One of the same step is replaced. -EBUSY while one is in flight
 * (counted as skipped), or one that was replaced is being removed. Nothing is allocated. */
int pawl_checkpoint_begin(struct pawl_checkpoint *saver, uint64_t step, double score,
                          const struct pawl_checkpoint_file *files, size_t file_count,
                          uint64_t now_ns, struct pawl_err *err);

/* Moves it on, in microseconds: a part of the checksums, a chain of file operations. Sets err
 * with FAILED. */
enum pawl_checkpoint_state pawl_checkpoint_poll(struct pawl_checkpoint *saver,
                                                struct pawl_err *err);

/* The same until it ends, or until deadline_ns (pawl_clock_now_ns()): BUSY then. For the end of
 * a run: the folder that could not be looked at is looked at again without a pause. */
enum pawl_checkpoint_state pawl_checkpoint_wait(struct pawl_checkpoint *saver,
                                                uint64_t deadline_ns, struct pawl_err *err);

bool pawl_checkpoint_is_busy(const struct pawl_checkpoint *saver);

/* PAWL_CHECKPOINT_FAILURES_LOST failures in a row or more: what is trained now would be lost.
 */
bool pawl_checkpoint_is_durability_lost(const struct pawl_checkpoint *saver);

/* Waits for the step in flight, PAWL_IO_QUEUE_CLOSE_NS at most, then gives up what is left of
 * the attempt. -ETIMEDOUT: the disk does not answer, which is logged; what is in flight, the
 * files' bytes too, is in use until the process ends. */
int pawl_checkpoint_close(struct pawl_checkpoint *saver);

/* The folder's name of a step: six digits at least. */
void pawl_checkpoint_name(uint64_t step, char name[PAWL_CHECKPOINT_NAME_BYTES]);

#endif
