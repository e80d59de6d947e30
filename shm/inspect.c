#include "shm/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/run_folder.h"
#include "shm/inspect_find.h"
#include "shm/inspect_read.h"
#include "shm/process.h"

#define HUB_TIMEOUT_NS (2 * PAWL_NS_PER_S)
#define HUB_QUIET_MS   100 /* the hub says all it knows at once; there is no last word */
#define PATH_BYTES     4096

const char *pawl_inspect_state_name(enum pawl_inspect_state state)
{
    static const char *const names[] = {"running", "silent", "stopped", "ended"};
    return names[state];
}

/* --- one segment --- */

static struct pawl_inspect_segment *find_file(const struct pawl_inspect *inspect, dev_t device,
                                              ino_t inode)
{
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        if (inspect->segments[i].device == device && inspect->segments[i].inode == inode)
            return &inspect->segments[i];
    return NULL;
}

static struct pawl_inspect_segment *find_id(const struct pawl_inspect *inspect, uint64_t id)
{
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        if (id && inspect->segments[i].id == id)
            return &inspect->segments[i];
    return NULL;
}

static int map_ring(struct pawl_inspect_segment *to, int fd, struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_RING};
    int status = pawl_segment_attach(&to->segment, fd, &want, err);
    if (status == 0)
        status = pawl_ring_read_geometry(&to->ring.geometry, &to->segment.header, err);
    return status;
}

static int map_board(struct pawl_inspect_segment *to, int fd, struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_BOARD};
    struct pawl_manifest manifest = {0};
    int status = pawl_segment_attach(&to->segment, fd, &want, err);
    if (status == 0)
        status = pawl_board_read_geometry(&to->board.geometry, &to->segment.header, err);
    if (status == 0)
        status = pawl_board_read_manifest(&manifest, &to->segment, err);
    to->board.tensor_count = manifest.tensor_count;
    pawl_manifest_close(&manifest);
    return status;
}

/* Its content is its owner's business, and large: the header is all there is to see. */
static int read_store(struct pawl_inspect_segment *to, uint64_t file_bytes,
                      struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_STORE};
    int status = pawl_segment_check(&to->segment.header, file_bytes, &want, err);
    to->segment.total_bytes = to->segment.header.total_bytes;
    to->segment.page_bytes = to->segment.header.page_bytes;
    return status;
}

static int map_kind(struct pawl_inspect_segment *to, int fd, uint64_t file_bytes,
                    struct pawl_err *err)
{
    ssize_t got = pread(fd, &to->segment.header, sizeof(to->segment.header), 0);
    if (got != (ssize_t)sizeof(to->segment.header))
        return pawl_err_set(err, EPROTO, "a header of %zd bytes: must be %d", got,
                            PAWL_SEGMENT_HEADER_BYTES);
    int status;
    switch (to->segment.header.kind) { /* each way below checks the whole header */
    case PAWL_SEGMENT_RING:
        return map_ring(to, fd, err);
    case PAWL_SEGMENT_ACK:
        return pawl_ring_acks_attach(&to->segment, fd, err);
    case PAWL_SEGMENT_BOARD:
        return map_board(to, fd, err);
    case PAWL_SEGMENT_STATS:
        status = pawl_stats_attach(&to->stats, fd, err);
        if (status)
            return status;
        to->segment.header = to->stats.segment.header;
        to->segment.total_bytes = to->stats.segment.total_bytes;
        to->segment.page_bytes = to->stats.segment.page_bytes;
        return 0;
    default:
        return read_store(to, file_bytes, err);
    }
}

static void name_owner(struct pawl_inspect_segment *to, const struct pawl_hub_offer *offer)
{
    char label[PAWL_SEGMENT_LABEL_BYTES] = {0};
    memcpy(label, to->segment.header.label, sizeof(label) - 1);
    if (offer)
        snprintf(to->owner, sizeof(to->owner), "%s %u", pawl_role_name(offer->role),
                 offer->index);
    else
        pawl_hub_set_text(to->owner, sizeof(to->owner), label[0] ? label : "unnamed");
}

static void unmap(struct pawl_inspect_segment *segment)
{
    pawl_segment_close(&segment->segment);
    pawl_stats_detach(&segment->stats);
}

