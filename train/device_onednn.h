/* device_onednn.h -- what Sluice asks of oneDNN: layers that multiply by a weight, in
 * three directions. Everything of the library's API stays behind this header, what
 * differs between its versions 2 and 3 in onednn_api.h.
 *
 * Activations are nhwc as they lie; weights and their gradients are handed over as the
 * parameters lie, in float. The layer keeps copies packed as the library likes them for
 * each direction, and renews them only after onednn_layer_stale. */
#ifndef SLUICE_DEVICE_ONEDNN_H
#define SLUICE_DEVICE_ONEDNN_H

#include <stdbool.h>

#include <sluice/error.h>
#include <sluice/image.h>

struct device;
struct onednn;
struct onednn_layer;

int onednn_open(struct onednn **out, int threads, struct sluice_error *err);
void onednn_close(struct onednn *dnn); /* NULL is fine */
const char *onednn_version(char text[32]);
/* May it use AVX512-BF16? The environment's ONEDNN_MAX_CPU_ISA limits it. */
bool onednn_has_bf16(void);

/* c (m, n) = alpha op(a) op(b) + beta c, in float, rows without gaps; op may transpose.
 */
struct onednn_product {
    bool transpose_a, transpose_b;
    int m, n, k;
    float alpha, beta;
};
/* false: the library refuses. */
bool onednn_multiply(const struct device *dev, const struct onednn_product *p,
                     const float *a, const float *b, float *c);

struct onednn_shape {
    bool inner;              /* an inner product; else a convolution */
    int n, h, w, c;          /* input */
    int oh, ow, k;           /* output; 1, 1 of an inner product */
    int kernel, stride, pad; /* of a convolution */
    enum sluice_dtype dtype; /* of activations */
    bool bias;               /* forward adds one */
};

/* Primitives of a direction are made when it is first used. */
int onednn_layer_create(struct onednn_layer **out, struct device *dev,
                        const struct onednn_shape *shape, struct sluice_error *err);
void onednn_layer_free(struct onednn_layer *layer); /* NULL is fine */
/* The weight has changed. */
void onednn_layer_stale(struct onednn_layer *layer);

/* Make a direction's primitives now, so that no step pays for it. */
int onednn_layer_prepare(struct onednn_layer *layer, bool data, bool weight,
                         struct sluice_error *err);

int onednn_layer_forward(struct onednn_layer *layer, const void *x, const float *weight,
                         const float *bias, void *y, struct sluice_error *err);
int onednn_layer_backward_data(struct onednn_layer *layer, const void *dy,
                               const float *weight, void *dx, struct sluice_error *err);
int onednn_layer_backward_weight(struct onednn_layer *layer, const void *x,
                                 const void *dy, float *dweight,
                                 struct sluice_error *err);

#endif
