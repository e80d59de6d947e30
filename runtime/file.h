/* file.h: all of a file in memory, up to a limit. */
#ifndef PAWL_RUNTIME_FILE_H
#define PAWL_RUNTIME_FILE_H

#include <stddef.h>

/* Reads to the end, also where the size is not known beforehand (a pipe, /proc), and one byte
 * beyond bytes_max at most: a text that is longer is one that was too long. The bytes are the
 * caller's to free. 0, or -errno and nothing to free. Fault point: "file.read". */
int pawl_file_read(int fd, size_t bytes_max, char **bytes, size_t *byte_count);

#endif
