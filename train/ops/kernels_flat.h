/* kernels_flat.h -- passes over elements in a row: activations, sums, dropout. */
#ifndef SLUICE_KERNELS_FLAT_H
#define SLUICE_KERNELS_FLAT_H

#include "dropout.h"
#include "gates.h"
#include "kernels.h"

/* `bf16`: of the result */
INLINE vf act_value(bool bf16, enum activation act, vf x)
{
    if (act == ACT_RELU)
        return relu(x);
    if (act == ACT_GELU)
        return bf16 ? gelu_bf16(x) : gelu(x);
    if (act == ACT_SILU)
        return bf16 ? silu_bf16(x) : silu(x);
    if (act == ACT_SIGMOID)
        return sigmoid(x);
    return x;
}

/* dy act'(x) */
INLINE vf act_backward(bool bf16, enum activation act, vf x, vf dy)
{
    if (act == ACT_RELU)
        return where_positive(x, dy);
    if (act == ACT_GELU)
        return dy * (bf16 ? gelu_slope_bf16(x) : gelu_slope(x));
    if (act == ACT_SILU)
        return dy * (bf16 ? silu_slope_bf16(x) : silu_slope(x));
    if (act == ACT_SIGMOID)
        return dy * sigmoid(x) * sigmoid(-x);
    return dy;
}

/* What is left of `count` at i, at most a vector. */
INLINE int lanes_at(size_t i, size_t count)
{
    return count - i < LANES ? (int)(count - i) : LANES;
}

INLINE void activation_forward_as(bool bf16, enum activation act, const void *x,
                                  void *y, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        fetch((const char *)x + i * (bf16 ? 2 : 4) + AHEAD, 1);
        store(y, i, act_value(bf16, act, load(x, i, bf16)), bf16);
    }
    if (i < count) {
        const int n = lanes_at(i, count);
        store_part(y, i, act_value(bf16, act, load_part(x, i, n, bf16)), n, bf16);
    }
}

INLINE void activation_forward_of(bool bf16, enum activation act, const void *x,
                                  void *y, size_t count)
{
    if (act == ACT_RELU)
        activation_forward_as(bf16, ACT_RELU, x, y, count);
    else if (act == ACT_GELU)
        activation_forward_as(bf16, ACT_GELU, x, y, count);
    else if (act == ACT_SILU)
        activation_forward_as(bf16, ACT_SILU, x, y, count);
    else
        activation_forward_as(bf16, ACT_SIGMOID, x, y, count);
}

static void activation_forward(enum sluice_dtype t, enum activation act, const void *x,
                               void *y, size_t count)
{
    if (t == SLUICE_BF16)
        activation_forward_of(true, act, x, y, count);
    else
        activation_forward_of(false, act, x, y, count);
}

INLINE void activation_backward_as(bool bf16, enum activation act, const void *x,
                                   const void *dy, void *dx, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        fetch((const char *)x + i * (bf16 ? 2 : 4) + AHEAD, 1);
        fetch((const char *)dy + i * (bf16 ? 2 : 4) + AHEAD, 1);
        store(dx, i, act_backward(bf16, act, load(x, i, bf16), load(dy, i, bf16)),
              bf16);
    }
    if (i < count) {
        const int n = lanes_at(i, count);
        const vf v = load_part(x, i, n, bf16), d = load_part(dy, i, n, bf16);
        store_part(dx, i, act_backward(bf16, act, v, d), n, bf16);
    }
}

INLINE void activation_backward_of(bool bf16, enum activation act, const void *x,
                                   const void *dy, void *dx, size_t count)
{
    if (act == ACT_RELU)
        activation_backward_as(bf16, ACT_RELU, x, dy, dx, count);
    else if (act == ACT_GELU)
        activation_backward_as(bf16, ACT_GELU, x, dy, dx, count);
    else if (act == ACT_SILU)
        activation_backward_as(bf16, ACT_SILU, x, dy, dx, count);
    else
        activation_backward_as(bf16, ACT_SIGMOID, x, dy, dx, count);
}

