/* Any bytes are refused or understood, and what is understood has one encoding: its own bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/msg.h"
#include "support/door_messages.h"
#include "support/fuzz.h"

PAWL_MSG_DEFINE(door, DOOR_MESSAGES)

static void demand(int is_so)
{
    if (!is_so)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union door_any any;
    const struct pawl_msg_kind *kind;
    struct pawl_err err = {0};
    int result = pawl_msg_decode(&door_messages, data, size, &any, sizeof(any), &kind, &err);
    demand((result == 0) == (kind != NULL));
    demand(-result == err.code);
    if (result != 0)
        return 0;

    unsigned char again[PAWL_MSG_BYTES_MAX];
    size_t bytes = 0;
    demand(pawl_msg_encode(&door_messages, kind->id, kind->version, &any, again, sizeof(again),
                           &bytes, &err) == 0);
    demand(bytes == size && memcmp(again, data, size) == 0);
    return 0;
}
