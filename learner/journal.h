/* journal.h: a store's frames on the disk, written behind the learner's back.
 *
 *     pawl_journal_load(io, "runs/x/replay", &replay, head, &loaded, &err);    at a resume
 *     pawl_journal_open(&journal, &cfg, &replay, &err);
 *     for (;;) {
 *         ... put, commit ...
 *         pawl_journal_poll(&journal, pawl_clock_now_ns());      once per turn, never waits
 *     }
 *     pawl_journal_flush(&journal, deadline_ns);                 at an orderly end
 *     pawl_journal_close(&journal);
 *
 * A folder holds files 000000000000.journal, 000000000001.journal, ... in the order in which
 * they were made. Each only grows:
 *
 *     [header: magic, version, sizes, crc32c][spec text, to 8 bytes]
 *     [chunk: magic, first number, frames, bytes, crc32c of both][frames]...
 *
 * A frame is a slot of the store as it is there, written from its memory: nothing is copied,
 * and committed frames alone are written. If new frames have lapped a chunk while it was under
 * way, it is written over and counted as dropped; what it held has left the window. A chunk
 * that begins below the end of an earlier one takes the earlier frames from there on back: so a
 * run that was resumed from an older checkpoint goes on writing. An empty chunk does that
 * alone, before the resumed run writes any. What follows a torn chunk in its file does not
 * count.
 *
 * Files whose frames have all left the window are removed. A disk that is full or broken costs
 * nothing but the frames on it: it is said once per period, tried again, and what the store
 * still has is written then. After a failed sync the frames since the last good one are written
 * again, into a new file.
 *
 * The same form, in one file, holds demonstrations (replay.offline, `pawl record`).
 *
 * Thread safety: the store's thread.
 */
#ifndef PAWL_LEARNER_JOURNAL_H
#define PAWL_LEARNER_JOURNAL_H

#include "learner/replay.h"
#include "runtime/err.h"
#include "runtime/io_queue.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_JOURNAL_FOLDER         "replay"         /* of a run */
#define PAWL_JOURNAL_OFFLINE_FOLDER "replay-offline" /* likewise, for that store */
#define PAWL_JOURNAL_SUFFIX         ".journal"
#define PAWL_JOURNAL_FILES_MAX      4096u

struct pawl_journal_cfg {
    struct pawl_io *io;
    enum pawl_io_queue_kind queue_kind;
    const char *folder;       /* is made when it is not there; copied */
    uint64_t chunk_bytes_max; /* of one write; a single frame may be larger */
    uint64_t file_bytes_max;  /* a new file then */
    uint64_t write_period_ns; /* frames wait so long for others, if they are few */
    uint64_t sync_period_ns;
    uint64_t retry_period_ns; /* after a failure */
    bool is_looked_for_later; /* see pawl_journal_open() */
};

/* Since open. */
struct pawl_journal_counts {
    uint64_t frames, chunks, bytes, syncs, files;
    uint64_t dropped; /* frames: lapped while being written, or before there was time */
    uint64_t failures;
    uint64_t removed_files;
};

struct pawl_journal_state; /* in journal.c */

/* Zeroed: closed. */
struct pawl_journal {
    const struct pawl_replay *replay; /* borrowed */
    struct pawl_journal_state *state; /* NULL: closed */
    struct pawl_journal_counts counts;
    struct pawl_err failure; /* the last; code 0: none, or it has gone */
};

/* Without io, folder: to be set. */
struct pawl_journal_cfg pawl_journal_default_cfg(void);

/* Finds the end of what is there, cuts a torn tail off, and goes on from there or from the
 * store's head, whichever is lower. A journal of another spec is refused. Reads the last file,
 * and waits for the disk; with is_looked_for_later it returns at once and all this goes on
 * beside the caller. Nothing is written before it has ended, and where it fails that is logged
 * and tried again. */
int pawl_journal_open(struct pawl_journal *journal, const struct pawl_journal_cfg *cfg,
                      const struct pawl_replay *replay, struct pawl_err *err);

/* Looks after what is under way and begins what is due. Logs failures; never fails, never
 * waits. */
void pawl_journal_poll(struct pawl_journal *journal, uint64_t now_ns);

/* All committed frames are written and synced as soon as can be, without regard to the periods.
 * For a checkpoint, which is worth its replay once durable_head has reached its head. */
void pawl_journal_hurry(struct pawl_journal *journal);

/* Keeps what a resume at this head loads: for the oldest checkpoint that is of use. Without it,
 * or with PAWL_REPLAY_NONE, only the store's own window is kept. */
void pawl_journal_keep(struct pawl_journal *journal, uint64_t head);

/* A power cut loses no frame of the window below this number. */
uint64_t pawl_journal_durable_head(const struct pawl_journal *journal);

/* Hurries and waits until all is durable; -ETIMEDOUT, or the last failure. */
int pawl_journal_flush(struct pawl_journal *journal, uint64_t deadline_ns,
                       struct pawl_err *err);

/* Waits for what is under way, PAWL_IO_QUEUE_CLOSE_NS at most; what has not been begun is not
 * written. -ETIMEDOUT: the disk does not answer, which is logged; the journal's memory is left
 * to the end of the process, and so must the store's be. A zeroed one is left alone. */
int pawl_journal_close(struct pawl_journal *journal);

/* What came out of files. */
struct pawl_journal_loaded {
    uint64_t files, chunks;
    uint64_t frames;     /* put into the store */
    uint64_t empty;      /* places of the window for which there was none */
    uint64_t torn_files; /* with an end that does not count */
    char torn_text[256]; /* the first: file, offset, rule; empty: none */
};

/* Fills a store that is empty with the newest frames below `head`, under their numbers, and
 * goes on at `head`. PAWL_REPLAY_NONE: at the end of what is there. A folder that is not there
 * is empty. Refused, with file, offset and rule: another spec, and what is whole by its
 * checksum and cannot be. */
int pawl_journal_load(struct pawl_io *io, const char *folder, struct pawl_replay *replay,
                      uint64_t head, struct pawl_journal_loaded *loaded, struct pawl_err *err);

/* Puts all frames of one file behind those that are there. Strict: a torn file is refused too,
 * and one that has no transition. */
int pawl_journal_load_file(struct pawl_io *io, const char *path, struct pawl_replay *replay,
                           struct pawl_journal_loaded *loaded, struct pawl_err *err);

/* Whether it is one, by its beginning; who has no store yet asks so. */
int pawl_journal_check_file(struct pawl_io *io, const char *path, struct pawl_err *err);

/* Writes such a file. Zeroed: closed. */
struct pawl_journal_recorder {
    struct pawl_io *io;
    struct pawl_spec spec;
    int fd;
    unsigned char *chunk;
    uint64_t chunk_room, chunk_frames; /* frames */
    uint64_t slot_bytes;
    uint64_t next;         /* number of the next frame */
    uint64_t offset_bytes; /* end of what is written */
};

/* -EEXIST: nothing is overwritten. The spec is copied. */
int pawl_journal_recorder_open(struct pawl_journal_recorder *recorder, struct pawl_io *io,
                               const char *path, const struct pawl_spec *spec,
                               struct pawl_err *err);

/* Takes a frame; *number is its own, for `prev` of the next of the lane. */
int pawl_journal_recorder_put(struct pawl_journal_recorder *recorder,
                              const struct pawl_replay_frame *frame, const void *payload,
                              uint64_t *number, struct pawl_err *err);

/* Writes what waits and makes the file durable; closes in any case. A zeroed one is left alone.
 */
int pawl_journal_recorder_close(struct pawl_journal_recorder *recorder, struct pawl_err *err);

#endif