static void activation_backward(enum sluice_dtype t, enum activation act, const void *x,
                                const void *dy, void *dx, size_t count)
{
    if (t == SLUICE_BF16)
        activation_backward_of(true, act, x, dy, dx, count);
    else
        activation_backward_of(false, act, x, dy, dx, count);
}

INLINE void add_as(bool bf16, const void *a, const void *b, void *y, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(y, i, load(a, i, bf16) + load(b, i, bf16), bf16);
    if (i < count) {
        const int n = lanes_at(i, count);
        store_part(y, i, load_part(a, i, n, bf16) + load_part(b, i, n, bf16), n, bf16);
    }
}

static void add(enum sluice_dtype t, const void *a, const void *b, void *y,
                size_t count)
{
    if (t == SLUICE_BF16)
        add_as(true, a, b, y, count);
    else
        add_as(false, a, b, y, count);
}

INLINE void add_relu_as(bool bf16, const void *a, const void *b, void *y, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(y, i, relu(load(a, i, bf16) + load(b, i, bf16)), bf16);
    if (i < count) {
        const int n = lanes_at(i, count);
        const vf sum = load_part(a, i, n, bf16) + load_part(b, i, n, bf16);
        store_part(y, i, relu(sum), n, bf16);
    }
}

static void add_relu(enum sluice_dtype t, const void *a, const void *b, void *y,
                     size_t count)
{
    if (t == SLUICE_BF16)
        add_relu_as(true, a, b, y, count);
    else
        add_relu_as(false, a, b, y, count);
}

INLINE void scale_as(bool bf16, const void *x, float factor, void *y, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(y, i, load(x, i, bf16) * factor, bf16);
    if (i < count) {
        const int n = lanes_at(i, count);
        store_part(y, i, load_part(x, i, n, bf16) * factor, n, bf16);
    }
}

static void scale(enum sluice_dtype t, const void *x, float factor, void *y,
                  size_t count)
{
    if (t == SLUICE_BF16)
        scale_as(true, x, factor, y, count);
    else
        scale_as(false, x, factor, y, count);
}

enum {
    DRAWN = 16, /* blocks of Philox at a time */
};

/* Philox for sixteen consecutive blocks at a time: words[4 lane + w] is word w of block
 * first + lane, which are sluice_philox's bits. */
INLINE void dropout_words_16(const struct drop *d, uint64_t first,
                             uint32_t words[4 * DRAWN])
{
    uint32_t c0[DRAWN], c1[DRAWN], c2[DRAWN], c3[DRAWN];
    const uint64_t stream = dropout_stream(d->step, d->number);
    uint32_t k0 = (uint32_t)d->seed, k1 = (uint32_t)(d->seed >> 32);
    for (int i = 0; i < DRAWN; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = (uint32_t)stream;
        c3[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9U, k1 += 0xBB67AE85U)
        for (int i = 0; i < DRAWN; i++) {
            const uint64_t p0 = (uint64_t)0xD2511F53U * c0[i];
            const uint64_t p1 = (uint64_t)0xCD9E8D57U * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
    for (int i = 0; i < DRAWN; i++) {
        words[4 * i] = c0[i];
        words[4 * i + 1] = c1[i];
        words[4 * i + 2] = c2[i];
        words[4 * i + 3] = c3[i];
    }
}

INLINE void dropout_as(bool bf16, const struct drop *d, const void *x, void *y,
                       size_t first, size_t count)
{
    const uint32_t threshold = dropout_threshold(d->p);
    const float keep = 1 / (1 - d->p);
    uint32_t words[4 * DRAWN];
    for (size_t i = 0; i < count; i += LANES) {
        const int n = lanes_at(i, count);
        vu w;
        if (i % (4 * DRAWN) == 0)
            dropout_words_16(d, (first + i) / 4, words);
        memcpy(&w, words + i % (4 * DRAWN), sizeof w);
        const vf kept = zero_unless((vi)(w >= threshold), load_n(x, i, n, bf16) * keep);
        store_n(y, i, kept, n, bf16);
    }
}

static void dropout(const struct drop *d, const void *x, void *y, size_t first,
                    size_t count)
{
    if (d->dtype == SLUICE_BF16)
        dropout_as(true, d, x, y, first, count);
    else
        dropout_as(false, d, x, y, first, count);
}

#endif
