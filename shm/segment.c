#include "shm/segment.h"

#include "runtime/clock.h"
#include "runtime/crc32c.h"
#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "shm/memory.h"
#include "shm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

#define HUGE_PAGE_BYTES      (2u << 20)
#define ALLOCATE_CHUNK_BYTES (64ull << 20)
#define ALLOCATE_RETRY_MAX   1000

#define SEALS_SHARED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_SINGLE (SEALS_SHARED | F_SEAL_FUTURE_WRITE)

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static uint64_t body_offset_for(uint64_t spec_bytes)
{
    return PAWL_SEGMENT_HEADER_BYTES + round_up(spec_bytes, PAWL_SEGMENT_PAGE_BYTES);
}

const char *pawl_segment_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        [PAWL_SEGMENT_RING] = "ring",   [PAWL_SEGMENT_ACK] = "ack",
        [PAWL_SEGMENT_BOARD] = "board", [PAWL_SEGMENT_STATS] = "stats",
        [PAWL_SEGMENT_STORE] = "store",
    };
    return kind >= 1 && kind <= PAWL_SEGMENT_LAST ? names[kind] : "unknown";
}

struct pawl_segment_cfg pawl_segment_default_cfg(void)
{
    return (struct pawl_segment_cfg){.label = ""};
}

uint64_t pawl_segment_bytes(const struct pawl_segment_cfg *cfg)
{
    return body_offset_for(cfg->spec_bytes) +
           round_up(cfg->body_bytes, PAWL_SEGMENT_PAGE_BYTES);
}

static int check_cfg(const struct pawl_segment_cfg *cfg, struct pawl_err *err)
{
    if (cfg->kind < 1 || cfg->kind > PAWL_SEGMENT_LAST)
        return pawl_err_set(err, EINVAL, "segment kind %u: must be 1 to %u", cfg->kind,
                            PAWL_SEGMENT_LAST);
    if (cfg->body_bytes < 1 || cfg->body_bytes > PAWL_SEGMENT_BODY_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "segment body of %" PRIu64 " bytes: must be 1 to %llu",
                            cfg->body_bytes, PAWL_SEGMENT_BODY_BYTES_MAX);
    if (cfg->spec_bytes > PAWL_SEGMENT_SPEC_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "segment spec of %zu bytes: at most %u",
                            cfg->spec_bytes, PAWL_SEGMENT_SPEC_BYTES_MAX);
    if (!cfg->label || strlen(cfg->label) >= PAWL_SEGMENT_LABEL_BYTES)
        return pawl_err_set(err, EINVAL, "segment label \"%s\": at most %d bytes",
                            cfg->label ? cfg->label : "(null)", PAWL_SEGMENT_LABEL_BYTES - 1);
    return 0;
}

static int make_fd(const char *label, unsigned int page_flags)
{
    char name[sizeof("pawl:") + PAWL_SEGMENT_LABEL_BYTES];
    snprintf(name, sizeof(name), "pawl:%s", label);
    int code = PAWL_FAULT_ERRNO("segment.create");
    if (code) {
        errno = code;
        return -1;
    }
    unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | page_flags;
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, flags); /* a kernel before 6.3 */
    return fd;
}

/* In pieces, so that a signal costs at most one of them. */
static int allocate(int fd, uint64_t total_bytes)
{
    uint64_t done_bytes = 0;
    int retry_count = 0;
    int code = PAWL_FAULT_ERRNO("segment.allocate");
    if (code)
        return code;
    while (done_bytes < total_bytes) {
        uint64_t chunk = total_bytes - done_bytes;
        if (chunk > ALLOCATE_CHUNK_BYTES)
            chunk = ALLOCATE_CHUNK_BYTES;
        if (fallocate(fd, 0, (off_t)done_bytes, (off_t)chunk) == 0)
            done_bytes += chunk;
        else if (errno != EINTR || ++retry_count > ALLOCATE_RETRY_MAX)
            return errno;
    }
    return 0;
}

