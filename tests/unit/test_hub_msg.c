#include "shm/hub_msg.h"

#include <string.h>

#include "support/test.h"

START_TEST(the_table_of_messages_is_sound)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_msg_table_check(&pawl_hub_messages, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(every_message_fits_the_buffer_of_both_ends)
{
    for (size_t i = 0; i < pawl_hub_messages.kind_count; i++)
        ck_assert_uint_le(pawl_msg_bytes(&pawl_hub_messages.kinds[i]),
                          PAWL_HUB_MESSAGE_BYTES_MAX);
}
END_TEST

START_TEST(the_numbers_on_the_wire_are_fixed)
{
    static const char *const names[] = {"",     "hello", "welcome", "reject", "offer",
                                        "bind", "gone",  "drained", "refuse", "withdraw",
                                        "stop", "state", "bye",     "all"};
    ck_assert_uint_eq(pawl_hub_messages.kind_count, 13);
    for (uint16_t id = 1; id <= 13; id++) {
        const struct pawl_msg_kind *kind = pawl_msg_find(&pawl_hub_messages, id, 1);
        ck_assert_ptr_nonnull(kind);
        ck_assert_str_eq(kind->name + strlen("pawl_hub_"), names[id]);
    }
    /* The one that programs of other versions have to read. */
    ck_assert_uint_eq(pawl_msg_bytes(pawl_msg_find(&pawl_hub_messages, pawl_hub_hello_id, 1)),
                      8 + 5 * 4 + 16 + 64);
}
END_TEST

PAWL_TEST_MAIN("hub_msg", the_table_of_messages_is_sound,
               every_message_fits_the_buffer_of_both_ends, the_numbers_on_the_wire_are_fixed)
