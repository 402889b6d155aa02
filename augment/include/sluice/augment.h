/* sluice/augment.h -- random augmentation of u8 images, and their conversion into what
 * a network reads.
 *
 *     struct sluice_augment *aug;
 *     struct sluice_augment_options opt = { .source = source, .seed = 1,
 *                                           .dtype = SLUICE_F32, .layout = SLUICE_NHWC
 * }; sluice_augment_create(&aug,
 * "flip,translate:pad=2:fill=reflect,cutout:size=4,normalize", &opt, &err);
 *     loader_options.transform = sluice_augment_transform(aug);
 *     ...
 *     sluice_augment_free(aug);
 *
 * A pipeline is a list of operations, each `name` or `name:key=value:key=value`, joined
 * by commas; lists inside a value are joined by '/'. sluice_augment_ops lists what
 * exists. Each operation has a draw (parameters from Philox, keyed by seed and by the
 * sample's number and epoch) and an apply (a function of pixels and parameters), so the
 * result does not depend on threads, order or device. u8 results are equal byte for
 * byte on CPU and GPU; floats come from one last multiply-add per element.
 *
 * Threads: a pipeline is read-only after creation and may be used from any thread. */
#ifndef SLUICE_AUGMENT_H
#define SLUICE_AUGMENT_H

#include <sluice/error.h>
#include <sluice/image.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_augment;

struct sluice_augment_options {
    struct sluice_shape source; /* of every image: u8 NHWC */
    uint64_t seed;
    enum sluice_dtype dtype;   /* of the result: F32, BF16, F16 or U8 */
    enum sluice_layout layout; /* of the result */
    const double *mean, *std;  /* of the file (0..255), what `normalize` uses when it
                                  names none itself; NULL: it must name them */
};

/* Parse and plan `pipeline` ("" is allowed: only conversion). On failure *out is NULL;
 * an unknown name or value out of range is SLUICE_EINVAL and the message lists what
 * exists. */
int sluice_augment_create(struct sluice_augment **out, const char *pipeline,
                          const struct sluice_augment_options *options,
                          struct sluice_error *err);
void sluice_augment_free(struct sluice_augment *aug); /* NULL is fine */

/* What the loader calls on each image. Borrows `aug`. */
struct sluice_transform sluice_augment_transform(const struct sluice_augment *aug);
/* Shape of one result. */
struct sluice_shape sluice_augment_shape(const struct sluice_augment *aug);
/* The pipeline with every value spelled out: what a run records. */
const char *sluice_augment_describe(const struct sluice_augment *aug);
/* Which code runs: "fused avx512", "plain C", ... */
const char *sluice_augment_path(const struct sluice_augment *aug);

/* The operations, for help texts. i from 0; NULL past the last. */
const char *sluice_augment_op_name(int i);
const char *sluice_augment_op_help(int i);

#ifdef __cplusplus
}
#endif
#endif