static int make_huge(struct pawl_segment *segment, const struct pawl_segment_cfg *cfg)
{
    uint64_t total_bytes = round_up(pawl_segment_bytes(cfg), HUGE_PAGE_BYTES);
    uint64_t free_count = pawl_memory_free_huge_pages();
    int fd = make_fd(cfg->label, MFD_HUGETLB | MFD_HUGE_2MB);
    int code = fd < 0 ? errno : allocate(fd, total_bytes);
    if (code == 0) {
        segment->fd = fd;
        segment->total_bytes = total_bytes;
        segment->page_bytes = HUGE_PAGE_BYTES;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    snprintf(segment->page_note, sizeof(segment->page_note),
             "4 KiB pages: %" PRIu64 " huge pages of 2 MiB needed, %" PRIu64
             " free (%s); see vm.nr_hugepages",
             total_bytes / HUGE_PAGE_BYTES, free_count, strerror(code));
    return -code;
}

static uint64_t file_bytes_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

static int make_small(struct pawl_segment *segment, const struct pawl_segment_cfg *cfg,
                      struct pawl_err *err)
{
    uint64_t total_bytes = pawl_segment_bytes(cfg);
    uint64_t free_bytes = pawl_memory_free_bytes();
    int code = total_bytes > free_bytes ? ENOSPC : 0;

    segment->fd = -1;
    if (code == 0 && total_bytes > file_bytes_max())
        code = EFBIG; /* asking the kernel would be answered by SIGXFSZ */
    if (code == 0) {
        segment->fd = make_fd(cfg->label, 0);
        if (segment->fd < 0)
            return pawl_err_set(err, errno, "create shared memory: %s%s", strerror(errno),
                                errno == EMFILE ? " (raise the limit: ulimit -n)" : "");
        code = allocate(segment->fd, total_bytes);
    }
    if (code == ENOSPC || code == ENOMEM)
        return pawl_err_set(err, ENOSPC,
                            "%" PRIu64 " bytes of shared memory needed, %" PRIu64
                            " free: make the rings or the replay smaller, or give the "
                            "process more memory",
                            total_bytes, free_bytes);
    if (code == EFBIG)
        return pawl_err_set(err, EFBIG,
                            "%" PRIu64 " bytes of shared memory needed: above the file "
                            "size limit of %" PRIu64 " (ulimit -f)",
                            total_bytes, file_bytes_max());
    if (code)
        return pawl_err_set(err, code, "allocate %" PRIu64 " bytes of shared memory: %s",
                            total_bytes, strerror(code));
    segment->total_bytes = total_bytes;
    segment->page_bytes = PAWL_SEGMENT_PAGE_BYTES;
    return 0;
}

static int map(struct pawl_segment *segment, int fd, bool is_writable, struct pawl_err *err)
{
    int code = PAWL_FAULT_ERRNO("segment.map");
    void *base = MAP_FAILED;
    if (code == 0)
        base =
            mmap(NULL, segment->total_bytes, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
                 MAP_SHARED | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED) {
        code = code ? code : errno;
        return pawl_err_set(err, code, "map %" PRIu64 " bytes of shared memory: %s",
                            segment->total_bytes, strerror(code));
    }
    segment->base = base;
    segment->is_writable = is_writable;
    return 0;
}

/* Labels: what cannot be read stays zero. */
static void read_boot_id(uint8_t boot_id[16])
{
    char text[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file)
        return;
    if (!fgets(text, sizeof(text), file))
        text[0] = '\0';
    fclose(file);
    int digit_count = 0;
    for (const char *c = text; *c && digit_count < 32; c++) {
        unsigned int digit;
        if (*c == '-' || sscanf((char[]){*c, '\0'}, "%x", &digit) != 1)
            continue;
        boot_id[digit_count / 2] =
            (uint8_t)((unsigned int)boot_id[digit_count / 2] << 4 | digit);
        digit_count++;
    }
}

static uint64_t read_process_start_ns(void)
{
    struct pawl_process process;
    return pawl_process_read(&process, (uint32_t)getpid()) == 0 ? process.start_ns : 0;
}

uint32_t pawl_segment_header_crc32c(const struct pawl_segment_header *header)
{
    return pawl_crc32c(0, header, offsetof(struct pawl_segment_header, crc32c));
}

static int fill_header(struct pawl_segment *segment, const struct pawl_segment_cfg *cfg,
                       struct pawl_err *err)
{
    struct pawl_segment_header *header = &segment->header;
    *header = (struct pawl_segment_header){
        .magic = PAWL_SEGMENT_MAGIC,
        .abi_major = PAWL_SEGMENT_ABI_MAJOR,
        .abi_minor = PAWL_SEGMENT_ABI_MINOR,
        .endian_tag = PAWL_SEGMENT_ENDIAN_TAG,
        .header_bytes = PAWL_SEGMENT_HEADER_BYTES,
        .kind = cfg->kind,
        .total_bytes = segment->total_bytes,
        .spec_offset = PAWL_SEGMENT_HEADER_BYTES,
        .spec_bytes = cfg->spec_bytes,
        .body_offset = body_offset_for(cfg->spec_bytes),
        .body_bytes = round_up(cfg->body_bytes, PAWL_SEGMENT_PAGE_BYTES),
        .page_bytes = segment->page_bytes,
        .pid = (uint32_t)getpid(),
        .uid = (uint32_t)getuid(),
        .process_start_ns = read_process_start_ns(),
        .created_wall_ns = pawl_clock_wall_ns(),
    };
    if (segment->page_bytes == HUGE_PAGE_BYTES)
        header->features |= PAWL_SEGMENT_HUGE_PAGES;
    if (cfg->is_shared_writable)
        header->features |= PAWL_SEGMENT_SHARED_WRITABLE;
    memcpy(header->geometry, cfg->geometry, sizeof(header->geometry));
    memcpy(header->label, cfg->label, strlen(cfg->label));
    pawl_sha256(cfg->spec, cfg->spec_bytes, header->spec_hash);
    read_boot_id(header->boot_id);
    if (getrandom(header->writer_epoch, sizeof(header->writer_epoch), 0) !=
        (ssize_t)sizeof(header->writer_epoch))
        return pawl_err_set(err, errno, "no random bytes for the writer's epoch: %s",
                            strerror(errno));
    header->crc32c = pawl_segment_header_crc32c(header);
    return 0;
}

int pawl_segment_create(struct pawl_segment *segment, const struct pawl_segment_cfg *cfg,
                        struct pawl_err *err)
{
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    *segment = (struct pawl_segment){.fd = -1};
    int status = check_cfg(cfg, err);
    if (status)
        return status;
    if (!cfg->wants_huge_pages || make_huge(segment, cfg) != 0)
        if (make_small(segment, cfg, err) != 0)
            goto fail;
    if (map(segment, segment->fd, true, err) != 0 || fill_header(segment, cfg, err) != 0)
        goto fail;
    segment->body = segment->base + segment->header.body_offset;
    segment->body_bytes = segment->header.body_bytes;
    if (cfg->spec_bytes)
        memcpy(segment->base + PAWL_SEGMENT_HEADER_BYTES, cfg->spec, cfg->spec_bytes);
    memcpy(segment->base, &segment->header, sizeof(segment->header));

    int code = PAWL_FAULT_ERRNO("segment.seal");
    if (code == 0 && fcntl(segment->fd, F_ADD_SEALS,
                           cfg->is_shared_writable ? SEALS_SHARED : SEALS_SINGLE) != 0)
        code = errno;
    if (code) {
        pawl_err_set(err, code, "seal shared memory: %s (needs Linux 5.1 or newer)",
                     strerror(code));
        goto fail;
    }
    return 0;

fail:
    if (!segment->base && segment->fd >= 0)
        close(segment->fd);
    pawl_segment_close(segment);
    return pawl_err_wrap(err, "create segment \"%s\"", cfg->label);
}

static int check_layout(const struct pawl_segment_header *h, uint64_t file_bytes,
                        struct pawl_err *err)
{
    uint64_t page_bytes =
        h->features & PAWL_SEGMENT_HUGE_PAGES ? HUGE_PAGE_BYTES : PAWL_SEGMENT_PAGE_BYTES;

    if (h->total_bytes != file_bytes)
        return pawl_err_set(err, EPROTO,
                            "total_bytes %" PRIu64 ", but the file has %" PRIu64 " bytes",
                            h->total_bytes, file_bytes);
    if (h->page_bytes != page_bytes)
        return pawl_err_set(err, EPROTO, "page_bytes %u, but its features say %" PRIu64,
                            h->page_bytes, page_bytes);
    if (h->spec_offset != PAWL_SEGMENT_HEADER_BYTES ||
        h->spec_bytes > PAWL_SEGMENT_SPEC_BYTES_MAX)
        return pawl_err_set(
            err, EPROTO, "spec of %" PRIu64 " bytes at %" PRIu64 ": must be at most %u at %d",
            h->spec_bytes, h->spec_offset, PAWL_SEGMENT_SPEC_BYTES_MAX,
            PAWL_SEGMENT_HEADER_BYTES);
    if (h->body_offset != body_offset_for(h->spec_bytes))
        return pawl_err_set(err, EPROTO,
                            "body_offset %" PRIu64 ": must be %" PRIu64 " after a spec of "
                            "%" PRIu64 " bytes",
                            h->body_offset, body_offset_for(h->spec_bytes), h->spec_bytes);
    if (h->body_bytes < PAWL_SEGMENT_PAGE_BYTES ||
        h->body_bytes > round_up(PAWL_SEGMENT_BODY_BYTES_MAX, PAWL_SEGMENT_PAGE_BYTES) ||
        h->body_bytes % PAWL_SEGMENT_PAGE_BYTES != 0)
        return pawl_err_set(err, EPROTO, "body_bytes %" PRIu64 ": not a number of pages",
                            h->body_bytes);
    if (round_up(h->body_offset + h->body_bytes, page_bytes) != h->total_bytes)
        return pawl_err_set(err, EPROTO,
                            "body_bytes %" PRIu64 " at %" PRIu64 " do not end with the file of "
                            "%" PRIu64 " bytes",
                            h->body_bytes, h->body_offset, h->total_bytes);
    return 0;
}

static int check_program(const struct pawl_segment_header *h, struct pawl_err *err)
{
    if (memcmp(h->magic, PAWL_SEGMENT_MAGIC, sizeof(h->magic)) != 0)
        return pawl_err_set(err, EPROTO, "magic is not \"%s\": not a pawl segment",
                            PAWL_SEGMENT_MAGIC);
    if (h->endian_tag != PAWL_SEGMENT_ENDIAN_TAG)
        return pawl_err_set(err, EPROTO,
                            "endian_tag 0x%08x, this program has 0x%08x: written on another "
                            "kind of machine",
                            h->endian_tag, PAWL_SEGMENT_ENDIAN_TAG);
    if (h->abi_major != PAWL_SEGMENT_ABI_MAJOR)
        return pawl_err_set(err, EPROTO,
                            "abi_major %u, this program has %u: run both from the same build",
                            h->abi_major, PAWL_SEGMENT_ABI_MAJOR);
    if (h->header_bytes != PAWL_SEGMENT_HEADER_BYTES)
        return pawl_err_set(err, EPROTO, "header_bytes %u, this program has %d",
                            h->header_bytes, PAWL_SEGMENT_HEADER_BYTES);
    uint32_t crc = pawl_segment_header_crc32c(h);
    if (h->crc32c != crc)
        return pawl_err_set(err, EPROTO,
                            "crc32c 0x%08x, computed 0x%08x: the header is damaged", h->crc32c,
                            crc);
    uint64_t unknown =
        h->features & PAWL_SEGMENT_FEATURES_STRICT & ~PAWL_SEGMENT_FEATURES_KNOWN;
    if (unknown)
        return pawl_err_set(err, EPROTO,
                            "features 0x%" PRIx64 ", this program knows 0x%llx: run both from "
                            "the same build",
                            h->features, PAWL_SEGMENT_FEATURES_KNOWN);
    if (!memchr(h->label, '\0', sizeof(h->label)))
        return pawl_err_set(err, EPROTO, "label without an end");
    return 0;
}

int pawl_segment_check(const struct pawl_segment_header *header, uint64_t file_bytes,
                       const struct pawl_segment_want *want, struct pawl_err *err)
{
    int status = check_program(header, err);
    if (status == 0)
        status = check_layout(header, file_bytes, err);
    if (status)
        return status;

    if (want->total_bytes && want->total_bytes != file_bytes)
        return pawl_err_set(err, EPROTO,
                            "%" PRIu64 " bytes were announced, the file has %" PRIu64,
                            want->total_bytes, file_bytes);
    if (header->kind != want->kind && want->kind)
        return pawl_err_set(err, EPROTO, "kind %u (%s), wanted %u (%s)", header->kind,
                            pawl_segment_kind_name(header->kind), want->kind,
                            pawl_segment_kind_name(want->kind));
    if (header->kind < 1 || header->kind > PAWL_SEGMENT_LAST)
        return pawl_err_set(err, EPROTO, "kind %u: must be 1 to %u", header->kind,
                            PAWL_SEGMENT_LAST);
    if (want->is_shared_writable && !(header->features & PAWL_SEGMENT_SHARED_WRITABLE))
        return pawl_err_set(err, EPROTO,
                            "features 0x%" PRIx64 ": not a shared-writable segment",
                            header->features);
    if (want->writer_epoch && memcmp(want->writer_epoch, header->writer_epoch, 16) != 0)
        return pawl_err_set(err, EPROTO,
                            "writer_epoch starts %02x%02x%02x%02x, announced %02x%02x%02x%02x: "
                            "from another incarnation",
                            header->writer_epoch[0], header->writer_epoch[1],
                            header->writer_epoch[2], header->writer_epoch[3],
                            want->writer_epoch[0], want->writer_epoch[1], want->writer_epoch[2],
                            want->writer_epoch[3]);
    return 0;
}

/* The first line that differs, of two texts that do: a spec has one field per line. */
static int spec_differs(const char *there, size_t there_bytes, const char *here,
                        size_t here_bytes, struct pawl_err *err)
{
    size_t line_start = 0, at = 0, line_number = 1;
    while (at < there_bytes && at < here_bytes && there[at] == here[at]) {
        if (there[at++] == '\n') {
            line_start = at;
            line_number++;
        }
    }
    const char *there_line = there + line_start, *here_line = here + line_start;
    const char *there_end = memchr(there_line, '\n', there_bytes - line_start);
    const char *here_end = memchr(here_line, '\n', here_bytes - line_start);
    int there_length =
        (int)(there_end ? (size_t)(there_end - there_line) : there_bytes - line_start);
    int here_length =
        (int)(here_end ? (size_t)(here_end - here_line) : here_bytes - line_start);
    return pawl_err_set(err, EPROTO,
                        "spec line %zu is \"%.*s\", this program has \"%.*s\": run all with "
                        "the same configuration",
                        line_number, there_length, there_line, here_length, here_line);
}

static int check_spec(const struct pawl_segment *segment, const struct pawl_segment_want *want,
                      struct pawl_err *err)
{
    const char *there = pawl_segment_spec(segment);
    size_t there_bytes = segment->header.spec_bytes;

    if (want->spec && (there_bytes != want->spec_bytes ||
                       memcmp(there ? there : "", want->spec, there_bytes) != 0))
        return spec_differs(there ? there : "", there_bytes, want->spec, want->spec_bytes, err);
    if (want->spec_hash && memcmp(want->spec_hash, segment->header.spec_hash,
                                  sizeof(segment->header.spec_hash)) != 0)
        return pawl_err_set(err, EPROTO,
                            "spec_hash starts %02x%02x%02x%02x, this program has "
                            "%02x%02x%02x%02x: run all with the same configuration",
                            segment->header.spec_hash[0], segment->header.spec_hash[1],
                            segment->header.spec_hash[2], segment->header.spec_hash[3],
                            want->spec_hash[0], want->spec_hash[1], want->spec_hash[2],
                            want->spec_hash[3]);
    return 0;
}

static int check_seals(int fd, const struct pawl_segment_want *want, struct pawl_err *err)
{
    static const struct {
        int seal;
        const char *name;
    } seals[] = {
        {F_SEAL_SEAL, "SEAL"},
        {F_SEAL_SHRINK, "SHRINK"},
        {F_SEAL_GROW, "GROW"},
        {F_SEAL_FUTURE_WRITE, "FUTURE_WRITE"},
    };
    int have = fcntl(fd, F_GET_SEALS);
    if (have < 0)
        return pawl_err_set(err, EPERM, "descriptor %d has no seals: %s", fd, strerror(errno));
    int needed = want->is_shared_writable ? SEALS_SHARED : SEALS_SINGLE;
    for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
        if (needed & seals[i].seal & ~have)
            return pawl_err_set(err, EPERM,
                                "seal %s is missing (seals 0x%x, needed 0x%x): its writer "
                                "could change it under the reader",
                                seals[i].name, (unsigned int)have, (unsigned int)needed);
    return 0;
}

int pawl_segment_attach(struct pawl_segment *segment, int fd,
                        const struct pawl_segment_want *want, struct pawl_err *err)
{
    struct stat file;
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    *segment = (struct pawl_segment){.fd = -1};

    if (check_seals(fd, want, err) != 0)
        goto fail;
    if (fstat(fd, &file) != 0) {
        pawl_err_set(err, errno, "fstat: %s", strerror(errno));
        goto fail;
    }
    ssize_t got = pread(fd, &segment->header, sizeof(segment->header), 0);
    if (got != (ssize_t)sizeof(segment->header)) {
        pawl_err_set(err, EPROTO, "a header of %zd bytes: must be %d", got,
                     PAWL_SEGMENT_HEADER_BYTES);
        goto fail;
    }
    if (pawl_segment_check(&segment->header, (uint64_t)file.st_size, want, err) != 0)
        goto fail;
    segment->total_bytes = segment->header.total_bytes;
    segment->page_bytes = segment->header.page_bytes;
    if (map(segment, fd, want->is_shared_writable, err) != 0)
        goto fail;
    segment->body = segment->base + segment->header.body_offset;
    segment->body_bytes = segment->header.body_bytes;
    if (check_spec(segment, want, err) != 0)
        goto fail;
    return 0;

fail:
    pawl_segment_close(segment);
    return pawl_err_wrap(err, "attach segment%s%s", want->kind ? " of kind " : "",
                         want->kind ? pawl_segment_kind_name(want->kind) : "");
}

const char *pawl_segment_spec(const struct pawl_segment *segment)
{
    if (!segment->base || !segment->header.spec_bytes)
        return NULL;
    return (const char *)segment->base + segment->header.spec_offset;
}

void pawl_segment_close(struct pawl_segment *segment)
{
    if (segment->base) {
        munmap(segment->base, segment->total_bytes);
        if (segment->fd >= 0)
            close(segment->fd);
    }
    *segment = (struct pawl_segment){.fd = -1};
}
