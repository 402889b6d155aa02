/* conv_rig.h -- a convolution and its gradients by the definition, in double, for the
 * tests of own convolutions: what those compute from the same numbers is compared. */
#ifndef SLUICE_CONV_RIG_H
#define SLUICE_CONV_RIG_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "device.h"
#include "device_onednn.h"

/* Of images of the shape's dtype (NHWC), weights OIHW. */
struct conv_rig_values {
    void *y, *dx;
    float *dw;
};

struct conv_rig_sums {
    double *y, *dx, *dw;
};

struct conv_rig {
    struct onednn_shape s;
    size_t nx, ny, nw; /* elements */
    void *x, *dy;
    float *w, *bias;            /* bias: NULL, none */
    struct conv_rig_values got; /* by the convolution under test */
    struct conv_rig_sums want;
};

static inline void *conv_rig_take(size_t count, size_t size)
{
    void *p = calloc(count, size);
    REQUIRE(p, "no memory");
    return p;
}

static inline size_t conv_rig_size(const struct conv_rig *r)
{
    return r->s.dtype == SLUICE_F32 ? sizeof(float) : sizeof(uint16_t);
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

/* From -2 to 2, about as a normal distribution; in bf16 what is cut off is no harm. */
static inline float conv_rig_noise(void)
{
    static uint32_t seed = 1;
    float sum = -2;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525U + 1013904223U;
        sum += (float)(seed >> 8) / (1 << 24);
    }
    return sum;
}

static inline void *conv_rig_fill(size_t count, enum sluice_dtype dtype)
{
    const size_t size = dtype == SLUICE_F32 ? sizeof(float) : sizeof(uint16_t);
    char *p = conv_rig_take(count, size);
    for (size_t i = 0; i < count; i++) {
        const float f = conv_rig_noise();
        memcpy(p + i * size, (const char *)&f + sizeof f - size, size);
    }
    return p;
}

static inline struct conv_rig_values conv_rig_room(const struct conv_rig *r)
{
    return (struct conv_rig_values){ conv_rig_take(r->ny, conv_rig_size(r)),
                                     conv_rig_take(r->nx, conv_rig_size(r)),
                                     conv_rig_take(r->nw, sizeof(float)) };
}

static inline void conv_rig_free(struct conv_rig_values *v)
{
    free(v->y);
    free(v->dx);
    free(v->dw);
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
            const double in = conv_rig_value(r->x, s->dtype, (size_t)(from + c));
            const double grad =
                conv_rig_value(r->dy, s->dtype, (size_t)(at * s->k + k));
            r->want.y[at * s->k + k] += in * (double)r->w[w];
            r->want.dx[from + c] += grad * (double)r->w[w];
            r->want.dw[w] += grad * in;
        }
}

/* All three that are wanted. */
static inline void conv_rig_compute(struct conv_rig *r)
{
    const struct onednn_shape *s = &r->s;
    for (size_t i = 0; i < r->ny && r->bias; i++)
        r->want.y[i] = (double)r->bias[i % (size_t)s->k];
    for (int at = 0; at < s->n * s->oh * s->ow; at++)
        for (int tap = 0; tap < s->kernel * s->kernel; tap++)
            conv_rig_add(r, at, tap);
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
    r->x = conv_rig_fill(r->nx, dtype);
    r->dy = conv_rig_fill(r->ny, dtype);
    r->w = conv_rig_fill(r->nw, SLUICE_F32);
    r->bias = s->bias ? conv_rig_fill((size_t)s->k, SLUICE_F32) : NULL;
    r->got = conv_rig_room(r);
    r->want.y = conv_rig_take(r->ny, sizeof *r->want.y);
    r->want.dx = conv_rig_take(r->nx, sizeof *r->want.dx);
    r->want.dw = conv_rig_take(r->nw, sizeof *r->want.dw);
    conv_rig_compute(r);
}

static inline void conv_rig_close(struct conv_rig *r)
{
    void *const all[] = {
        r->x, r->dy, r->w, r->bias, r->want.y, r->want.dx, r->want.dw
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    conv_rig_free(&r->got);
}

/* How far results may be off, beside the root of the mean square of what is wanted. */
struct conv_rig_bound {
    double rms, worst;
};

static inline void conv_rig_check(const void *got, enum sluice_dtype dtype,
                                  const double *want, size_t count,
                                  struct conv_rig_bound most, const char *what,
                                  const char *which)
{
    double off = 0, all = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs(conv_rig_value(got, dtype, i) - want[i]);
        off += d * d; /* not a number, if one of them is */
        all += want[i] * want[i];
        worst = fmax(worst, d);
    }
    const double rms = sqrt(off / all);
    worst /= sqrt(all / (double)count);
    printf("%s, %s: off by %.2e, at worst %.2e\n", what, which, rms, worst);
    CHECK(!!(rms <= most.rms) && !!(worst <= most.worst),
          "%s, %s: off by %g, at worst %g", what, which, rms, worst);
}

/* Computes r->got on a device with so many threads. */
typedef void conv_rig_run(struct conv_rig *r, struct device *dev);

/* Over memory that holds what nothing gives. */
static inline void conv_rig_compute_by(conv_rig_run *run, struct conv_rig *r,
                                       int threads)
{
    struct device *dev;
    struct sluice_error err = { 0 };
    const char *precision = r->s.dtype == SLUICE_F32 ? "f32" : "bf16";
    REQUIRE(device_open(&dev, "cpu", precision, threads, &err) == 0, "%s", err.message);
    memset(r->got.y, 0xff, r->ny * conv_rig_size(r));
    memset(r->got.dx, 0xff, r->nx * conv_rig_size(r));
    memset(r->got.dw, 0xff, r->nw * sizeof *r->got.dw);
    run(r, dev);
    device_close(dev);
}

/* With one thread near what is wanted, with more the same bits. */
static inline void conv_rig_test(conv_rig_run *run, const struct onednn_shape *shape,
                                 enum sluice_dtype dtype, struct conv_rig_bound most,
                                 const char *what)
{
    struct conv_rig r;
    conv_rig_open(&r, shape, dtype);
    conv_rig_compute_by(run, &r, 1);
    conv_rig_check(r.got.y, dtype, r.want.y, r.ny, most, what, "results");
    conv_rig_check(r.got.dx, dtype, r.want.dx, r.nx, most, what, "gradients");
    conv_rig_check(r.got.dw, SLUICE_F32, r.want.dw, r.nw, most, what,
                   "weights' gradients");
    struct conv_rig_values one = r.got;
    r.got = conv_rig_room(&r);
    for (int threads = 2; threads <= 3; threads++) {
        conv_rig_compute_by(run, &r, threads);
        CHECK(memcmp(one.y, r.got.y, r.ny * conv_rig_size(&r)) == 0 &&
                  memcmp(one.dx, r.got.dx, r.nx * conv_rig_size(&r)) == 0 &&
                  memcmp(one.dw, r.got.dw, r.nw * sizeof *one.dw) == 0,
              "%s: other bits with %d threads", what, threads);
    }
    conv_rig_free(&one);
    conv_rig_close(&r);
}

#endif
