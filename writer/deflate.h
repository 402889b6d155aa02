/* deflate.h -- payloads to zstd frames, one each, so that any sample is read by itself.
 */
#ifndef SLUICE_DEFLATE_H
#define SLUICE_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

struct deflater;

/* `dictionary` may be NULL. A level that zstd does not have is SLUICE_EINVAL. */
int deflater_create(struct deflater **out, int level, const void *dictionary,
                    size_t dictionary_size, struct sluice_error *err);
void deflater_free(struct deflater *d);
/* Bytes of the frame, in *out until the next call; 0: it would not be smaller. */
size_t deflate_payload(struct deflater *d, const void *data, size_t size,
                       const void **out);

/* A dictionary of at most *size bytes from `count` samples that lie one after the
 * other; to be freed. SLUICE_EINVAL where there is too little to learn from. */
int deflater_train(uint8_t **out, size_t *size, const void *samples,
                   const size_t *sizes, unsigned count, struct sluice_error *err);

#endif