static struct pawl_inspect_segment *new_segment(struct pawl_inspect *inspect,
                                                struct pawl_err *err)
{
    if (inspect->segment_count == PAWL_INSPECT_SEGMENTS_MAX) {
        pawl_err_set(err, E2BIG, "more than %u segments", PAWL_INSPECT_SEGMENTS_MAX);
        return NULL;
    }
    if (inspect->segment_count == inspect->segment_room) {
        uint32_t room = inspect->segment_room ? 2 * inspect->segment_room : 16;
        struct pawl_inspect_segment *all =
            realloc(inspect->segments, room * sizeof(*inspect->segments));
        if (!all) {
            pawl_err_set(err, ENOMEM, "list of segments: out of memory");
            return NULL;
        }
        inspect->segments = all;
        inspect->segment_room = room;
    }
    struct pawl_inspect_segment *segment = &inspect->segments[inspect->segment_count++];
    *segment =
        (struct pawl_inspect_segment){.segment = {.fd = -1}, .stats = {.segment = {.fd = -1}}};
    return segment;
}

int pawl_inspect_add(struct pawl_inspect *inspect, int fd, const struct pawl_hub_offer *offer,
                     struct pawl_err *err)
{
    struct stat file;
    struct pawl_err why = {0};
    if (fstat(fd, &file) != 0)
        return pawl_err_set(err, errno, "fstat: %s", strerror(errno));
    struct pawl_inspect_segment *to = find_file(inspect, file.st_dev, file.st_ino);
    if (to)
        return 0;
    to = new_segment(inspect, err);
    if (!to)
        return -err->code;
    to->device = file.st_dev;
    to->inode = file.st_ino;
    if (offer) {
        to->id = offer->id;
        to->role = offer->role;
        to->index = offer->index;
        to->is_gone = offer->is_gone != 0;
        to->acks_id = offer->acks_id;
        to->acks_page = offer->acks_page;
    }
    int status = map_kind(to, fd, (uint64_t)file.st_size, &why);
    name_owner(to, offer);
    if (status) {
        struct pawl_segment_header header = to->segment.header;
        unmap(to);
        to->segment.header = header;
        pawl_hub_set_text(to->problem, sizeof(to->problem), why.text);
    }
    return 0;
}

static void remove_segment(struct pawl_inspect *inspect, struct pawl_inspect_segment *segment)
{
    unmap(segment);
    *segment = inspect->segments[--inspect->segment_count];
}

const struct pawl_ring_ack *pawl_inspect_ack(const struct pawl_inspect *inspect,
                                             const struct pawl_inspect_segment *ring)
{
    const struct pawl_inspect_segment *acks = find_id(inspect, ring->acks_id);
    if (acks && !acks->problem[0] && acks->segment.header.kind == PAWL_SEGMENT_ACK)
        return pawl_ring_acks_page(&acks->segment, ring->acks_page);
    return ring->id ? NULL : pawl_inspect_search_ack(inspect, ring);
}

/* --- the hub --- */

static void hear(struct pawl_inspect *inspect, struct pawl_peer_event *event)
{
    struct pawl_inspect_segment *segment;
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        pawl_inspect_add(inspect, event->fds[0], &event->offer, &(struct pawl_err){0});
        break;
    case PAWL_PEER_BIND:
        segment = find_id(inspect, event->bind.ring_id);
        if (segment) {
            segment->acks_id = event->bind.acks_id;
            segment->acks_page = event->bind.acks_page;
        }
        break;
    case PAWL_PEER_GONE:
        segment = find_id(inspect, event->gone.id);
        if (segment)
            segment->is_gone = true;
        break;
    case PAWL_PEER_WITHDRAW:
        segment = find_id(inspect, event->withdraw.id);
        if (segment)
            remove_segment(inspect, segment);
        break;
    default: /* an inspector has nothing to end */
        break;
    }
}

/* What has come by now. A hub that is gone, or speaks nonsense, is left; what it offered stays.
 */
