/* fuzz_dataset.c -- any bytes taken for a .sluice file are refused with words, or give
 * a dataset whose every answer lies inside those bytes. */
#include <stdlib.h>

#include <sluice/crc32c.h>
#include <sluice/format.h>
#include <sluice/inflate.h>

#include "fuzz.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

static int read_at(void *ctx, void *buf, size_t size, uint64_t offset,
                   struct sluice_error *err)
{
    const struct bytes *b = ctx;
    if (offset > b->size || size > b->size - offset)
        return sluice_fail(err, SLUICE_EIO, "beyond the end");
    memcpy(buf, b->data + offset, size);
    return 0;
}

/* Blocks and tables carry checksums that no fuzzer guesses: mend those of the three
 * blocks at the start, and of the directory, so that what they guard is reached. */
static void mend(uint8_t *data, size_t size)
{
    enum { BLOCK = 4096, CRC = BLOCK - 4 };
    uint32_t crc;
    uint64_t at, length;
    if (size < 3 * BLOCK)
        return;
    for (int slot = 1; slot < 3; slot++) {
        uint8_t *block = data + (size_t)slot * BLOCK;
        memcpy(&at, block + 16, 8);
        memcpy(&length, block + 24, 8);
        if (length <= size && at <= size - length) {
            crc = sluice_crc32c(0, data + at, length);
            memcpy(block + 32, &crc, 4);
        }
        crc = sluice_crc32c(0, block, CRC);
        memcpy(block + CRC, &crc, 4);
    }
    crc = sluice_crc32c(0, data, CRC);
    memcpy(data + CRC, &crc, 4);
}

static void inflate_some(const struct sluice_dataset *ds, const struct sluice_extent *x,
                         const uint8_t *bytes)
{
    struct sluice_inflater *i;
    if (x->codec != SLUICE_CODEC_ZSTD || x->plain > 1 << 20)
        return;
    uint8_t *out = malloc(x->plain + 1);
    FUZZ_REQUIRE(out);
    if (sluice_inflater_create(&i, ds, NULL) == 0) /* its dictionary may be none */
        (void)sluice_inflate(i, x, bytes, out, NULL);
    sluice_inflater_free(i);
    free(out);
}

static void touch(const struct sluice_dataset *ds, const struct bytes *b)
{
    const uint64_t count = sluice_dataset_count(ds);
    const uint64_t some = count < 64 ? count : 64;
    volatile double sink = 0;
    for (int k = 0; k < sluice_dataset_field_count(ds); k++) {
        const struct sluice_field *f = sluice_dataset_field(ds, k);
        for (int c = 0; c < sluice_dataset_classes(ds, k); c++)
            sink += (double)strlen(sluice_dataset_class_name(ds, k, c));
        for (uint64_t n = 0; n < some; n++) {
            const uint64_t i = n < some / 2 ? n : count - 1 - (some - 1 - n);
            struct sluice_extent x;
            if (f->kind == SLUICE_KIND_SCALAR)
                sink += sluice_dataset_real(ds, k, i);
            else if (sluice_dataset_locate(ds, k, i, &x, NULL) == 0) {
                FUZZ_REQUIRE(x.offset <= b->size && x.size <= b->size - x.offset);
                inflate_some(ds, &x, b->data + x.offset);
            }
        }
    }
    sink += (double)strlen(sluice_dataset_provenance(ds));
    if (sluice_dataset_mean(ds))
        sink += sluice_dataset_mean(ds)[0] + sluice_dataset_std(ds)[0];
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sluice_error err = { 0 };
    struct sluice_dataset *ds;
    uint8_t *copy = malloc(size ? size : 1);
    FUZZ_REQUIRE(copy);
    memcpy(copy, data, size);
    struct bytes b = { copy, size };
    for (int pass = 0; pass < 2;
         pass++) { /* as it is, then with its checksums mended */
        int rc = sluice_dataset_open(&ds, "file", size, read_at, &b, &err);
        FUZZ_REQUIRE(rc == 0 || (!ds && err.message[0] && err.code == rc));
        if (rc == 0)
            touch(ds, &b);
        sluice_dataset_free(ds);
        mend(copy, size);
    }
    free(copy);
    return 0;
}
