/* kernels.h -- the passes over memory that device cpu does by itself: what oneDNN does
 * slowly (2x2 pooling, GELU), or can not fuse.
 *
 * One table per instruction set, chosen once by kernels_choose. The functions are
 * serial and work on a range, so that threads share one call's work by splitting it.
 * They give the same result for the same elements however a range is split.
 *
 * dtype is F32 or BF16. Per-channel vectors are float and padded with anything to a
 * multiple of 16 channels. Pixels are rows of c channels without gaps. */
#ifndef SLUICE_KERNELS_H
#define SLUICE_KERNELS_H

#include "op.h"
#include "pool.h"
#include "wino_map.h"

/* z = x scale + shift, and what the backward of it needs. */
struct norm {
    enum sluice_dtype dtype;
    enum activation act;
    int c;
    bool far; /* results are written past the cache: see stores_done */
    const float *scale, *shift; /* (c) */
    const float *mean;          /* (c), of x */
    /* (c): dx = scale dz + slope x + offset */
    const float *slope, *offset;
};

enum {
    FEW_ROOM = 8192, /* floats: the input rows of one output row */
};
/* Behind these rows, for pixels that do not exist. */
#define FEW_SPARE(stride, c) (4 * (size_t)(stride) * (size_t)(c))

/* A convolution of few channels: see conv_few.h. */
struct few {
    enum sluice_dtype dtype;
    int h, w, c, oh, ow, k;
    int padded; /* k, rounded up to two vectors */
    int kernel, stride, pad;
    const float *weight; /* (ky, kx, c, padded) */
    const float *bias;   /* (padded) */
};

/* Elements that a draw keeps: see dropout.h. */
struct drop {
    enum sluice_dtype dtype;
    uint64_t seed, step;
    int number;
    float p;
};

/* An image's branch, of `pixels` rows, times factors, added to a shortcut. */
struct join {
    enum sluice_dtype dtype;
    int pixels, c;
    const void *factor; /* (c), or NULL: ones */
    float scale;        /* of all factors */
};

/* y = relu(...) and its gradient; what else is summed with that, or NULL; and what
 * receives gradients, or NULL. */
struct join_gradient {
    const void *y, *dy, *more;
    void *straight, *x, *factor;
};

struct kernels {
    const char *name;
    /* Multiply-adds in registers, of two vectors of operands; how many FLOP they were.
     * Of pairs of bf16 where the instructions know them. `to`: 16 sums. */
    double (*peak)(enum sluice_dtype, size_t rounds, const float *operands, float *to);
    /* `count` elements */
    void (*activation_forward)(enum sluice_dtype, enum activation, const void *x,
                               void *y, size_t count);
    void (*activation_backward)(enum sluice_dtype, enum activation, const void *x,
                                const void *dy, void *dx, size_t count);
    void (*add)(enum sluice_dtype, const void *a, const void *b, void *y, size_t count);
    void (*add_relu)(enum sluice_dtype, const void *a, const void *b, void *y,
                     size_t count);
    void (*scale)(enum sluice_dtype, const void *x, float scale, void *y, size_t count);
    /* Elements first ... first + count - 1 of the tensor; first is a multiple of 64 */
    void (*dropout)(const struct drop *, const void *x, void *y, size_t first,
                    size_t count);
    /* All of image `n`, of `pixels` rows: one draw a channel. */
    void (*dropout_channels)(const struct drop *, const void *x, void *y, size_t n,
                             int pixels, int c);

    /* Per channel the sums of (x - shift) and of its square over the rows; shift is
     * (c). The second for square != NULL only. Overwrites. */
    void (*channel_sums)(enum sluice_dtype, const void *x, const float *shift,
                         size_t rows, int c, float *sum, float *square);
    void (*norm_forward)(const struct norm *, const void *x, void *y, size_t rows);
    /* Sums of dz and dz (x - mean), where dz = dy act'(z). Overwrites. */
    void (*norm_sums)(const struct norm *, const void *x, const void *dy, size_t rows,
                      float *sum_dz, float *sum_dzx);
    void (*norm_backward)(const struct norm *, const void *x, const void *dy, void *dx,
                          size_t rows);