static void hear_all(struct pawl_inspect *inspect)
{
    struct pawl_peer_event event = {.kind = PAWL_PEER_HANGUP};
    struct pawl_err err = {0};
    do {
        if (pawl_peer_poll(&inspect->peer, &event, &err) != 0)
            event.kind = PAWL_PEER_HANGUP;
        hear(inspect, &event);
        pawl_peer_event_drop(&event);
    } while (event.kind != PAWL_PEER_NONE && event.kind != PAWL_PEER_HANGUP);
    if (event.kind == PAWL_PEER_HANGUP) {
        snprintf(inspect->note, sizeof(inspect->note),
                 "the supervisor hung up%s%.300s; shown is what it had offered",
                 err.code ? ": " : "", err.text);
        pawl_peer_close(&inspect->peer);
    }
}

static int join(struct pawl_inspect *inspect, const char *folder, struct pawl_err *err)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    cfg.role = PAWL_ROLE_INSPECTOR;
    cfg.folder = folder;
    cfg.name = "pawl shm";
    cfg.timeout_ns = HUB_TIMEOUT_NS;
    int status = pawl_peer_open(&inspect->peer, &cfg, err);
    if (status)
        return status;
    struct pollfd look = {.fd = inspect->peer.fd, .events = POLLIN};
    while (inspect->peer.is_open && poll(&look, 1, HUB_QUIET_MS) > 0)
        hear_all(inspect);
    return 0;
}

/* --- without it --- */

static int search(struct pawl_inspect *inspect, struct pawl_err *err)
{
    struct pawl_sightings found;
    int status = pawl_sightings_find(&found, err);
    if (status)
        return status;
    inspect->unopened_count = 0;
    size_t segment_count =
        pawl_sightings_mark_run(&found, inspect->seed_pid, inspect->seed_folder);
    for (size_t i = 0; i < found.count && status == 0; i++) {
        const struct pawl_sighting *sighting = &found.all[i];
        if (!sighting->is_chosen || find_file(inspect, sighting->device, sighting->inode))
            continue;
        int fd = sighting->path[0] ? open(sighting->path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) {
            inspect->unopened_count++;
            continue;
        }
        status = pawl_inspect_add(inspect, fd, NULL, err);
        close(fd);
    }
    if (segment_count == 0 && status == 0) {
        char others[400];
        pawl_sightings_list(&found, others, sizeof(others));
        status = pawl_err_set(err, ENOENT, "process %u has no shared memory of a run%s%s%s",
                              inspect->seed_pid, others[0] ? "; these have: " : "", others,
                              others[0] ? "" : ", and no other process of this user has any");
    }
    pawl_sightings_close(&found);
    return status;
}

static int search_after(struct pawl_inspect *inspect, uint32_t pid, const struct pawl_err *why,
                        struct pawl_err *err)
{
    inspect->seed_pid = pid;
    int status = search(inspect, err);
    if (status == 0 && why)
        snprintf(inspect->note, sizeof(inspect->note),
                 "the supervisor does not answer (%.300s); found through /proc", why->text);
    else if (status == 0)
        snprintf(inspect->note, sizeof(inspect->note),
                 "no supervisor; found through /proc, from process %u on", pid);
    return status;
}

/* --- RUN --- */

