/* sluice/augment.h -- random augmentation of u8 images, and their conversion into what
 * a network reads.
 *
 *     struct sluice_augment *aug;
 *     struct sluice_augment_options opt = { .source = { 32, 32, 3, SLUICE_U8 },
 *                                           .seed = 1, .dtype = SLUICE_F32,
 *                                           .mean = mean, .std = std };
 *     rc = sluice_augment_create(&aug, "flip,translate:pad=2:fill=reflect,"
 *                                      "cutout:size=4,normalize", &opt, &err);
 *     loader_options.transform = sluice_augment_transform(aug);
 *     ...
 *     sluice_augment_free(aug);
 *
 * A pipeline is a list of operations, each `name` or `name:key=value:key=value`, joined
 * by commas; lists inside a value are joined by '/'. sluice_augment_op_name lists what
 * exists. Each operation has a draw (parameters from Philox, keyed by seed, epoch, the
 * sample's number and the operation's place in the pipeline) and an apply (a function
 * of pixels and parameters), so the result does not depend on threads, order or device.
 * u8 results are equal byte for byte on CPU and GPU; floats come from one last
 * multiplication and addition per element and are equal too.
 *
 * Without `normalize` a float result is the byte's value, 0..255.
 * `normalize:mean=0:std=255` makes that 0..1.
 *
 * Limits:    16 operations in a pipeline (`geometry` is none, nor is `normalize` but
 *            behind 16 others; `autoaugment` is 2, `randaugment` is num_ops; a run of
 *            steps that geometry:mode=fused samples as one is one more); 32,767 pixels
 *            a side and 4 channels of the source; 256 MiB of a source image, and of
 *            what `center_crop` makes of it. Beyond, sluice_augment_create fails with
 *            SLUICE_EINVAL.
 * Ownership: what the getters return belongs to the pipeline.
 * Threads:   a pipeline may be used from any number of threads after creation. */
#ifndef SLUICE_AUGMENT_H
#define SLUICE_AUGMENT_H

#include <sluice/error.h>
#include <sluice/image.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_augment;

/* Which code runs on the CPU. All of them give the same bytes. */
enum sluice_augment_use {
    SLUICE_AUGMENT_BEST = 0,  /* the fastest that this CPU has */
    SLUICE_AUGMENT_STEPS = 1, /* the plain reference, one operation after the other */
    SLUICE_AUGMENT_PLAIN = 2, /* the fast ways, in plain C */
    SLUICE_AUGMENT_AVX2 = 3,
    SLUICE_AUGMENT_AVX512 = 4,
};

struct sluice_augment_options {
    struct sluice_shape source; /* of every image: u8 NHWC, 1 to 4 channels */
    uint64_t seed;
    enum sluice_dtype dtype;   /* of the result: F32, BF16, F16 or U8 */
    enum sluice_layout layout; /* of the result */
    const double *mean, *std;  /* of the file (0..255), what `normalize` and fill=mean
                                  use when they name none; NULL: they must name them */
    int stats_channels;        /* that mean and std are of: more than 1, and not the
                                  source's, are none to use; 0: the source's */
    enum sluice_augment_use use;
    int mixes; /* 1: the caller takes every batch through sluice_augment_mix or
                  sluice_augment_cuda, so that `cutmix` and `mixup` may be named; 0:
                  they are refused */
};

/* Parse and plan `pipeline` ("" is allowed: only conversion). On failure *out is NULL;
 * an unknown name or value out of range is SLUICE_EINVAL and the message lists what
 * exists, or the bounds; a `use` that this CPU lacks is SLUICE_EUNBUILT. */
int sluice_augment_create(struct sluice_augment **out, const char *pipeline,
                          const struct sluice_augment_options *options,
                          struct sluice_error *err);
void sluice_augment_free(struct sluice_augment *aug); /* NULL is fine */

/* What the loader calls on each image. Borrows `aug`. */
struct sluice_transform sluice_augment_transform(const struct sluice_augment *aug);
/* `cutmix` and `mixup` concern batches and labels, which a transform does not see: copy
 * the images of a batch that the transform made to `out` (as large, elsewhere), mixed,
 * and say in mixes[batch->count] how. A function of seed, epoch, batch number and ids.
 */
int sluice_augment_mix(const struct sluice_augment *aug,
                       const struct sluice_batch *batch, void *out,
                       struct sluice_mix *mixes, struct sluice_error *err);
/* Whether the pipeline names one of them. */
int sluice_augment_mixes(const struct sluice_augment *aug);
/* Shape of one result. */
struct sluice_shape sluice_augment_shape(const struct sluice_augment *aug);
/* What `normalize` made of bytes: result = byte * gain + bias, in this channel. */
void sluice_augment_scale(const struct sluice_augment *aug, int channel, float *gain,
                          float *bias);
/* The pipeline with every value spelled out: what a run records. Creating from it, with
 * the other options alike, gives the same pipeline. */
const char *sluice_augment_describe(const struct sluice_augment *aug);
/* Which code runs: "rows avx512", "planes avx2", "steps", ... */
const char *sluice_augment_path(const struct sluice_augment *aug);

/* The operations, for help texts. i from 0; NULL past the last. */
const char *sluice_augment_op_name(int i);
const char *sluice_augment_op_help(int i);

#ifdef __cplusplus
}
#endif
#endif
