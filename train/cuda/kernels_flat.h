/* kernels_flat.h -- kernels that treat elements one by one. */
#ifndef SLUICE_CUDA_KERNELS_FLAT_H
#define SLUICE_CUDA_KERNELS_FLAT_H

#include <math.h>

#include "../ops/dropout.h"
#include "../ops/op.h"
#include "spot.h"

/* 1 / v of a v from 1 on, off by no more than two of its last bits. */
SLUICE_HD static inline float reciprocal(float v)
{
#ifdef __CUDA_ARCH__
    return __fdividef(1, v);
#else
    return 1 / v;
#endif
}

/* Phi(x), the normal distribution, and exp(-x^2 / 2), by Abramowitz and Stegun 7.1.26:
 * off by at most 1.5e-7. Both need the same exponential, and erff is twice the work. */
SLUICE_HD static inline float normal_cdf(float x, float *gauss)
{
    const float z = fabsf(x) * 0.70710678f, t = reciprocal(1 + 0.3275911f * z);
    float p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    *gauss = expf(-z * z);
    const float upper = 0.5f * p * t * *gauss; /* 1 - Phi(|x|) */
    return x > 0 ? 1 - upper : upper;
}

SLUICE_HD static inline float act_value(enum activation act, float x)
{
    float gauss;
    if (act == ACT_RELU)
        return x <= 0 ? 0 : x;
    if (act == ACT_GELU)
        return x * normal_cdf(x, &gauss);
    if (act == ACT_SIGMOID)
        return reciprocal(1 + expf(-x));
    if (act == ACT_SILU)
        return x * reciprocal(1 + expf(-x));
    return x;
}

SLUICE_HD static inline float act_slope(enum activation act, float x)
{
    if (act == ACT_RELU)
        return x > 0 ? 1 : 0;
    if (act == ACT_GELU) {
        float gauss;
        const float cdf = normal_cdf(x, &gauss);
        return cdf + x * 0.39894228f * gauss;
    }
    if (act == ACT_SIGMOID) {
        const float s = reciprocal(1 + expf(-x));
        return s * (1 - s);
    }
    if (act == ACT_SILU)
        return reciprocal(1 + expf(-x)) * (1 + x * reciprocal(1 + expf(x)));
    return 1;
}

struct adam_bias {
    double lr, beta1, beta2, updates; /* this one included */
};

/* What a step reads anew although its launches are recorded once. */
struct gpu_step {
    uint64_t seed, step;    /* of draws */
    double share;           /* of the images of all processes, those of this one */
    float lr, momentum;     /* of the optimizer */
    float step_size, root2; /* adam's, if no update was skipped; */
    struct adam_bias bias;  /* what they are made of, if some may have been */
    int slot;               /* of results, where this step's go */
};

struct flat_args {
    enum sluice_dtype dtype;
    enum activation act;
    size_t count;
    const void *a, *b;
    void *out;
    float scale;
};

SLUICE_HD static inline void activation_forward(const struct flat_args *g,
                                                const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        float v[RUN];
        run_load(g->dtype, g->a, i * RUN, n, v);
        for (int k = 0; k < RUN; k++)
            v[k] = act_value(g->act, v[k]);
        run_store(g->dtype, g->out, i * RUN, n, v);
    }
}

/* a: the input, b: the output's gradient */
SLUICE_HD static inline void activation_backward(const struct flat_args *g,
                                                 const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        float v[RUN], d[RUN];
        run_load(g->dtype, g->a, i * RUN, n, v);
        run_load(g->dtype, g->b, i * RUN, n, d);
        for (int k = 0; k < RUN; k++)
            v[k] = d[k] * act_slope(g->act, v[k]);
        run_store(g->dtype, g->out, i * RUN, n, v);
    }
}

SLUICE_HD static inline void sum_of_two(const struct flat_args *g,
                                        const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        float a[RUN], b[RUN];
        run_load(g->dtype, g->a, i * RUN, n, a);
        run_load(g->dtype, g->b, i * RUN, n, b);
        for (int k = 0; k < RUN; k++)
            a[k] = act_value(g->act, a[k] + b[k]);
        run_store(g->dtype, g->out, i * RUN, n, a);
    }
}

SLUICE_HD static inline void multiple(const struct flat_args *g, const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        float v[RUN];
        run_load(g->dtype, g->a, i * RUN, n, v);
        for (int k = 0; k < RUN; k++)
            v[k] *= g->scale;
        run_store(g->dtype, g->out, i * RUN, n, v);
    }
}

