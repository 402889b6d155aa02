/* json.c -- see json.h. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { DEPTH_MAX = 512 };

/* Bytes of the UTF-8 letter at s; 0: there is none. */
static int letter_size(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    const int size = p[0] < 0x80       ? 1
                     : p[0] >> 5 == 6  ? 2
                     : p[0] >> 4 == 14 ? 3
                     : p[0] >> 3 == 30 ? 4
                                       : 0;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t code = size > 1 ? p[0] & (0x7fu >> size) : p[0];
    for (int i = 1; i < size; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[size] || code > 0x10ffff || code >> 11 == 27 ? 0 : size;
}

void json_print_string(const char *s)
{
    putchar('"');
    while (*s) {
        const int size = letter_size(s);
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if (size == 1 && *s < 0x20)
            printf("\\u%04x", *s);
        else if (size)
            printf("%.*s", size, s);
        else
            fputs("\\ufffd", stdout);
        s += size ? size : 1;
    }
    putchar('"');
}

/* ---- is it JSON? Each returns what comes behind, or NULL ---- */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    for (p++; *p != '"';) {
        const int size = letter_size(p);
        if (!size || (unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\')
            p += size;
        else if (p[1] == 'u' && strspn(p + 2, digits) >= 4)
            p += 6;
        else if (p[1] && strchr("\"\\/bfnrt", p[1]))
            p += 2;
        else
            return NULL;
    }
    return p + 1;
}

static const char *skip_digits(const char *p)
{
    const size_t n = strspn(p, "0123456789");
    return n ? p + n : NULL;
}

static const char *skip_number(const char *p)
{
    p += *p == '-';
    p = *p == '0' ? p + 1 : skip_digits(p);
    if (p && *p == '.')
        p = skip_digits(p + 1);
    if (p && (*p == 'e' || *p == 'E')) {
        p++;
        p = skip_digits(p + (*p == '+' || *p == '-'));
    }
    return p;
}

static const char *skip_word(const char *p)
{
    static const char *const words[] = { "true", "false", "null", NULL };
    for (int i = 0; words[i]; i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    return NULL;
}

/* `depth` more may lie in it. */
static const char *skip_value(const char *p, int depth);

/* The name and the colon of an object's member. */
static const char *skip_name(const char *p)
{
    p = skip_blanks(p);
    p = *p == '"' ? skip_string(p) : NULL;
    p = p ? skip_blanks(p) : NULL;
    return p && *p == ':' ? p + 1 : NULL;
}

static const char *skip_list(const char *p, int depth)
{
    const bool object = *p == '{';
    const char end = object ? '}' : ']';
    p = skip_blanks(p + 1);
    if (*p == end)
        return p + 1;
    for (;; p++) {
        p = object ? skip_name(p) : p;
        p = p ? skip_value(p, depth) : NULL;
        if (!p || *p == end)
            return p ? p + 1 : NULL;
        if (*p != ',')
            return NULL;
    }
}

/* Blanks on both sides included. */
static const char *skip_value(const char *p, int depth)
{
    p = skip_blanks(p);
    if (*p == '{' || *p == '[')
        p = depth ? skip_list(p, depth - 1) : NULL;
    else if (*p == '"')
        p = skip_string(p);
    else
        p = *p == '-' || (*p >= '0' && *p <= '9') ? skip_number(p) : skip_word(p);
    return p ? skip_blanks(p) : NULL;
}

bool json_valid(const char *text)
{
    const char *end = skip_value(text, DEPTH_MAX);
    return end && !*end;
}
