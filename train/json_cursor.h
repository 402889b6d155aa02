/* json_cursor.h -- reading the little JSON that a fixed grammar needs: no tree, no
 * recursion, nothing allocated. */
#ifndef SLUICE_JSON_CURSOR_H
#define SLUICE_JSON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_cursor {
    const char *at, *end;
};

/* Past spaces: is the next one `c`? Then step over it. */
bool json_take(struct json_cursor *j, char c);
/* Past spaces: nothing is left. */
bool json_at_end(struct json_cursor *j);
/* A string, decoded to UTF-8 with a final NUL into out (room bytes, NUL included).
 * False if there is none, it is malformed, does not fit or holds a NUL. */
bool json_string(struct json_cursor *j, char *out, size_t room);
/* Step over a string without decoding it: its bytes between the quotes, which decode to
 * no more than their number. */
bool json_skip_string(struct json_cursor *j, const char **begin, size_t *size);
/* A whole number of at most 63 bits, without sign, fraction or exponent. */
bool json_u64(struct json_cursor *j, uint64_t *out);

/* Write `text` as a JSON string, quotes included, at most `room` bytes; returns its
 * length, or 0 if it does not fit. */
size_t json_quote(char *out, size_t room, const char *text);

#endif