struct drop_args {
    enum sluice_dtype dtype;
    size_t count, image; /* elements, of all and of an image */
    const void *from;
    void *to;
    const struct gpu_step *step;
    int number; /* of the operator */
    uint32_t threshold;
    float kept;     /* factor of what stays */
    int per_sample; /* droppath */
    int c;          /* channels, of dropout by channels */
};

SLUICE_HD static inline void drop_elements(const struct drop_args *g,
                                           const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        uint32_t words[RUN];
        float v[RUN];
        run_load(g->dtype, g->from, i * RUN, n, v);
        for (int k = 0; k < RUN; k += 4)
            dropout_words(g->step->seed, g->step->step, g->number,
                          (i * RUN + (size_t)k) / 4, words + k);
        for (int k = 0; k < RUN; k++)
            v[k] = words[k] >= g->threshold ? v[k] * g->kept : 0;
        run_store(g->dtype, g->to, i * RUN, n, v);
    }
}

/* One draw a channel of an image. */
SLUICE_HD static inline void drop_channels(const struct drop_args *g,
                                           const struct spot *at)
{
    const size_t c = (size_t)g->c;
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        float v[RUN];
        run_load(g->dtype, g->from, i * RUN, n, v);
        for (int k = 0; k < n; k++) {
            const size_t element = i * RUN + (size_t)k;
            uint32_t word;
            dropout_words_from(g->step->seed, g->step->step, g->number,
                               element / g->image * c + element % c, 1, &word);
            v[k] = word >= g->threshold ? v[k] * g->kept : 0;
        }
        run_store(g->dtype, g->to, i * RUN, n, v);
    }
}

SLUICE_HD static inline float image_factor(const struct drop_args *g, size_t image)
{
    const size_t element = g->per_sample ? image : 0;
    uint32_t words[4];
    dropout_words(g->step->seed, g->step->step, g->number, element / 4, words);
    return words[element % 4] < g->threshold ? 0 : g->kept;
}

SLUICE_HD static inline void drop_images(const struct drop_args *g,
                                         const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        size_t image = i * RUN / g->image, end = (image + 1) * g->image;
        float v[RUN], factor = image_factor(g, image);
        run_load(g->dtype, g->from, i * RUN, n, v);
        for (int k = 0; k < n; k++) {
            if (i * RUN + (size_t)k >= end) {
                factor = image_factor(g, ++image);
                end += g->image;
            }
            v[k] = factor == 0 ? 0 : v[k] * factor;
        }
        run_store(g->dtype, g->to, i * RUN, n, v);
    }
}

struct gate_args {
    enum sluice_dtype dtype;
    size_t count, image;
    int images, c;
    const void *x, *factor;
    void *out;
};

/* out[n][p][c] = x[n][p][c] factor[n][c] */
SLUICE_HD static inline void gate_multiply(const struct gate_args *g,
                                           const struct spot *at)
{
    const size_t c = (size_t)g->c;
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        size_t image = i * RUN / g->image, end = (image + 1) * g->image;
        size_t channel = i * RUN % c;
        float v[RUN];
        run_load(g->dtype, g->x, i * RUN, n, v);
        for (int k = 0; k < n; k++) {
            if (i * RUN + (size_t)k >= end) {
                image++;
                end += g->image;
            }
            v[k] *= number_load(g->dtype, g->factor, image * c + channel);
            channel = channel + 1 < c ? channel + 1 : 0;
        }
        run_store(g->dtype, g->out, i * RUN, n, v);
    }
}

struct flatten_args {
    enum sluice_dtype dtype;
    size_t count, pixels; /* elements of all images; of one channel */
    int c;
    bool back; /* from vectors to images */
    const void *from;
    void *to;
};

SLUICE_HD static inline void reorder(const struct flatten_args *g,
                                     const struct spot *at)
{
    const size_t c = (size_t)g->c, image = g->pixels * c;
    EACH(i, g->count, at)
    {
        const size_t in = i % image; /* of the vector: channel, pixel */
        const size_t pixel = i - in + in % g->pixels * c + in / g->pixels;
        number_store(g->dtype, g->to, g->back ? pixel : i,
                     number_load(g->dtype, g->from, g->back ? i : pixel));
    }
}

struct softmax_args {
    enum sluice_dtype dtype;
    size_t rows;
    int c;
    const void *x, *dy;
    void *out; /* y, or dx */
};

