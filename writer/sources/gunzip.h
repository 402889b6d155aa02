/* gunzip.h -- the bytes of a gzip file, with each member's CRC-32 and length checked:
 * libarchive skips both. */
#ifndef SLUICE_GUNZIP_H
#define SLUICE_GUNZIP_H

#include <stdio.h>
#include <sys/types.h>

#include <sluice/error.h>

struct gunzip;

/* `file` is read from where it stands, and closed with it; also on failure. *out is
 * NULL, and the file closed, if what it holds is no gzip. Messages name `path`. */
int gunzip_open(struct gunzip **out, FILE *file, const char *path,
                struct sluice_error *err);
/* The next bytes, good until the next call: their number, 0 behind the last one, or an
 * error, then and ever after. Members may follow each other, and zeros the last one. */
ssize_t gunzip_read(struct gunzip *g, const void **bytes, struct sluice_error *err);
void gunzip_close(struct gunzip *g); /* NULL is fine */

#endif
