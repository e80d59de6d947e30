#include "shm/hub_msg.h"

#include <errno.h>
#include <string.h>

PAWL_MSG_DEFINE(pawl_hub, PAWL_HUB_MESSAGES)

const char *pawl_role_name(uint32_t role)
{
    switch (role) {
    case PAWL_ROLE_LEARNER:
        return "learner";
    case PAWL_ROLE_ACTOR:
        return "actor";
    case PAWL_ROLE_BRIDGE:
        return "bridge";
    case PAWL_ROLE_INSPECTOR:
        return "inspector";
    default:
        return "unknown";
    }
}

void pawl_hub_set_text(char *to, size_t bytes, const char *text)
{
    size_t i = 0;
    for (; i + 1 < bytes && text[i]; i++)
        to[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    memset(to + i, 0, bytes - i);
}

int pawl_hub_send(int fd, uint16_t id, uint16_t version, const void *body, const int *fds,
                  size_t fd_count, uint64_t deadline_ns, struct pawl_err *err)
{
    unsigned char data[PAWL_HUB_MESSAGE_BYTES_MAX];
    int fds_sent[PAWL_HUB_FD_COUNT_MAX];
    struct pawl_sock_message message = {.data = data, .fds = fds_sent, .fd_count = fd_count};

    if (fd_count > PAWL_HUB_FD_COUNT_MAX)
        return pawl_err_set(err, EINVAL, "send %zu descriptors to or from the hub: at most %d",
                            fd_count, PAWL_HUB_FD_COUNT_MAX);
    for (size_t i = 0; i < fd_count; i++)
        fds_sent[i] = fds[i];
    int status = pawl_msg_encode(&pawl_hub_messages, id, version, body, data, sizeof(data),
                                 &message.bytes, err);
    return status ? status : pawl_sock_send(fd, &message, deadline_ns, err);
}

int pawl_hub_receive(int fd, union pawl_hub_any *any, const struct pawl_msg_kind **kind,
                     int fds[PAWL_HUB_FD_COUNT_MAX], size_t *fd_count, uint64_t deadline_ns,
                     struct pawl_err *err)
{
    unsigned char data[PAWL_HUB_MESSAGE_BYTES_MAX];
    struct pawl_sock_message message = {.data = data,
                                        .bytes_max = sizeof(data),
                                        .fds = fds,
                                        .fd_count_max = PAWL_HUB_FD_COUNT_MAX};
    *kind = NULL;
    *fd_count = 0;
    int status = pawl_sock_receive(fd, &message, deadline_ns, err);
    if (status)
        return status;
    size_t bytes = message.bytes;
    status = pawl_msg_decode(&pawl_hub_messages, data, bytes, any, sizeof(*any), kind, err);
    if (status) {
        pawl_sock_message_drop(&message);
        return status;
    }
    *fd_count = message.fd_count;
    return 0;
}
