/* text_write.h -- numbers and texts as the files of a run hold them. */
#ifndef SLUICE_TEXT_WRITE_H
#define SLUICE_TEXT_WRITE_H

#include <stdio.h>

enum {
    NUMBER_TEXT = 32, /* bytes of any number */
};

/* With 6 digits, or as many more as it takes to read back to the same number. It is a
 * number to JSON and to YAML 1.1 too, which wants a point before an exponent. */
const char *number_text(char buf[NUMBER_TEXT], double x);
/* In double quotes, with the escapes that YAML and JSON have in common; and what stands
 * between the quotes alone. */
void write_quoted(FILE *to, const char *text);
void write_escaped(FILE *to, const char *text);

#endif
