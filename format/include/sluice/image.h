/* sluice/image.h -- images and batches in memory: what the loader hands out, what
 * augmentation reads and writes, what a trainer consumes. Plain data, no calls
 * that allocate. */
#ifndef SLUICE_IMAGE_H
#define SLUICE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element types, in files and in memory. The numbers are part of the file format. */
enum sluice_dtype {
    SLUICE_U8 = 1,
    SLUICE_I8 = 2,
    SLUICE_I16 = 3,
    SLUICE_I32 = 4,
    SLUICE_I64 = 5,
    SLUICE_F16 = 6,
    SLUICE_F32 = 7,
    SLUICE_F64 = 8,
    SLUICE_BF16 = 9,
};

/* Bytes of one element; 0 for a number that is no dtype. */
size_t sluice_dtype_size(int dtype);
/* "u8", "bf16", ...; "?" for a number that is no dtype. */
const char *sluice_dtype_name(int dtype);

/* Order of the axes of a batch in memory. */
enum sluice_layout {
    SLUICE_NHWC = 0,
    SLUICE_NCHW = 1,
};

/* Shape of one image (no batch axis). */
struct sluice_shape {
    int height, width, channels;
    enum sluice_dtype dtype;
    enum sluice_layout layout;
};

/* Bytes of one image of this shape. */
static inline size_t sluice_shape_bytes(const struct sluice_shape *s)
{
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels *
           sluice_dtype_size(s->dtype);
}

/* One decoded image on its way to a batch: u8, rows of width * channels bytes
 * without gaps (HWC). Borrowed for the length of a call. */
struct sluice_image {
    const uint8_t *pixels; /* (height, width, channels) */
    int height, width, channels;
    uint64_t id;    /* sample number in the file: the key of every random draw */
    uint32_t epoch; /* likewise */
};

/* What happens to each image between decode and batch. The loader calls it from
 * its worker threads, several at a time: `apply` must depend on its arguments
 * alone. NULL apply means: copy the u8 pixels. */
struct sluice_transform {
    int (*apply)(const void *arg, const struct sluice_image *in, void *out,
                 struct sluice_error *err);
    const void *arg;
    struct sluice_shape out; /* what apply writes: one image of this shape */
};

/* A batch. Everything it points at belongs to whoever made it, until released. */
struct sluice_batch {
    struct sluice_shape shape; /* of each image */
    int count;                 /* images; the last batch of an epoch may be short */
    void *pixels;              /* (count, ...shape) without gaps, 64-byte aligned */
    const int64_t *labels;     /* (count, label_columns) */
    int label_columns;         /* 0: the file has no integer scalar field */
    const uint64_t *ids;       /* (count): sample numbers in the file */
    uint32_t epoch;
    uint64_t number; /* of this batch within the epoch, from 0 */
    void *owner;     /* for the maker's bookkeeping */
};

/* How one image of a batch was mixed with another, and so what its label is worth: the
 * loss of such an image is share * loss(its label) + (1 - share) * loss(partner's). */
struct sluice_mix {
    int partner;             /* place of the other image in the batch */
    float share;             /* of the image itself; 1: it is not mixed */
    int y, x, height, width; /* the box that shows the partner; height 0: all of both */
};

#ifdef __cplusplus
}
#endif
#endif
