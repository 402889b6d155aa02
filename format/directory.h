/* directory.h -- reading the directory: bytes to structs, everything checked. */
#ifndef SLUICE_DIRECTORY_H
#define SLUICE_DIRECTORY_H

#include <sluice/format_emit.h>

/* Parse `size` bytes into *dir, which starts out zero. What the directory says of the
 * file is checked against `file_length`. On failure *dir is to be cleared too. */
int sluice_directory_parse(struct sluice_directory *dir, const char *name,
                           const uint8_t *bytes, size_t size, uint64_t file_length,
                           struct sluice_error *err);
void sluice_directory_clear(struct sluice_directory *dir);

#endif
