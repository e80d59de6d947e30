#include "shm/board.h"

#include "runtime/clock.h"
#include "runtime/crc32c.h"
#include "shm/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SLOT_ALIGN    4096u
#define GET_TRIES_MAX 1000u /* one is enough for a reader whose pin counts */

/* Index of each number in a segment's geometry; layout 1. */
enum {
    GEOMETRY_SLOT_COUNT,
    GEOMETRY_DATA_BYTES,
    GEOMETRY_STRIDE_BYTES,
    GEOMETRY_MANIFEST_BYTES,
    GEOMETRY_FIRST_SLOT_OFFSET,
    GEOMETRY_HAS_CHECKSUMS,
    GEOMETRY_FIRST_GENERATION,
};

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

struct pawl_board_cfg pawl_board_default_cfg(void)
{
    return (struct pawl_board_cfg){.reader_count = 1, .first_generation = 1, .label = "board"};
}

static void lay_out(struct pawl_board_geometry *geometry)
{
    geometry->first_slot_offset =
        sizeof(struct pawl_board_page) + round_up(geometry->manifest_bytes);
    geometry->stride_bytes = round_up(sizeof(struct pawl_board_slot) + geometry->data_bytes);
    geometry->body_bytes =
        geometry->first_slot_offset + geometry->slot_count * geometry->stride_bytes;
}

int pawl_board_layout(struct pawl_board_geometry *geometry, const struct pawl_board_cfg *cfg,
                      struct pawl_err *err)
{
    uint32_t slot_count = cfg->slot_count ? cfg->slot_count : cfg->reader_count + 2;
    if (!cfg->manifest || cfg->manifest->tensor_count == 0)
        return pawl_err_set(err, EINVAL, "board without tensors: the manifest must have one");
    if (cfg->reader_count < 1 || cfg->reader_count > PAWL_BOARD_READERS_MAX)
        return pawl_err_set(err, EINVAL, "board for %u readers: must be 1 to %u",
                            cfg->reader_count, PAWL_BOARD_READERS_MAX);
    if (slot_count < 2 || slot_count > PAWL_BOARD_SLOTS_MAX)
        return pawl_err_set(err, EINVAL,
                            "board of %u slots: must be 2 to %u, and readers + 2 so that no "
                            "version is ever skipped",
                            slot_count, PAWL_BOARD_SLOTS_MAX);
    if (cfg->first_generation < 1 || cfg->first_generation > PAWL_BOARD_GENERATION_MAX)
        return pawl_err_set(err, EINVAL,
                            "board from generation %" PRIu64 ": must be 1 to %" PRIu64,
                            cfg->first_generation, (uint64_t)PAWL_BOARD_GENERATION_MAX);
    *geometry = (struct pawl_board_geometry){
        .slot_count = slot_count,
        .data_bytes = cfg->manifest->blob_bytes,
        .manifest_bytes = pawl_manifest_text(cfg->manifest, NULL, 0),
        .has_checksums = cfg->has_checksums,
    };
    lay_out(geometry);
    return 0;
}

void pawl_board_tx_init(struct pawl_board_tx *tx, void *body,
                        const struct pawl_board_geometry *geometry, uint32_t reader_count,
                        uint64_t first_generation)
{
    *tx = (struct pawl_board_tx){
        .generation = first_generation,
        .stride_bytes = geometry->stride_bytes,
        .slots = (unsigned char *)body + geometry->first_slot_offset,
        .page = body,
        .slot_count = (uint32_t)geometry->slot_count,
        .reader_room = reader_count,
        .has_checksums = geometry->has_checksums != 0,
        .data_bytes = geometry->data_bytes,
    };
}

void pawl_board_rx_init(struct pawl_board_rx *rx, const void *body,
                        const struct pawl_board_geometry *geometry, struct pawl_pin *pin,
                        uint64_t generation)
{
    *rx = (struct pawl_board_rx){
        .generation = generation,
        .stride_bytes = geometry->stride_bytes,
        .slots = (const unsigned char *)body + geometry->first_slot_offset,
        .page = body,
        .pin = pin,
        .slot_count = (uint32_t)geometry->slot_count,
        .data_bytes = geometry->data_bytes,
        .has_checksums = geometry->has_checksums != 0,
    };
}

