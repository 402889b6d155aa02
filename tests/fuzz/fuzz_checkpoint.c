/* fuzz_checkpoint.c -- any bytes taken for a checkpoint are refused with words, or give
 * tensors that lie inside those bytes and texts that can be read. */
#include <sluice/crc32c.h>

#include "checkpoint.h"
#include "fuzz.h"
#include "safetensors.h"

static void touch(const struct safetensors *st, size_t size)
{
    uint64_t covered = 0;
    FUZZ_REQUIRE(st->data_at <= size && st->data_size == size - st->data_at);
    for (int i = 0; i < st->entries; i++) {
        const struct safetensors_entry *e = &st->entry[i];
        uint64_t bytes = safetensors_dtype_size(e->dtype);
        FUZZ_REQUIRE(e->rank <= SAFETENSORS_RANK && e->begin <= e->end &&
                     e->end <= st->data_size);
        for (int k = 0; k < e->rank; k++)
            bytes *= e->shape[k];
        FUZZ_REQUIRE(bytes == e->end - e->begin);
        FUZZ_REQUIRE(safetensors_find(st, e->name) == e);
        covered += bytes;
    }
    FUZZ_REQUIRE(covered == st->data_size);
    for (int i = 0; i < st->texts; i++) {
        const struct safetensors_text *t = &st->text[i];
        FUZZ_REQUIRE(t->raw + t->size < st->data_at && strlen(t->value) <= t->size);
        FUZZ_REQUIRE(safetensors_text(st, t->key) == t);
    }
}

/* No fuzzer guesses the checksum: put the right one where the file has its digits. */
static void mend(const struct safetensors *st, uint8_t *data, size_t size)
{
    const struct safetensors_text *text = safetensors_text(st, "crc32c");
    char digits[9];
    if (!text || text->size != 8)
        return;
    memcpy(data + text->raw, "00000000", 8);
    snprintf(digits, sizeof digits, "%08x", (unsigned)sluice_crc32c(0, data, size));
    memcpy(data + text->raw, digits, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sluice_error err = { 0 };
    struct safetensors st;
    struct checkpoint_meta meta;
    uint8_t *copy = malloc(size ? size : 1);
    FUZZ_REQUIRE(copy);
    memcpy(copy, data, size);
    int rc = safetensors_parse(&st, "file", copy, size, &err);
    FUZZ_REQUIRE(rc == 0 ||
                 (!st.entry && !st.text && err.message[0] && err.code == rc));
    if (rc == 0) {
        touch(&st, size);
        mend(&st, copy, size);
    }
    safetensors_free(&st);
    rc = checkpoint_parse("file", copy, size, &meta, &err);
    FUZZ_REQUIRE(rc == 0 || err.message[0]);
    if (rc == 0)
        FUZZ_REQUIRE(memchr(meta.model, 0, sizeof meta.model) &&
                     memchr(meta.extra, 0, sizeof meta.extra));
    free(copy);
    return 0;
}