SLUICE_HD static inline double row_value(const struct softmax_args *g, size_t k)
{
    return (double)number_load(g->dtype, g->x, k);
}

SLUICE_HD static inline double log_sum(const struct softmax_args *g, size_t first)
{
    const size_t end = first + (size_t)g->c;
    double top = row_value(g, first), sum = 0;
    for (size_t k = first + 1; k < end; k++)
        top = fmax(top, row_value(g, k));
    for (size_t k = first; k < end; k++)
        sum += exp(row_value(g, k) - top);
    return top + log(sum);
}

/* A thread, a row. */
SLUICE_HD static inline void softmax_rows(const struct softmax_args *g,
                                          const struct spot *at)
{
    const size_t c = (size_t)g->c;
    EACH(i, g->rows, at)
    {
        const double lse = log_sum(g, i * c);
        for (size_t k = i * c; k < (i + 1) * c; k++)
            number_store(g->dtype, g->out, k, (float)exp(row_value(g, k) - lse));
    }
}

SLUICE_HD static inline void softmax_slopes(const struct softmax_args *g,
                                            const struct spot *at)
{
    const size_t c = (size_t)g->c;
    EACH(i, g->rows, at)
    {
        const double lse = log_sum(g, i * c);
        double sum = 0;
        for (size_t k = i * c; k < (i + 1) * c; k++)
            sum += exp(row_value(g, k) - lse) * (double)number_load(g->dtype, g->dy, k);
        for (size_t k = i * c; k < (i + 1) * c; k++)
            number_store(g->dtype, g->out, k,
                         (float)(exp(row_value(g, k) - lse) *
                                 ((double)number_load(g->dtype, g->dy, k) - sum)));
    }
}

struct channels_args {
    enum sluice_dtype dtype;
    size_t elements;    /* that are copied */
    int count;          /* of them of each pixel */
    int from_c, to_c;   /* channels of a pixel */
    int from_at, to_at; /* the first of those copied */
    const void *from;
    void *to;
};

SLUICE_HD static inline void copy_channels(const struct channels_args *g,
                                           const struct spot *at)
{
    EACH(i, g->elements, at)
    {
        const size_t pixel = i / (size_t)g->count, k = i % (size_t)g->count;
        number_store(g->dtype, g->to, pixel * (size_t)g->to_c + (size_t)g->to_at + k,
                     number_load(g->dtype, g->from,
                                 pixel * (size_t)g->from_c + (size_t)g->from_at + k));
    }
}

struct pack_args {
    enum sluice_dtype dtype;
    int k, c, h, w; /* of the filter; of a fully connected layer: of its input */
    float *plain;   /* (k, c, h, w), a parameter or its gradient */
    void *packed;   /* (k, h, w, c) */
};

SLUICE_HD static inline size_t plain_place(const struct pack_args *g, size_t packed)
{
    const size_t c = packed % (size_t)g->c, pixel = packed / (size_t)g->c;
    const size_t taps = (size_t)g->h * (size_t)g->w;
    return (pixel / taps * (size_t)g->c + c) * taps + pixel % taps;
}

SLUICE_HD static inline void pack_weight(const struct pack_args *g,
                                         const struct spot *at)
{
    EACH(i, (size_t)g->k * (size_t)g->c * (size_t)g->h * (size_t)g->w, at)
    number_store(g->dtype, g->packed, i, g->plain[plain_place(g, i)]);
}

SLUICE_HD static inline void unpack_gradient(const struct pack_args *g,
                                             const struct spot *at)
{
    EACH(i, (size_t)g->k * (size_t)g->c * (size_t)g->h * (size_t)g->w, at)
    g->plain[plain_place(g, i)] = number_load(g->dtype, g->packed, i);
}

struct bias_args {
    enum sluice_dtype dtype;
    size_t count;
    int c;
    void *y;
    const float *bias;
};

SLUICE_HD static inline void add_bias(const struct bias_args *g, const struct spot *at)
{
    EACH(i, runs_of(g->count), at)
    {
        const int n = run_length(i, g->count);
        int channel = (int)(i * RUN % (size_t)g->c); /* a division for each is slow */
        float v[RUN];
        run_load(g->dtype, g->y, i * RUN, n, v);
        for (int k = 0; k < n; k++) {
            v[k] += g->bias[channel];
            channel = channel + 1 < g->c ? channel + 1 : 0;
        }
        run_store(g->dtype, g->y, i * RUN, n, v);
    }
}

#endif
