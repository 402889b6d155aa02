/* conv_amx_none.c -- for CPUs of a kind that has neither matrix tiles nor AVX-512:
 * nothing fits, so nothing else is ever called. */
#include <stdlib.h>

#include "amx_peak.h"
#include "conv_amx.h"
#include "conv_wino_bf16.h"
#include "newton_schulz.h"

bool amx_usable(void)
{
    return false;
}

bool conv_amx_fits(const struct onednn_shape *shape)
{
    (void)shape;
    return false;
}

int conv_amx_create(struct conv_amx **out, struct device *dev,
                    const struct onednn_shape *shape, bool pooled, bool measures,
                    struct sluice_error *err)
{
    (void)dev, (void)shape, (void)pooled, (void)measures;
    *out = NULL;
    return sluice_fail(err, SLUICE_EUNBUILT, "this CPU has no matrix tiles");
}

void conv_amx_free(struct conv_amx *conv)
{
    (void)conv;
}

void conv_amx_stale(struct conv_amx *conv)
{
    (void)conv;
}

void conv_amx_forward(struct conv_amx *conv, struct device *dev, const void *x,
                      const float *weight, const float *bias, bool measure, void *y)
{
    (void)conv, (void)dev, (void)x, (void)weight, (void)bias, (void)measure, (void)y;
    abort();
}

void conv_amx_moments(const struct conv_amx *conv, int c, double *mean, double *square)
{
    (void)conv, (void)c, (void)mean, (void)square;
    abort();
}

void conv_amx_backward_data(struct conv_amx *conv, struct device *dev, const void *dy,
                            const float *weight, void *dx)
{
    (void)conv, (void)dev, (void)dy, (void)weight, (void)dx;
    abort();
}

void conv_amx_backward_weight(struct conv_amx *conv, struct device *dev, const void *x,
                              const void *dy, float *dweight)
{
    (void)conv, (void)dev, (void)x, (void)dy, (void)dweight;
    abort();
}

bool conv_wino_bf16_fits(const struct device *dev, const struct onednn_shape *shape,
                         bool pooled)
{
    (void)dev, (void)shape, (void)pooled;
    return false;
}

int conv_wino_bf16_create(struct conv_wino_bf16 **out, struct device *dev,
                          const struct onednn_shape *shape, bool pooled,
                          struct sluice_error *err)
{
    (void)dev, (void)shape, (void)pooled;
    *out = NULL;
    return sluice_fail(err, SLUICE_EUNBUILT, "this CPU has no AVX512-BF16");
}

void conv_wino_bf16_free(struct conv_wino_bf16 *conv)
{
    (void)conv;
}

void conv_wino_bf16_forward(const struct conv_wino_bf16 *conv, struct device *dev,
                            const void *x, const float *weight, void *y)
{
    (void)conv, (void)dev, (void)x, (void)weight, (void)y;
    abort();
}

void conv_wino_bf16_backward_data(const struct conv_wino_bf16 *conv, struct device *dev,
                                  const void *dy, const float *weight, void *dx)
{
    (void)conv, (void)dev, (void)dy, (void)weight, (void)dx;
    abort();
}

void conv_wino_bf16_backward_weight(const struct conv_wino_bf16 *conv,
                                    struct device *dev, const void *x, const void *dy,
                                    float *dweight)
{
    (void)conv, (void)dev, (void)x, (void)dy, (void)dweight;
    abort();
}

bool newton_schulz_fits(const struct device *dev)
{
    (void)dev;
    return false;
}

size_t newton_schulz_work(int rows, int cols)
{
    (void)rows, (void)cols;
    return 0;
}

void newton_schulz(const struct device *dev, float *x, int rows, int cols,
                   const float abc[3], float *work)
{
    (void)dev, (void)x, (void)rows, (void)cols, (void)abc, (void)work;
    abort();
}

double amx_peak(const struct device *dev)
{
    (void)dev;
    return 0;
}