    /* Row oy of image n of the output; row y of image n of the gradient. The index is
     * the place of the maximum within its window. */
    void (*maxpool_forward)(const struct pool *, enum sluice_dtype, const void *x,
                            void *y, uint8_t *index, int n, int oy);
    void (*maxpool_backward)(const struct pool *, enum sluice_dtype, const void *dy,
                             const uint8_t *index, void *dx, int n, int y);
    /* After maxpool_backward and passes of norms that are `far`, before another thread
     * reads: some stores go past the cache and take their time. */
    void (*stores_done)(void);
    void (*avgpool_forward)(const struct pool *, enum sluice_dtype, const void *x,
                            void *y, int n, int oy);
    void (*avgpool_backward)(const struct pool *, enum sluice_dtype, const void *dy,
                             void *dx, int n, int y);

    /* Row oy of image n of the output. */
    void (*few_forward)(const struct few *, const void *x, void *y, int n, int oy);

    /* Of F(4x4, 3x3), see conv_wino_f32.h. A tile of the source and one of the results'
     * gradients, transformed, to its place in a panel. */
    void (*wino_spread)(const struct wino_map *, const float *source, int tile,
                        struct wino_panel, float *to);
    void (*wino_unfold)(const struct wino_map *, const float *grads, int tile,
                        struct wino_panel, float *to);
    /* sums (tiles, 32) = left (blocks, tiles, 32), blocks `block` elements apart, times
     * right (32 blocks, 32); up to a multiple of 12 tiles are read and written. */
    void (*wino_multiply)(const float *left, size_t block, int blocks,
                          const float *right, int tiles, float *sums);
    /* sums (32, 32), or 0 if they are the first, += left (tiles, 32)' times right */
    void (*wino_add)(const float *left, const float *right, int tiles, bool first,
                     float *sums);
    /* A tile's sums of 32 channels, `place` elements apart, back to results, to which a
     * bias (dc) is added. */
    void (*wino_fold)(const struct wino_map *, const float *sums, size_t place,
                      int tile, int block, const float *bias, float *dest);
    /* 32 filters to their places, and back */
    void (*wino_widen)(const float filters[SPLIT_TAPS][WINO_BLOCK], size_t place,
                       float *to);
    void (*wino_narrow)(const float *sums, size_t place,
                        float filters[SPLIT_TAPS][WINO_BLOCK]);

    /* One image of `pixels` rows; y is (c); index is (c padded). */
    void (*globalmax_forward)(enum sluice_dtype, const void *x, int pixels, int c,
                              void *y, int32_t *index);
    void (*globalmax_backward)(enum sluice_dtype, const void *dy, const int32_t *index,
                               int pixels, int c, void *dx);
    void (*globalavg_forward)(enum sluice_dtype, const void *x, int pixels, int c,
                              void *y);
    void (*globalavg_backward)(enum sluice_dtype, const void *dy, int pixels, int c,
                               void *dx);

    /* One image of `pixels` rows times the factors (c); either gradient may be NULL. */
    void (*gate_forward)(enum sluice_dtype, const void *x, const void *factor,
                         int pixels, int c, void *y);
    void (*gate_backward)(enum sluice_dtype, const void *x, const void *factor,
                          const void *dy, int pixels, int c, void *dx, void *dfactor);

    /* y = relu(straight + x factor scale), of one image; backward reads x for the
     * factors' gradients alone. */
    void (*join_forward)(const struct join *, const void *straight, const void *x,
                         void *y);
    void (*join_backward)(const struct join *, const struct join_gradient *,
                          const void *x);
    /* The gradient of a sum with ReLU: into `straight`, for `count` elements. */
    void (*relu_gradient)(enum sluice_dtype, const struct join_gradient *,
                          size_t count);
    /* y = relu(x scale + shift + straight); its gradient dz into g->straight, and sums
     * of dz and dz (x - mean). act is ACT_NONE. */
    void (*norm_join_forward)(const struct norm *, const void *x, const void *straight,
                              void *y, size_t rows);
    void (*norm_join_sums)(const struct norm *, const struct join_gradient *g,
                           const void *x, size_t rows, float *sum_dz, float *sum_dzx);
    /* As globalavg_backward, added to dx. */
    void (*globalavg_add)(enum sluice_dtype, const void *dy, int pixels, int c,
                          void *dx);
};

extern const struct kernels kernels_plain, kernels_avx2, kernels_avx512,
    kernels_avx512_bf16;

/* The fastest that this CPU runs. The environment's SLUICE_CPU_ISA ("avx512_bf16",
 * "avx512", "avx2", "plain") asks for no more than this, as tests do; other words are
 * SLUICE_EINVAL. */
int kernels_choose(const struct kernels **out, struct sluice_error *err);

#endif
