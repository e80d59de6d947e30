/* quarantine.h: the records and rings that were refused, for people to look at:
 * RUN/quarantine.jsonl.
 *
 *     {"format":1,"spec":"pawl-spec 1\n..."}
 *     {"actor":0,"epoch":"9f...","sequence":412,"lane":0,"episode":3,"step":12,"flags":1,
 *      "version":7,"reason":"obs.state[3] is nan","bytes":96,"data":"0000c07f..."}
 *
 *     {"actor":1,"epoch":"07...","sequence":90,"reason":"writer under quarantine: ...",
 *      "bytes":320,"data":"6400000..."}
 *
 * data is the record as it lay in its ring, in hexadecimal, at most its first
 * PAWL_QUARANTINE_DATA_BYTES; the spec of the first line says what lies where. A line without a
 * lane is of a ring that is not read any more: data is its evidence (pawl_ring_evidence()). The
 * file is made with the first line and grows to PAWL_QUARANTINE_BYTES_MAX, over all lives of
 * the learner: what is refused after that is only counted, as is what finds no room while lines
 * wait for a sync (linefile.h). A record that is refused once more because its learner died
 * before the commit stands there twice.
 *
 * Nothing in here fails: without the file the run goes on. Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_QUARANTINE_H
#define PAWL_LEARNER_QUARANTINE_H

#include "learner/keeper.h"
#include "runtime/io.h"
#include "runtime/linefile.h"
#include "runtime/spec.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_QUARANTINE_NAME       "quarantine.jsonl"
#define PAWL_QUARANTINE_BYTES_MAX  (1u << 20)
#define PAWL_QUARANTINE_DATA_BYTES 4096u

/* Where a record came from and why it was refused. */
struct pawl_quarantine_case {
    uint32_t actor;
    const uint8_t *epoch; /* PAWL_HUB_EPOCH_BYTES */
    uint64_t sequence;
    const struct pawl_ring_record *record; /* NULL: it is the ring that is refused */
    const unsigned char *data;
    size_t data_bytes;
    const char *reason;
};

/* Where it is. */
struct pawl_quarantine_cfg {
    struct pawl_io *io;
    const char *folder; /* of the run */
    const struct pawl_spec *spec;
    struct pawl_keeper *keeper; /* syncs the file; NULL: open does, and then nobody */
};

/* Zeroed: closed. */
struct pawl_quarantine {
    struct pawl_linefile file;
    struct pawl_keeper *keeper;
    char *line; /* with room for lines that wait for a sync behind it */
    size_t waiting_bytes;
    bool is_over; /* full, or it could not be written: said once */
};

void pawl_quarantine_add(struct pawl_quarantine *quarantine,
                         const struct pawl_quarantine_cfg *cfg,
                         const struct pawl_quarantine_case *refused);

/* Each turn of the loop: writes what waited, once it may. */
void pawl_quarantine_turn(struct pawl_quarantine *quarantine);

void pawl_quarantine_close(struct pawl_quarantine *quarantine);

#endif
