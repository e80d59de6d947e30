#include "runtime/sha256.h"

#include <string.h>

#include "runtime/text.h"
#include "support/test.h"

static const char *hash_of(const void *data, size_t length_bytes)
{
    static char hex[PAWL_SHA256_HEX_BYTES];
    uint8_t digest[PAWL_SHA256_BYTES];
    pawl_sha256(data, length_bytes, digest);
    pawl_text_hex(digest, PAWL_SHA256_BYTES, hex);
    return hex;
}

START_TEST(the_examples_of_the_standard_come_out)
{
    ck_assert_str_eq(hash_of(NULL, 0),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_str_eq(hash_of("abc", 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    ck_assert_str_eq(hash_of(two_blocks, strlen(two_blocks)),
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
END_TEST

START_TEST(a_million_letters_come_out)
{
    static char letters[1000000];
    memset(letters, 'a', sizeof(letters));
    ck_assert_str_eq(hash_of(letters, sizeof(letters)),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(pieces_give_what_the_whole_gives)
{
    uint8_t data[300], whole[PAWL_SHA256_BYTES], pieces[PAWL_SHA256_BYTES];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t length = 0; length <= sizeof(data); length++) {
        pawl_sha256(data, length, whole);
        for (size_t piece = 1; piece <= length; piece += 13) {
            struct pawl_sha256 sha;
            pawl_sha256_start(&sha);
            for (size_t at = 0; at < length; at += piece)
                pawl_sha256_update(&sha, data + at, length - at < piece ? length - at : piece);
            pawl_sha256_finish(&sha, pieces);
            ck_assert_mem_eq(pieces, whole, sizeof(whole));
        }
    }
}
END_TEST

START_TEST(every_length_around_a_block_is_padded_right)
{
    /* The hash of all hashes of 0..200 bytes 'x', as Python's hashlib gives it. */
    char text[200];
    struct pawl_sha256 all;
    uint8_t digest[PAWL_SHA256_BYTES];
    char hex[PAWL_SHA256_HEX_BYTES];

    memset(text, 'x', sizeof(text));
    pawl_sha256_start(&all);
    for (size_t length = 0; length <= sizeof(text); length++) {
        const char *line = hash_of(text, length);
        pawl_sha256_update(&all, line, strlen(line));
    }
    pawl_sha256_finish(&all, digest);
    pawl_text_hex(digest, PAWL_SHA256_BYTES, hex);
    ck_assert_str_eq(hex, "75013a3fd49991ead9d8a57ea80485c088443c3406a0e8fa003ed57144041eb4");
}
END_TEST

PAWL_TEST_MAIN("sha256", the_examples_of_the_standard_come_out, a_million_letters_come_out,
               pieces_give_what_the_whole_gives, every_length_around_a_block_is_padded_right)
