/* sluice/inflate.h -- what SLUICE_CODEC_ZSTD means: one zstd frame (RFC 8878) into the
 * bytes that it was made of, with the file's dictionary if it has one.
 *
 * Ownership: an inflater belongs to whoever created it, and holds a copy of the
 *            dictionary: the dataset may be freed before it.
 * Threads:   one inflater, one thread at a time. */
#ifndef SLUICE_INFLATE_H
#define SLUICE_INFLATE_H

#include <sluice/format.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_inflater;

/* SLUICE_ECORRUPT if zstd takes no dictionary from the file's bytes for one; the
 * message names no file. On failure *out is NULL. */
int sluice_inflater_create(struct sluice_inflater **out,
                           const struct sluice_dataset *ds, struct sluice_error *err);
void sluice_inflater_free(struct sluice_inflater *i); /* NULL is fine */

/* The extent->plain bytes of a payload of codec ZSTD into `out`, from its extent->size
 * bytes. SLUICE_ECORRUPT unless they are just that many; the message names no file. */
int sluice_inflate(struct sluice_inflater *i, const struct sluice_extent *extent,
                   const void *bytes, void *out, struct sluice_error *err);

#ifdef __cplusplus
}
#endif
#endif