int pawl_board_create(struct pawl_board_tx *tx, struct pawl_segment *segment,
                      const struct pawl_board_cfg *cfg, struct pawl_err *err)
{
    struct pawl_board_geometry geometry;
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    memset(tx, 0, sizeof(*tx));
    *segment = (struct pawl_segment){.fd = -1};
    if (pawl_board_layout(&geometry, cfg, err) != 0)
        return pawl_err_wrap(err, "create board \"%s\"", cfg->label);

    struct pawl_segment_cfg segment_cfg = pawl_segment_default_cfg();
    segment_cfg.kind = PAWL_SEGMENT_BOARD;
    segment_cfg.label = cfg->label;
    segment_cfg.spec = cfg->spec;
    segment_cfg.spec_bytes = cfg->spec_bytes;
    segment_cfg.body_bytes = geometry.body_bytes;
    segment_cfg.wants_huge_pages = cfg->wants_huge_pages;
    segment_cfg.geometry[GEOMETRY_SLOT_COUNT] = geometry.slot_count;
    segment_cfg.geometry[GEOMETRY_DATA_BYTES] = geometry.data_bytes;
    segment_cfg.geometry[GEOMETRY_STRIDE_BYTES] = geometry.stride_bytes;
    segment_cfg.geometry[GEOMETRY_MANIFEST_BYTES] = geometry.manifest_bytes;
    segment_cfg.geometry[GEOMETRY_FIRST_SLOT_OFFSET] = geometry.first_slot_offset;
    segment_cfg.geometry[GEOMETRY_HAS_CHECKSUMS] = geometry.has_checksums;
    segment_cfg.geometry[GEOMETRY_FIRST_GENERATION] = cfg->first_generation;
    if (pawl_segment_create(segment, &segment_cfg, err) != 0)
        return pawl_err_wrap(err, "create board");

    pawl_manifest_text(cfg->manifest, (char *)segment->body + sizeof(struct pawl_board_page),
                       geometry.manifest_bytes);
    pawl_board_tx_init(tx, segment->body, &geometry, cfg->reader_count, cfg->first_generation);
    return 0;
}

int pawl_board_add_reader(struct pawl_board_tx *tx, const struct pawl_pin *pin,
                          uint32_t *reader_index, struct pawl_err *err)
{
    for (uint32_t i = 0; i < tx->reader_room; i++) {
        if (tx->pins[i])
            continue;
        tx->pins[i] = pin;
        *reader_index = i;
        tx->reader_count++;
        /* Relaxed, a figure for people. */
        atomic_store_explicit(&tx->page->readers, tx->reader_count, memory_order_relaxed);
        return 0;
    }
    return pawl_err_set(err, ENOSPC, "board for %u readers: one more wants to read",
                        tx->reader_room);
}

void pawl_board_remove_reader(struct pawl_board_tx *tx, uint32_t reader_index)
{
    if (reader_index >= tx->reader_room || !tx->pins[reader_index])
        return;
    tx->pins[reader_index] = NULL;
    tx->reader_count--;
    atomic_store_explicit(&tx->page->readers, tx->reader_count, memory_order_relaxed);
}

uint64_t pawl_board_publish(struct pawl_board_tx *tx, uint64_t step)
{
    struct pawl_board_slot *slot = pawl_board_tx_slot(tx, tx->claimed - 1);
    slot->bytes = tx->data_bytes;
    slot->step = step;
    slot->published_ns = pawl_clock_now_ns();
    slot->wall_ns = pawl_clock_wall_ns();
    slot->crc32c = tx->has_checksums ? pawl_crc32c(0, slot->data, tx->data_bytes) : 0;
    uint64_t published_ns = slot->published_ns;
    uint64_t generation = pawl_board_commit(tx);
    tx->published_count++;
    /* Relaxed: figures for people. */
    atomic_store_explicit(&tx->page->published, tx->published_count, memory_order_relaxed);
    atomic_store_explicit(&tx->page->published_ns, published_ns, memory_order_relaxed);
    return generation;
}

uint64_t pawl_board_put(struct pawl_board_tx *tx, const void *blob, uint64_t step)
{
    struct pawl_board_slot *slot = pawl_board_claim(tx);
    if (!slot)
        return 0;
    if (tx->data_bytes >= PAWL_BOARD_STREAMING_BYTES_MIN)
        pawl_copy_streaming(slot->data, blob, tx->data_bytes);
    else
        memcpy(slot->data, blob, tx->data_bytes);
    return pawl_board_publish(tx, step);
}

