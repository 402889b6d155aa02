/* sluice/format.h -- the packed file, version 1: what its bytes mean. FORMAT.md is
 * the byte-level specification; this header is the same in C.
 *
 * This part does no I/O and starts no threads: to read, it asks a callback for
 * bytes; to write, it fills buffers. Everything that comes from a file is checked
 * before it is used; hostile bytes give SLUICE_ECORRUPT, never a crash, and never take
 * more than 64 bytes of memory for each byte of the file.
 *
 *     struct sluice_dataset *ds;
 *     if (sluice_dataset_open(&ds, "train.sluice", file_size, read_at, &fd, &err) < 0)
 *         ...
 *     struct sluice_extent x;
 *     sluice_dataset_locate(ds, image_field, sample, &x, &err);  // where it lies
 *     int64_t label = sluice_dataset_integer(ds, label_field, sample);
 *
 * A file holds samples 0 .. count-1, each with the same fields. Scalar fields lie in
 * columns that are resident after opening; payload fields (images, bytes, tensors,
 * JSON) are located by an extent and read by the caller. Samples lie in segments, one
 * per writing session (append adds a segment); `locate` hides that.
 *
 * Ownership: what the getters return belongs to the dataset.
 * Threads:   after opening, a dataset is read-only and may be shared freely. */
#ifndef SLUICE_FORMAT_H
#define SLUICE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/image.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SLUICE_NAME_MAX = 31,     /* bytes of a field's name, without the 0 */
    SLUICE_FIELDS_MAX = 64,   /* fields of a file */
    SLUICE_RANK_MAX = 4,      /* axes of a tensor field */
    SLUICE_BLOCK_SIZE = 4096, /* alignment of data areas, for O_DIRECT */
};

/* What a field is. The numbers are part of the file format. */
enum sluice_kind {
    SLUICE_KIND_SCALAR =
        1,                 /* one element of `dtype` per sample, in a resident column */
    SLUICE_KIND_IMAGE = 2, /* u8 pixels, HWC, or an encoded picture: see codec */
    SLUICE_KIND_BYTES = 3, /* any bytes, any length */
    SLUICE_KIND_TENSOR = 4, /* `shape` elements of `dtype`, row-major */
    SLUICE_KIND_JSON = 5,   /* UTF-8 JSON text, any length */
};

/* How a payload's bytes are encoded. */
enum sluice_codec {
    SLUICE_CODEC_RAW = 0,  /* as they are; an image is height*width*channels bytes */
    SLUICE_CODEC_JPEG = 1, /* one JPEG picture */
    SLUICE_CODEC_ZSTD =
        2, /* one zstd frame of what RAW would be: see sluice/inflate.h */
};

/* One field of the schema. Zero in height, width or channels of an image field means
 * that it differs from sample to sample. */
struct sluice_field {
    char name[SLUICE_NAME_MAX + 1];
    enum sluice_kind kind;
    enum sluice_dtype dtype;         /* SCALAR and TENSOR; U8 for the others */
    int rank;                        /* TENSOR: axes in shape */
    uint32_t shape[SLUICE_RANK_MAX]; /* TENSOR: sizes; IMAGE: height, width, channels */
};

/* Where the bytes of one payload lie, and how to check them. */
struct sluice_extent {
    uint64_t offset; /* in the file */
    uint32_t size;   /* bytes stored */
    uint32_t crc;    /* CRC-32C of those bytes */
    enum sluice_codec codec;
    uint32_t height, width, channels; /* IMAGE */
    uint32_t plain;                   /* ZSTD: bytes once inflated; else 0 */
};

/* Reads exactly `size` bytes at `offset`, or fails. */
typedef int (*sluice_read_at)(void *ctx, void *buf, size_t size, uint64_t offset,
                              struct sluice_error *err);

struct sluice_dataset;

/* Parse the metadata of the file called `name` (used in messages only), `file_size`
 * bytes long. On failure *out is NULL. `read` is not called again after this
 * returns. */
int sluice_dataset_open(struct sluice_dataset **out, const char *name,
                        uint64_t file_size, sluice_read_at read, void *ctx,
                        struct sluice_error *err);
void sluice_dataset_free(struct sluice_dataset *ds); /* NULL is fine */

const char *sluice_dataset_name(const struct sluice_dataset *ds);
uint64_t sluice_dataset_count(const struct sluice_dataset *ds);
int sluice_dataset_segments(const struct sluice_dataset *ds);
int sluice_dataset_field_count(const struct sluice_dataset *ds);
const struct sluice_field *sluice_dataset_field(const struct sluice_dataset *ds,
                                                int field);

/* The commit slot that is damaged, 0 or 1; -1: none is. The file reads as one that the
 * commit of the other slot left: samples of the last append may be missing, and an
 * append, which would make that final, is refused. */
int sluice_dataset_damaged_slot(const struct sluice_dataset *ds);

/* Number of the field with this name, or of the first one of this kind; -1: none. */
int sluice_dataset_find(const struct sluice_dataset *ds, const char *name);
int sluice_dataset_find_kind(const struct sluice_dataset *ds, enum sluice_kind kind);
/* The integer field whose values have class names, else the first integer one; -1. */
int sluice_dataset_find_label(const struct sluice_dataset *ds);

/* Where payload field `field` of sample `sample` lies. The extent is inside the file.
 * A scalar field is SLUICE_EINVAL here: use the next calls. */
int sluice_dataset_locate(const struct sluice_dataset *ds, int field, uint64_t sample,
                          struct sluice_extent *out, struct sluice_error *err);

/* Whether the payloads of field `field` lie in the file in the order of the samples and
 * share no bytes, as the writer leaves them. Other files are sound too. */
bool sluice_dataset_in_order(const struct sluice_dataset *ds, int field);

/* Scalars. The field must be of kind SCALAR (integer converts from any integer dtype,
 * real from any dtype) and the sample below the count; both are asserted. */
int64_t sluice_dataset_integer(const struct sluice_dataset *ds, int field,
                               uint64_t sample);
double sluice_dataset_real(const struct sluice_dataset *ds, int field, uint64_t sample);

/* Metadata of the whole file. The number of classes is 0, and the statistics are NULL,
 * when the file does not say. */
int sluice_dataset_classes(const struct sluice_dataset *ds,
                           int field); /* how many names */
const char *sluice_dataset_class_name(const struct sluice_dataset *ds, int field,
                                      int label);
/* Mean and standard deviation of each channel over all pixels, on the 0..255 scale;
 * NULL if not stored. Those of grey images stand there for each of three channels, as
 * they may be loaded with colours. */
const double *sluice_dataset_mean(const struct sluice_dataset *ds);
const double *sluice_dataset_std(const struct sluice_dataset *ds);
/* Where the data came from: JSON text, "{}" if not stored. */
const char *sluice_dataset_provenance(const struct sluice_dataset *ds);
/* How the payloads of codec ZSTD were made: the level, 0 if the file has none. The
 * dictionary is shared by all of them, NULL if there is none. */
int sluice_dataset_zstd(const struct sluice_dataset *ds, const void **dictionary,
                        size_t *dictionary_size);
/* Bytes of memory that the open dataset holds. */
size_t sluice_dataset_memory(const struct sluice_dataset *ds);

#ifdef __cplusplus
}
#endif
#endif
