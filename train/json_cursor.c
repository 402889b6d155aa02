/* json_cursor.c -- strings and whole numbers of JSON (RFC 8259). */
#include <string.h>

#include "json_cursor.h"

static void skip_spaces(struct json_cursor *j)
{
    while (j->at < j->end &&
           (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
        j->at++;
}

bool json_take(struct json_cursor *j, char c)
{
    skip_spaces(j);
    if (j->at == j->end || *j->at != c)
        return false;
    j->at++;
    return true;
}

bool json_at_end(struct json_cursor *j)
{
    skip_spaces(j);
    return j->at == j->end;
}

bool json_u64(struct json_cursor *j, uint64_t *out)
{
    skip_spaces(j);
    const char *start = j->at;
    uint64_t value = 0;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
        const uint64_t digit = (uint64_t)(*j->at++ - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    const bool leading_zero = j->at - start > 1 && *start == '0';
    *out = value;
    return j->at > start && !leading_zero;
}

/* Four hexadecimal digits; -1: they are not. */
static int32_t hex4(struct json_cursor *j)
{
    int32_t value = 0;
    if (j->end - j->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = *j->at++;
        const char lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* The character behind \u; -1: malformed. A pair of surrogates is one character. */
static int32_t unicode_escape(struct json_cursor *j)
{
    const int32_t high = hex4(j);
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || j->end - j->at < 6 || j->at[0] != '\\' || j->at[1] != 'u')
        return -1;
    j->at += 2;
    const int32_t low = hex4(j);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static int utf8(char out[4], int32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const int count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = count - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00 >> count) | c);
    return count;
}

/* What follows a backslash, as bytes; their count, 0: malformed. */
static int escape(struct json_cursor *j, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at == j->end)
        return 0;
    const char c = *j->at++;
    if (c == 'u') {
        const int32_t code = unicode_escape(j);
        return code <= 0 ? 0 : utf8(out, code);
    }
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return 0;
    out[0] = to[found - from];
    return 1;
}

bool json_string(struct json_cursor *j, char *out, size_t room)
{
    size_t length = 0;
    if (!json_take(j, '"'))
        return false;
    while (j->at < j->end && *j->at != '"') {
        char bytes[4] = { *j->at++ };
        int count = 1;
        if ((unsigned char)bytes[0] < 0x20)
            return false;
        if (bytes[0] == '\\')
            count = escape(j, bytes);
        if (count == 0 || room - length <= (size_t)count)
            return false;
        memcpy(out + length, bytes, (size_t)count);
        length += (size_t)count;
    }
    if (j->at == j->end || room == 0)
        return false;
    j->at++;
    out[length] = '\0';
    return true;
}

bool json_skip_string(struct json_cursor *j, const char **begin, size_t *size)
{
    if (!json_take(j, '"'))
        return false;
    *begin = j->at;
    while (j->at < j->end && *j->at != '"')
        j->at += *j->at == '\\' && j->end - j->at > 1 ? 2 : 1;
    if (j->at == j->end)
        return false;
    *size = (size_t)(j->at++ - *begin);
    return true;
}

size_t json_quote(char *out, size_t room, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    if (room < 2)
        return 0;
    out[n++] = '"';
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (room - n < 8)
            return 0;
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20) {
            out[n++] = '\\';
            out[n++] = 'u';
            out[n++] = '0';
            out[n++] = '0';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        } else {
            out[n++] = (char)c;
        }
    }
    if (n == room)
        return 0;
    out[n++] = '"';
    return n;
}