int pawl_board_read_geometry(struct pawl_board_geometry *geometry,
                             const struct pawl_segment_header *header, struct pawl_err *err)
{
    const uint64_t *given = header->geometry;
    *geometry = (struct pawl_board_geometry){
        .slot_count = given[GEOMETRY_SLOT_COUNT],
        .data_bytes = given[GEOMETRY_DATA_BYTES],
        .manifest_bytes = given[GEOMETRY_MANIFEST_BYTES],
        .has_checksums = given[GEOMETRY_HAS_CHECKSUMS],
    };
    if (geometry->slot_count < 2 || geometry->slot_count > PAWL_BOARD_SLOTS_MAX ||
        geometry->data_bytes < 1 || geometry->data_bytes > PAWL_MANIFEST_BLOB_BYTES_MAX ||
        geometry->manifest_bytes < 1 ||
        geometry->manifest_bytes > PAWL_MANIFEST_TEXT_BYTES_MAX || geometry->has_checksums > 1)
        return pawl_err_set(err, EPROTO,
                            "geometry of %" PRIu64 " slots of %" PRIu64
                            " bytes, manifest of %" PRIu64 ", checksums %" PRIu64
                            ": not a board",
                            geometry->slot_count, geometry->data_bytes,
                            geometry->manifest_bytes, geometry->has_checksums);
    lay_out(geometry);
    if (given[GEOMETRY_STRIDE_BYTES] != geometry->stride_bytes ||
        given[GEOMETRY_FIRST_SLOT_OFFSET] != geometry->first_slot_offset)
        return pawl_err_set(err, EPROTO,
                            "slots every %" PRIu64 " bytes from %" PRIu64
                            ", this program has %" PRIu64 " from %" PRIu64,
                            given[GEOMETRY_STRIDE_BYTES], given[GEOMETRY_FIRST_SLOT_OFFSET],
                            geometry->stride_bytes, geometry->first_slot_offset);
    if (header->body_bytes < geometry->body_bytes)
        return pawl_err_set(err, EPROTO,
                            "body of %" PRIu64 " bytes, its geometry needs %" PRIu64,
                            header->body_bytes, geometry->body_bytes);
    return 0;
}

int pawl_board_read_manifest(struct pawl_manifest *manifest, const struct pawl_segment *segment,
                             struct pawl_err *err)
{
    struct pawl_board_geometry geometry;
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    *manifest = (struct pawl_manifest){0};
    if (pawl_board_read_geometry(&geometry, &segment->header, err) != 0)
        return -err->code;
    /* A private copy: the writer could change the text while it is read. */
    char *text = malloc(geometry.manifest_bytes);
    if (!text)
        return pawl_err_set(err, ENOMEM, "manifest of %" PRIu64 " bytes: out of memory",
                            geometry.manifest_bytes);
    memcpy(text, segment->body + sizeof(struct pawl_board_page), geometry.manifest_bytes);
    int code = pawl_manifest_parse(manifest, text, geometry.manifest_bytes, err);
    free(text);
    if (code == 0 && manifest->blob_bytes != geometry.data_bytes) {
        code =
            pawl_err_set(err, EPROTO, "manifest of %" PRIu64 " bytes, the slots have %" PRIu64,
                         manifest->blob_bytes, geometry.data_bytes);
        pawl_manifest_close(manifest);
    }
    return code;
}

int pawl_board_attach(struct pawl_board_rx *rx, struct pawl_segment *segment,
                      struct pawl_manifest *manifest, int fd, struct pawl_pin *pin,
                      const struct pawl_board_rx_cfg *cfg, struct pawl_err *err)
{
    const struct pawl_segment_want want = {
        .kind = PAWL_SEGMENT_BOARD,
        .spec = cfg->spec,
        .spec_bytes = cfg->spec_bytes,
        .total_bytes = cfg->total_bytes,
    };
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    struct pawl_board_geometry geometry;
    struct pawl_manifest read = {0};
    *rx = (struct pawl_board_rx){0};
    *segment = (struct pawl_segment){.fd = -1};

    if (pawl_segment_attach(segment, fd, &want, err) != 0)
        return pawl_err_wrap(err, "attach board");
    if (pawl_board_read_geometry(&geometry, &segment->header, err) != 0 ||
        pawl_board_read_manifest(&read, segment, err) != 0) {
        pawl_segment_close(segment);
        return pawl_err_wrap(err, "attach board");
    }
    if (manifest)
        *manifest = read;
    else
        pawl_manifest_close(&read);
    pawl_board_rx_init(rx, segment->body, &geometry, pin, cfg->generation);
    return 0;
}

int pawl_board_get(struct pawl_board_rx *rx, void *blob, struct pawl_board_version *version,
                   struct pawl_err *err)
{
    for (uint32_t i = 0; i < GET_TRIES_MAX; i++) {
        const struct pawl_board_slot *slot = pawl_board_acquire(rx);
        if (!slot) {
            int code = pawl_board_rx_state(rx, err);
            return code ? code : pawl_err_set(err, EAGAIN, "no parameters were published yet");
        }
        memcpy(blob, slot->data, rx->data_bytes);
        *version = pawl_board_held(rx);
        uint32_t crc32c = slot->crc32c;
        bool is_intact = pawl_board_is_intact(rx);
        if (is_intact && rx->has_checksums && pawl_crc32c(0, blob, rx->data_bytes) != crc32c)
            pawl_board_quarantine(rx, PAWL_BOARD_BAD_CHECKSUM, rx->generation);
        pawl_board_release(rx);
        if (rx->fault)
            return pawl_board_rx_state(rx, err);
        if (is_intact)
            return 0;
    }
    return pawl_err_set(err, EAGAIN,
                        "parameters changed %u times while they were copied: this reader's pin "
                        "is ignored",
                        GET_TRIES_MAX);
}

