/* deflate.c -- see deflate.h. */
#include <stdlib.h>

#include <zdict.h>
#include <zstd.h>

#include "deflate.h"

struct deflater {
    ZSTD_CCtx *context;
    uint8_t *frame;
    size_t room;
};

int deflater_create(struct deflater **out, int level, const void *dictionary,
                    size_t dictionary_size, struct sluice_error *err)
{
    struct deflater *d;
    *out = NULL;
    if (level < 1 || level > ZSTD_maxCLevel())
        return sluice_fail(err, SLUICE_EINVAL, "zstd level %d, expected 1 to %d", level,
                           ZSTD_maxCLevel());
    d = calloc(1, sizeof(*d));
    if (d)
        d->context = ZSTD_createCCtx();
    if (!d || !d->context ||
        ZSTD_isError(
            ZSTD_CCtx_setParameter(d->context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(
            ZSTD_CCtx_loadDictionary(d->context, dictionary, dictionary_size))) {
        deflater_free(d);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for zstd");
    }
    *out = d;
    return 0;
}

void deflater_free(struct deflater *d)
{
    if (!d)
        return;
    ZSTD_freeCCtx(d->context);
    free(d->frame);
    free(d);
}

size_t deflate_payload(struct deflater *d, const void *data, size_t size,
                       const void **out)
{
    const size_t need = ZSTD_compressBound(size);
    if (d->room < need) {
        free(d->frame);
        d->frame = malloc(need);
        d->room = d->frame ? need : 0;
    }
    if (!d->frame)
        return 0; /* kept as it is */
    const size_t got = ZSTD_compress2(d->context, d->frame, d->room, data, size);
    *out = d->frame;
    return ZSTD_isError(got) || got >= size ? 0 : got;
}

int deflater_train(uint8_t **out, size_t *size, const void *samples,
                   const size_t *sizes, unsigned count, struct sluice_error *err)
{
    *out = malloc(*size);
    if (!*out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a dictionary");
    const size_t got = ZDICT_trainFromBuffer(*out, *size, samples, sizes, count);
    if (!ZDICT_isError(got)) {
        *size = got;
        return 0;
    }
    free(*out);
    *out = NULL;
    return sluice_fail(err, SLUICE_EINVAL,
                       "no dictionary of %zu bytes from %u samples: %s", *size, count,
                       ZDICT_getErrorName(got));
}
