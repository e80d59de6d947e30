/* journal_plugin.c: a disk for nbdkit that writes down what reached it, in order.
 *
 *     nbdkit ./journal_plugin.so image=DISK journal=FILE
 *
 * DISK is the content; every write and flush is appended to FILE: u64 wall clock in ns, u64
 * offset, u64 length, then the bytes; a flush is the offset 2^64 - 1 with length 0. From the
 * two, powercut.py builds the images that a power cut could have left. */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

static int image = -1;
static int journal = -1;

static int journal_config(const char *key, const char *value)
{
    if (strcmp(key, "image") == 0)
        image = open(value, O_RDWR | O_CLOEXEC);
    else if (strcmp(key, "journal") == 0)
        journal = open(value, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    else
        nbdkit_error("unknown parameter %s", key);
    return image < 0 && journal < 0 ? -1 : 0;
}

static int note(uint64_t offset, uint64_t length, const void *bytes)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t head[3] = {(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, offset,
                        length};
    if (write(journal, head, sizeof(head)) != (ssize_t)sizeof(head) ||
        (length > 0 && write(journal, bytes, length) != (ssize_t)length)) {
        nbdkit_error("the journal cannot be written");
        return -1;
    }
    return 0;
}

static void *journal_open(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t journal_size(void *handle)
{
    (void)handle;
    struct stat status;
    return fstat(image, &status) == 0 ? status.st_size : -1;
}

static int journal_pread(void *handle, void *bytes, uint32_t count, uint64_t offset,
                         uint32_t flags)
{
    (void)handle;
    (void)flags;
    return pread(image, bytes, count, (off_t)offset) == (ssize_t)count ? 0 : -1;
}

static int journal_flush(void *handle, uint32_t flags)
{
    (void)handle;
    (void)flags;
    return note(UINT64_MAX, 0, NULL);
}

static int journal_pwrite(void *handle, const void *bytes, uint32_t count, uint64_t offset,
                          uint32_t flags)
{
    if (pwrite(image, bytes, count, (off_t)offset) != (ssize_t)count ||
        note(offset, count, bytes) != 0)
        return -1;
    return flags & NBDKIT_FLAG_FUA ? journal_flush(handle, 0) : 0;
}

static struct nbdkit_plugin plugin = {
    .name = "journal",
    .config = journal_config,
    .open = journal_open,
    .get_size = journal_size,
    .pread = journal_pread,
    .pwrite = journal_pwrite,
    .flush = journal_flush,
};

NBDKIT_REGISTER_PLUGIN(plugin)
