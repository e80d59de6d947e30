/* text.h: bytes from anywhere as text: what is a character, what a terminal may be given, how a
 * string and a number are written so that they read back.
 *
 *     char plain[128];
 *     pawl_text_plain(name, strlen(name), plain, sizeof(plain));
 *     pawl_err_set(err, ENOENT, "no table '%s'", plain);
 *
 * Thread safety: no state. Nothing here reads the locale: programs stay in "C".
 */
#ifndef PAWL_RUNTIME_TEXT_H
#define PAWL_RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the character at `text`, of which `left` (at least 1) may be read, and its code
 * point in *code (may be NULL); 0 where there is no UTF-8 (RFC 3629: nothing overlong, no
 * surrogate, nothing above U+10FFFF). */
size_t pawl_text_character(const char *text, size_t left, uint32_t *code);

/* True for a character that shows as itself: no control (C0, DEL, C1), nothing that ends a line
 * or steers the direction of writing. */
bool pawl_text_is_printable(uint32_t code);

bool pawl_text_is_utf8(const char *text, size_t text_bytes);

/* Copies for a terminal: what is not a printable character becomes '?', a tab a blank. Cuts
 * with "..." between two characters; text_bytes is at least 4. `text` may be `from` where
 * nothing is to be cut. */
void pawl_text_plain(const char *from, size_t from_bytes, char *text, size_t text_bytes);

#define PAWL_TEXT_ESCAPE_BYTES 8

/* How the byte is written inside double quotes, in JSON and in TOML alike, with a NUL behind.
 * Returns its length, 0 for a byte that stands for itself. */
size_t pawl_text_escape(char c, char escape[PAWL_TEXT_ESCAPE_BYTES]);

#define PAWL_TEXT_F64_BYTES 40

enum pawl_text_f64_form {
    PAWL_TEXT_F64_FOR_PROGRAMS, /* 4.0: a reader that tells 4 from 4.0 gets the type back */
    PAWL_TEXT_F64_FOR_PEOPLE,   /* 4 */
};

/* The shortest text that reads back as the same number; "nan", "inf", "-inf". Returns its
 * length. */
size_t pawl_text_f64(char text[PAWL_TEXT_F64_BYTES], double f64, enum pawl_text_f64_form form);

/* Lower case, two digits a byte and a NUL: `text` has 2 * byte_count + 1. */
void pawl_text_hex(const void *bytes, size_t byte_count, char *text);

/* True on a terminal where neither NO_COLOR nor TERM says otherwise. */
bool pawl_text_wants_colour(int fd);

#endif
