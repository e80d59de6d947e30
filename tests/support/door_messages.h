/* door_messages.h: the small message table of runtime/msg.h's own sketch, for its tests. */
#ifndef PAWL_TEST_DOOR_MESSAGES_H
#define PAWL_TEST_DOOR_MESSAGES_H

#include "runtime/msg.h"

#define JOIN_FIELDS(FIELD, T)                                                                  \
    FIELD(T, U32, lane_count, 1, 64)                                                           \
    FIELD(T, BYTES, epoch, 16, 16)                                                             \
    FIELD(T, STRING, name, 1, 63)
#define LEAVE_FIELDS(FIELD, T) FIELD(T, U64, position, 0, UINT64_MAX)
#define KNOCK_FIELDS(FIELD, T)                                                                 \
    FIELD(T, U64, strength, 10, 20)                                                            \
    FIELD(T, STRING, why, 0, 5)

#define DOOR_MESSAGES(KIND)                                                                    \
    KIND(1, 1, join, JOIN_FIELDS)                                                              \
    KIND(2, 1, leave, LEAVE_FIELDS)                                                            \
    KIND(7, 3, knock, KNOCK_FIELDS)

PAWL_MSG_DECLARE(door, DOOR_MESSAGES)

#endif