struct pawl_board_version pawl_board_held(const struct pawl_board_rx *rx)
{
    return (struct pawl_board_version){
        .generation = rx->generation,
        .step = rx->held->step,
        .published_ns = rx->held->published_ns,
        .wall_ns = rx->held->wall_ns,
    };
}

bool pawl_board_verify(struct pawl_board_rx *rx)
{
    if (!rx->has_checksums)
        return true;
    uint32_t wanted = rx->held->crc32c;
    if (pawl_crc32c(0, rx->held->data, rx->data_bytes) == wanted)
        return true;
    if (pawl_board_is_intact(rx))
        pawl_board_quarantine(rx, PAWL_BOARD_BAD_CHECKSUM, rx->generation);
    return false;
}

void pawl_board_quarantine(struct pawl_board_rx *rx, enum pawl_board_fault fault,
                           uint64_t value)
{
    if (!rx->fault) {
        rx->fault = fault;
        rx->fault_value = value;
    }
    /* Release, as in pawl_board_release(); what is held stays readable, if of no use. */
    atomic_store_explicit(&rx->pin->word, PAWL_PIN_NONE, memory_order_release);
}

int pawl_board_rx_state(const struct pawl_board_rx *rx, struct pawl_err *err)
{
    switch (rx->fault) {
    case PAWL_BOARD_SOUND:
        return 0;
    case PAWL_BOARD_BAD_LATEST:
        return pawl_err_set(
            err, EPROTO,
            "board under quarantine: latest is generation %" PRIu64 " in slot %" PRIu64
            ", must be %" PRIu64 " or above and a slot below %u",
            rx->fault_value >> PAWL_BOARD_SLOT_BITS, rx->fault_value & PAWL_BOARD_SLOT_MASK,
            rx->generation, rx->slot_count);
    case PAWL_BOARD_BAD_SLOT:
        return pawl_err_set(err, EPROTO,
                            "board under quarantine: the slot of generation %" PRIu64
                            " never holds it",
                            rx->fault_value >> PAWL_BOARD_SLOT_BITS);
    case PAWL_BOARD_BAD_CHECKSUM:
        break;
    }
    return pawl_err_set(err, EPROTO,
                        "board under quarantine: generation %" PRIu64
                        " does not have the checksum it came with",
                        rx->fault_value);
}

struct pawl_board_counts pawl_board_count(const struct pawl_board_page *page)
{
    /* Relaxed: each number for itself. */
    return (struct pawl_board_counts){
        .generation =
            atomic_load_explicit(&page->latest, memory_order_relaxed) >> PAWL_BOARD_SLOT_BITS,
        .published = atomic_load_explicit(&page->published, memory_order_relaxed),
        .skipped = atomic_load_explicit(&page->skipped, memory_order_relaxed),
        .wakes = atomic_load_explicit(&page->wakes, memory_order_relaxed),
        .published_ns = atomic_load_explicit(&page->published_ns, memory_order_relaxed),
        .readers = atomic_load_explicit(&page->readers, memory_order_relaxed),
    };
}

uint64_t pawl_board_last_generation(const struct pawl_segment *segment)
{
    const struct pawl_board_page *page =
        (const struct pawl_board_page *)(const void *)segment->body;
    uint64_t generation = pawl_board_count(page).generation;
    uint64_t first_generation = segment->header.geometry[GEOMETRY_FIRST_GENERATION];
    return generation || first_generation == 0 ? generation : first_generation - 1;
}

void pawl_board_wake_readers(struct pawl_board_tx *tx)
{
    bool has_waiter = false;
    for (uint32_t i = 0; i < tx->reader_room && !has_waiter; i++)
        has_waiter = tx->pins[i] && atomic_load_explicit(
                                        &tx->pins[i]->waiter,
                                        PAWL_ORDER_AT_FENCE(41, 41, memory_order_relaxed)) != 0;
    if (!has_waiter)
        return;
    pawl_park_wake(&tx->page->latest_futex, INT_MAX);
    tx->wakes_count++;
    atomic_store_explicit(&tx->page->wakes, tx->wakes_count, memory_order_relaxed);
}

void pawl_board_streaming_fence(void)
{
#if defined(__SSE2__) && !defined(PAWL_TSAN)
    _mm_sfence();
#endif
}
