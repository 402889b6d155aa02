/* beton.h -- the files of FFCV (https://ffcv.io), version 2: what their bytes mean.
 *
 * All numbers are little-endian, all pointers are offsets in the file:
 *
 *     24 bytes           header: version u16, fields u16, page size u32, samples u64,
 *                        pointer to the allocation table u64
 *     1041 bytes each    fields: type u8, name 16 bytes, arguments 1024 bytes
 *     samples * stride   records: a C struct of the fields' values and pointers
 *     pages              payloads, from the next multiple of the page size
 *     24 bytes each      allocation table, to the end: sample, pointer, size, u64 each
 *
 * There is neither a magic number nor a checksum, so everything is checked against
 * everything else: a payload lies between the records and the table, and the table has
 * an entry of its sample, pointer and size.
 *
 * Errors:    SLUICE_ECORRUPT, or SLUICE_EUNBUILT for what is well formed but has no
 *            like here; messages do not name the file.
 * Threads:   once parsed, it is read-only. */
#ifndef SLUICE_BETON_H
#define SLUICE_BETON_H

#include <sluice/format.h>

enum { BETON_RANK_MAX = 32 };

/* The numbers are those of the file. */
enum beton_type {
    BETON_FLOAT = 0,
    BETON_INT = 1,
    BETON_IMAGE = 2,
    BETON_BYTES = 3,
    BETON_ARRAY = 4,
    BETON_JSON = 5,
    BETON_TENSOR = 6, /* of PyTorch: stored as an array */
};

struct beton_field {
    char name[17];
    enum beton_type type;
    size_t at; /* in a record */
    /* ARRAY and TENSOR: elements as numpy's type strings say, row-major. */
    char letter; /* u, i, f, b; others have no like here */
    int element; /* bytes */
    bool big_endian;
    int rank;
    uint64_t shape[BETON_RANK_MAX];
    uint64_t size; /* bytes of the payload */
};

/* Where a payload lies. */
struct beton_place {
    uint64_t offset, size;
    bool jpeg;              /* IMAGE: a JPEG, else rows of RGB */
    uint32_t width, height; /* IMAGE */
};

struct beton_allocation {
    uint64_t sample, offset, size;
};

struct beton {
    struct beton_field fields[SLUICE_FIELDS_MAX];
    int field_count;
    uint64_t samples;
    size_t stride;
    uint8_t *records;
    struct beton_allocation *allocations; /* sorted by sample, then by offset */
    uint64_t allocation_count;
    uint64_t payloads_from, payloads_to; /* they lie between these offsets */
};

/* Parse what is not payload: it stays in memory, and is never more than the file. On
 * failure nothing is left. */
int beton_parse(struct beton *out, uint64_t size, sluice_read_at read, void *ctx,
                struct sluice_error *err);
void beton_free(struct beton *b);

/* Values of sample `i`, below the samples, of a field of that type. */
int64_t beton_integer(const struct beton *b, int field, uint64_t i);
double beton_real(const struct beton *b, int field, uint64_t i);
/* Mode, width and height alone; false: they are none. */
bool beton_image(const struct beton *b, int field, uint64_t i, struct beton_place *out);
/* Of all other types; checked. An empty payload has the offset 0. */
int beton_locate(const struct beton *b, int field, uint64_t i, struct beton_place *out,
                 struct sluice_error *err);

#endif
