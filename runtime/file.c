#include "runtime/file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/fault.h"

#define FIRST_READ_BYTES ((size_t)64 << 10)

int pawl_file_read(int fd, size_t bytes_max, char **bytes, size_t *byte_count)
{
    size_t room = bytes_max < FIRST_READ_BYTES ? bytes_max + 1 : FIRST_READ_BYTES;
    size_t count = 0;
    char *buffer = malloc(room);

    while (buffer) {
        int code = PAWL_FAULT_ERRNO("file.read");
        ssize_t got = code ? -1 : read(fd, buffer + count, room - count);
        if (got < 0 && !code)
            code = errno;
        if (code == EINTR)
            continue;
        if (code) {
            free(buffer);
            return -code;
        }
        count += (size_t)got;
        if (got == 0 || count > bytes_max) {
            *bytes = buffer;
            *byte_count = count;
            return 0;
        }
        if (count == room) {
            room = room <= bytes_max / 2 ? room * 2 : bytes_max + 1;
            char *bigger = realloc(buffer, room);
            if (!bigger)
                free(buffer);
            buffer = bigger;
        }
    }
    return -ENOMEM;
}
