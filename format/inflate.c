/* inflate.c -- see sluice/inflate.h. */
#include <stdlib.h>

#include <sluice/inflate.h>

#include <zstd.h>

struct sluice_inflater {
    ZSTD_DCtx *context;
    ZSTD_DDict *dictionary; /* NULL: none */
};

int sluice_inflater_create(struct sluice_inflater **out,
                           const struct sluice_dataset *ds, struct sluice_error *err)
{
    const void *dictionary;
    size_t size;
    struct sluice_inflater *i = calloc(1, sizeof(*i));
    sluice_dataset_zstd(ds, &dictionary, &size);
    if (i) {
        i->context = ZSTD_createDCtx();
        i->dictionary = size ? ZSTD_createDDict(dictionary, size) : NULL;
    }
    *out = i;
    if (i && i->context && (!size || i->dictionary))
        return 0;
    const bool bad = i && i->context; /* zstd does not say why */
    sluice_inflater_free(i);
    *out = NULL;
    return bad ? sluice_fail(err, SLUICE_ECORRUPT,
                             "zstd takes no dictionary from the file's %zu bytes", size)
               : sluice_fail(err, SLUICE_ENOMEM, "no memory to inflate");
}

void sluice_inflater_free(struct sluice_inflater *i)
{
    if (!i)
        return;
    ZSTD_freeDCtx(i->context);
    ZSTD_freeDDict(i->dictionary);
    free(i);
}

int sluice_inflate(struct sluice_inflater *i, const struct sluice_extent *x,
                   const void *bytes, void *out, struct sluice_error *err)
{
    const size_t got =
        i->dictionary ? ZSTD_decompress_usingDDict(i->context, out, x->plain, bytes,
                                                   x->size, i->dictionary)
                      : ZSTD_decompressDCtx(i->context, out, x->plain, bytes, x->size);
    if (ZSTD_isError(got))
        return sluice_fail(err, SLUICE_ECORRUPT, "zstd: %s", ZSTD_getErrorName(got));
    if (got != x->plain)
        return sluice_fail(err, SLUICE_ECORRUPT, "zstd: %zu bytes, expected %u", got,
                           x->plain);
    return 0;
}
