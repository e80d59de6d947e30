/* stream.c: a pipe of 1 MiB, and a Unix stream socket. */
#include "bench/peers/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)

struct stream {
    int in, out;
};

#define PAWL_BENCH_NAME(name) stream_##name

static inline __attribute__((always_inline)) void stream_put(void *link, uint64_t value,
                                                             uint32_t bytes)
{
    const struct stream *stream = link;
    memcpy(pawl_bench_out, &value, sizeof(value));
    for (uint32_t done = 0; done < bytes;) {
        ssize_t count = write(stream->in, pawl_bench_out + done, bytes - done);
        if (count <= 0)
            return; /* the other side finds a wrong record */
        done += (uint32_t)count;
    }
}

static inline __attribute__((always_inline)) bool stream_take(void *link, uint64_t value,
                                                              uint32_t bytes)
{
    const struct stream *stream = link;
    uint64_t got;
    for (uint32_t done = 0; done < bytes;) {
        ssize_t count = read(stream->out, pawl_bench_in + done, bytes - done);
        if (count <= 0)
            return false;
        done += (uint32_t)count;
    }
    memcpy(&got, pawl_bench_in, sizeof(got));
    return got == value;
}

PAWL_BENCH_LOOPS

static int open_stream(void **link, bool is_pipe, struct pawl_err *err)
{
    struct stream *stream = malloc(sizeof(*stream));
    int ends[2];
    if (!stream || (is_pipe ? pipe2(ends, O_CLOEXEC)
                            : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) != 0) {
        free(stream);
        return pawl_err_set(err, errno, "bench: no stream: %s", strerror(errno));
    }
    *stream = (struct stream){.in = ends[1], .out = ends[0]};
    if (is_pipe)
        fcntl(stream->in, F_SETPIPE_SZ, PIPE_BYTES);
    *link = stream;
    return 0;
}

static int open_pipe(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    (void)size;
    return open_stream(link, true, err);
}

static int open_unix(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    (void)size;
    return open_stream(link, false, err);
}

static void close_stream(void *link)
{
    struct stream *stream = link;
    close(stream->in);
    close(stream->out);
    free(stream);
}

const struct pawl_bench_way peer_pipe = {.name = "pipe",
                                         .open = open_pipe,
                                         .close = close_stream,
                                         .send = stream_send_all,
                                         .receive = stream_receive_all,
                                         .ping = stream_ping,
                                         .pong = stream_pong};

const struct pawl_bench_way peer_unix = {.name = "unix_socket",
                                         .open = open_unix,
                                         .close = close_stream,
                                         .send = stream_send_all,
                                         .receive = stream_receive_all,
                                         .ping = stream_ping,
                                         .pong = stream_pong};