static bool exists(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

/* The supervisor of a folder has ended, in whatever way, and nobody uses the folder. */
static int refuse_ended(const char *folder, uint32_t pid, struct pawl_err *err)
{
    struct pawl_sightings found;
    char others[400] = "";
    if (pawl_sightings_find(&found, NULL) == 0) {
        pawl_sightings_list(&found, others, sizeof(others));
        pawl_sightings_close(&found);
    }
    if (pid && others[0])
        return pawl_err_set(err, ENOENT,
                            "%s: its supervisor, process %u, has ended; shared memory of a run "
                            "have: %s. Give one of these numbers",
                            folder, pid, others);
    return pawl_err_set(err, ENOENT,
                        "%s: no run is live there. A run that has ended leaves no shared "
                        "memory, by design; what it did is in the files of the run folder",
                        folder);
}

/* Its supervisor has ended: those that are left of it. */
static int search_survivors(struct pawl_inspect *inspect, const char *run, uint32_t pid,
                            struct pawl_err *err)
{
    struct pawl_err nobody = {0};
    inspect->seed_folder = realpath(run, NULL);
    if (!inspect->seed_folder || search(inspect, &nobody) != 0)
        return refuse_ended(run, pid, err);
    snprintf(inspect->note, sizeof(inspect->note),
             "the supervisor has ended; found through /proc, by who uses the run's folder");
    return 0;
}

static int open_folder(struct pawl_inspect *inspect, const char *run, struct pawl_err *err)
{
    char folder[PATH_BYTES], inner[PATH_BYTES];
    struct pawl_err why = {0};
    struct pawl_process process;
    if (!realpath(run, folder))
        return pawl_err_set(err, EINVAL, "%s: %s", run, strerror(errno));
    if (!exists(folder, PAWL_HUB_SOCKET_NAME) &&
        snprintf(inner, sizeof(inner), "%s/" PAWL_INSPECT_RUNTIME_NAME, folder) <
            (int)sizeof(inner) &&
        access(inner, F_OK) == 0 && !realpath(inner, folder))
        return pawl_err_set(err, EINVAL, "%s: %s", inner, strerror(errno));
    /* Else all of what uses anything below it would be shown, of all runs. */
    if (!exists(run, PAWL_RUN_FOLDER_LOCK_NAME) && !exists(folder, PAWL_HUB_SOCKET_NAME) &&
        !exists(folder, PAWL_HUB_LOCK_NAME))
        return pawl_err_set(
            err, EINVAL,
            "%s: no run folder: it has no %s. Give the folder that 'pawl train' "
            "printed, its runtime folder, or the number of one of its processes",
            run, PAWL_RUN_FOLDER_LOCK_NAME);
    uint32_t pid = pawl_find_hub_pid(folder);
    if (join(inspect, folder, &why) == 0)
        return 0;
    if (pid == 0 || pawl_process_read(&process, pid) != 0)
        return search_survivors(inspect, run, pid, err);
    return search_after(inspect, pid, &why, err);
}

static int open_process(struct pawl_inspect *inspect, uint32_t pid, struct pawl_err *err)
{
    char folder[PATH_BYTES];
    struct pawl_err why = {0};
    struct pawl_process process;
    if (pawl_process_read(&process, pid) != 0)
        return pawl_err_set(
            err, ENOENT,
            "process %u has ended. A run that has ended leaves no shared memory, "
            "by design; what it did is in the files of its run folder",
            pid);
    bool has_hub = pawl_find_hub_folder(pid, folder, sizeof(folder));
    if (has_hub && join(inspect, folder, &why) == 0)
        return 0;
    return search_after(inspect, pid, has_hub ? &why : NULL, err);
}

int pawl_inspect_open(struct pawl_inspect *inspect, const char *run, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    struct stat info;
    char *end;
    int status;
    err = err ? err : &unread;
    *inspect = (struct pawl_inspect){0};
    pawl_hub_set_text(inspect->run, sizeof(inspect->run), run);
    unsigned long pid = strtoul(run, &end, 10);
    bool is_number = run[0] >= '0' && run[0] <= '9' && *end == '\0';

    if (stat(run, &info) == 0 && S_ISDIR(info.st_mode))
        status = open_folder(inspect, run, err);
    else if (is_number && pid > 0 && pid <= INT32_MAX)
        status = open_process(inspect, (uint32_t)pid, err);
    else
        status = pawl_err_set(err, EINVAL,
                              "\"%s\" is no folder and no process number: give the run folder, "
                              "its runtime folder, or the number of one of its processes",
                              inspect->run);
    if (status)
        pawl_inspect_close(inspect);
    return status;
}

void pawl_inspect_look(struct pawl_inspect *inspect)
{
    if (inspect->peer.is_open)
        hear_all(inspect);
    else if (inspect->seed_pid || inspect->seed_folder)
        search(inspect, &(struct pawl_err){0}); /* what was found before stays */
    pawl_inspect_read(inspect);
}

bool pawl_inspect_is_live(const struct pawl_inspect *inspect)
{
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        if (inspect->segments[i].state != PAWL_INSPECT_ENDED)
            return true;
    return inspect->peer.is_open;
}

void pawl_inspect_close(struct pawl_inspect *inspect)
{
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        unmap(&inspect->segments[i]);
    free(inspect->segments);
    free(inspect->seed_folder);
    pawl_peer_close(&inspect->peer);
    *inspect = (struct pawl_inspect){0};
}
