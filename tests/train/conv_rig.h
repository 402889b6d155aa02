/* conv_rig.h -- a convolution and its gradients by the definition, in double, for the
 * tests of own convolutions. */
#ifndef SLUICE_CONV_RIG_H
#define SLUICE_CONV_RIG_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "device_onednn.h"

struct conv_rig {
    struct onednn_shape s;
    size_t nx, ny, nw;   /* elements */
    double *x, *dy, *w;  /* the test's to fill; w is OIHW, the others NHWC */
    double *y, *dx, *dw; /* wanted */
};

static uint32_t conv_rig_seed = 1;

/* From 0 to 1. */
static inline double conv_rig_uniform(void)
{
    conv_rig_seed = conv_rig_seed * 1664525U + 1013904223U;
    return (double)(conv_rig_seed >> 8) / (1 << 24);
}

/* From -2 to 2, about as a normal distribution. */
static inline double conv_rig_noise(void)
{
    double sum = -2;
    for (int i = 0; i < 4; i++)
        sum += conv_rig_uniform();
    return sum;
}

static inline void *conv_rig_take(size_t count, size_t size)
{
    void *p = calloc(count, size);
    REQUIRE(p, "no memory");
    return p;
}

/* A shape without kernel and stride: 3 and 1. */
static inline void conv_rig_open(struct conv_rig *r, const struct onednn_shape *shape,
                                 enum sluice_dtype dtype)
{
    *r = (struct conv_rig){ .s = *shape };
    struct onednn_shape *s = &r->s;
    s->kernel = s->kernel ? s->kernel : 3;
    s->stride = s->stride ? s->stride : 1;
    s->dtype = dtype;
    s->oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1;
    s->ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    r->nx = (size_t)(s->n * s->h * s->w * s->c);
    r->ny = (size_t)(s->n * s->oh * s->ow * s->k);
    r->nw = (size_t)(s->k * s->c * s->kernel * s->kernel);
    r->x = conv_rig_take(r->nx, sizeof *r->x);
    r->dx = conv_rig_take(r->nx, sizeof *r->dx);
    r->y = conv_rig_take(r->ny, sizeof *r->y);
    r->dy = conv_rig_take(r->ny, sizeof *r->dy);
    r->w = conv_rig_take(r->nw, sizeof *r->w);
    r->dw = conv_rig_take(r->nw, sizeof *r->dw);
}

static inline void conv_rig_close(struct conv_rig *r)
{
    double *const all[] = { r->x, r->dx, r->y, r->dy, r->w, r->dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Of one tap at one of the results' pixels. */
static inline void conv_rig_add(struct conv_rig *r, int at, int tap)
{
    const struct onednn_shape *s = &r->s;
    const int y = at / s->ow % s->oh * s->stride - s->pad + tap / s->kernel;
    const int x = at % s->ow * s->stride - s->pad + tap % s->kernel;
    if (y < 0 || x < 0 || y >= s->h || x >= s->w)
        return;
    const int from = ((at / s->ow / s->oh * s->h + y) * s->w + x) * s->c;
    for (int k = 0; k < s->k; k++)
        for (int c = 0; c < s->c; c++) {
            const int w = (k * s->c + c) * s->kernel * s->kernel + tap;
            r->y[at * s->k + k] += r->x[from + c] * r->w[w];
            r->dx[from + c] += r->dy[at * s->k + k] * r->w[w];
            r->dw[w] += r->dy[at * s->k + k] * r->x[from + c];
        }
}

/* All three that are wanted. */
static inline void conv_rig_compute(struct conv_rig *r)
{
    const struct onednn_shape *s = &r->s;
    for (int at = 0; at < s->n * s->oh * s->ow; at++)
        for (int tap = 0; tap < s->kernel * s->kernel; tap++)
            conv_rig_add(r, at, tap);
}

static inline double conv_rig_value(const void *values, enum sluice_dtype dtype,
                                    size_t i)
{
    if (dtype == SLUICE_F32)
        return (double)((const float *)values)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)values)[i] << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* How far results are off, beside the root of the mean square of what is wanted. */
struct conv_rig_error {
    double rms, worst;
};

static inline struct conv_rig_error conv_rig_error(const void *got,
                                                   enum sluice_dtype dtype,
                                                   const double *want, size_t count)
{
    double off = 0, all = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs(conv_rig_value(got, dtype, i) - want[i]);
        off += d * d;
        all += want[i] * want[i];
        worst = d <= worst ? worst : d;
    }
    return (struct conv_rig_error){ sqrt(off / all),
                                    worst / sqrt(all / (double)count) };
}

static inline void conv_rig_check(const void *got, enum sluice_dtype dtype,
                                  const double *want, size_t count,
                                  struct conv_rig_error most, const char *what)
{
    const struct conv_rig_error e = conv_rig_error(got, dtype, want, count);
    printf("%s: off by %.2e, at worst %.2e\n", what, e.rms, e.worst);
    CHECK(!!(e.rms <= most.rms) && !!(e.worst <= most.worst),
          "%s: off by %g, at worst %g", what, e.rms, e.worst);
}

/* "isa, shape N, output" */
static inline const char *conv_rig_name(const char *isa, int shape, const char *output)
{
    static char name[80];
    snprintf(name, sizeof name, "%s, shape %d, %s", isa, shape, output);
    return name;
}

#endif
