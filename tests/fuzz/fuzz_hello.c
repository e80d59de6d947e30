/* Whatever connections say, the hub goes on: it obeys or rejects, keeps its limits and what it
 * holds, and a program beside them is served.
 *
 * The input is a list of messages: which connection (2 bits), how many descriptors it brings (2
 * bits), of what (2 bits) and a length, then that many bytes. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/hub.h"
#include "shm/peer.h"
#include "support/fuzz.h"

enum { CONNECTION_COUNT = 4, MESSAGE_COUNT_MAX = 64 };

static struct pawl_segment segment;

static void demand(bool is_so)
{
    if (!is_so)
        abort();
}

static void open_segment(void)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_RING;
    cfg.body_bytes = PAWL_SEGMENT_PAGE_BYTES;
    demand(segment.base || pawl_segment_create(&segment, &cfg, NULL) == 0);
}

static void send_raw(int fd, const uint8_t *data, size_t bytes, const int *fds, size_t fd_count)
{
    unsigned char copy[PAWL_HUB_MESSAGE_BYTES_MAX];
    int fds_copy[4];
    memcpy(copy, data, bytes);
    memcpy(fds_copy, fds, fd_count * sizeof(*fds));
    struct pawl_sock_message message = {
        .data = copy, .bytes = bytes, .fds = fds_copy, .fd_count = fd_count};
    pawl_sock_send(fd, &message, 0, NULL); /* may have been hung up on */
}

static int fd_count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 128; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void play(struct pawl_hub *hub, const int *fds, const uint8_t *data, size_t size)
{
    for (int i = 0; i < MESSAGE_COUNT_MAX && size >= 3; i++) {
        int connection = data[0] & 3;
        size_t fd_count = data[0] >> 2 & 3;
        int fd = data[0] & 16 ? STDERR_FILENO : segment.fd;
        size_t bytes = (size_t)data[1] | (size_t)(data[2] & 7) << 8;
        data += 3;
        size -= 3;
        bytes = bytes < size ? bytes : size;
        if (bytes > 0)
            send_raw(fds[connection], data, bytes, (const int[]){fd, fd, fd, fd}, fd_count);
        data += bytes;
        size -= bytes;
        if (!(i & 3))
            demand(pawl_hub_serve(hub, NULL) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t roles[CONNECTION_COUNT] = {PAWL_ROLE_LEARNER, PAWL_ROLE_ACTOR,
                                                     PAWL_ROLE_ACTOR, PAWL_ROLE_INSPECTOR};
    struct pawl_hub hub;
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    int fds[CONNECTION_COUNT], bystander_fd;

    open_segment();
    int before = fd_count_open();
    cfg.peer_count_max = CONNECTION_COUNT + 1;
    cfg.offer_count_max = 8;
    cfg.peer_offer_count_max = 4;
    demand(pawl_hub_open(&hub, &cfg, NULL) == 0);
    for (uint32_t i = 0; i < CONNECTION_COUNT; i++)
        demand(pawl_hub_invite(&hub, roles[i], i, &fds[i], NULL) == 0);
    demand(pawl_hub_invite(&hub, PAWL_ROLE_BRIDGE, 9, &bystander_fd, NULL) == 0);
    const struct pawl_hub_hello hello = {
        .abi_major = PAWL_HUB_ABI_MAJOR, .role = PAWL_ROLE_BRIDGE, .index = 9};
    demand(pawl_hub_send(bystander_fd, pawl_hub_hello_id, 1, &hello, NULL, 0, 0, NULL) == 0);

    play(&hub, fds, data, size);
    for (int i = 0; i < MESSAGE_COUNT_MAX; i++)
        demand(pawl_hub_serve(&hub, NULL) == 0);
    demand(hub.table.used_count <= cfg.offer_count_max);
    demand(pawl_hub_find_peer(&hub, PAWL_ROLE_BRIDGE, 9) != NULL);

    pawl_hub_close(&hub);
    for (int i = 0; i < CONNECTION_COUNT; i++)
        close(fds[i]);
    close(bystander_fd);
    demand(fd_count_open() == before); /* nor is one left from what was sent */
    return 0;
}
