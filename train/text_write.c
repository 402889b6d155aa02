/* text_write.c -- see text_write.h. */
#include "text_write.h"

#include <stdlib.h>
#include <string.h>

const char *number_text(char buf[NUMBER_TEXT], double x)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buf, NUMBER_TEXT, "%.*g", digits, x);
        if (strtod(buf, NULL) == x)
            break;
    }
    char *exponent = strchr(buf, 'e');
    if (exponent && !strchr(buf, '.')) {
        memmove(exponent + 2, exponent, strlen(exponent) + 1);
        memcpy(exponent, ".0", 2);
    }
    return buf;
}

void write_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
}

void write_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    write_escaped(to, text);
    fputc('"', to);
}
