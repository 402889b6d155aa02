/* json.h -- JSON that is printed, and text that is said to be JSON. */
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

#include <stdbool.h>

/* A string as JSON writes it, quotes included, to standard output: U+FFFD stands for
 * each byte that is not UTF-8. */
void json_print_string(const char *s);
/* Whether `text` is one JSON value (RFC 8259) of arrays and objects at most 512 deep.
 */
bool json_valid(const char *text);

#endif
