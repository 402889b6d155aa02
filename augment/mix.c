/* mix.c -- whole batches, mixed on the CPU. */
#include <string.h>

#include "ops/mix.h"
#include "pipeline.h"

int sluice_augment_mixes(const struct sluice_augment *aug)
{
    return aug->plan.mixes > 0;
}

/* The box, row by row and plane by plane: bytes of the partner take the place of
 * others. */
static void paste(const struct plan *p, const struct sluice_mix *m, char *image,
                  const char *partner)
{
    const int planar = p->layout == SLUICE_NCHW, planes = planar ? p->channels : 1;
    const size_t size = sluice_dtype_size(p->dtype);
    const size_t row = size * (size_t)m->width * (size_t)(planar ? 1 : p->channels);
    for (int i = 0; i < planes * m->height; i++) {
        const size_t at =
            size * result_index(p, m->y + i % m->height, m->x, i / m->height);
        memcpy(image + at, partner + at, row);
    }
}

static void blend_images(const struct plan *p, const struct sluice_mix *m, void *image,
                         const void *partner, size_t elements)
{
    if (p->dtype == SLUICE_F32) {
        float *to = image;
        const float *from = partner;
        for (size_t i = 0; i < elements; i++)
            to[i] = blend_numbers(to[i], from[i], m->share);
        return;
    }
    if (p->dtype == SLUICE_BF16) {
        uint16_t *to = image;
        const uint16_t *from = partner;
        for (size_t i = 0; i < elements; i++)
            to[i] = bf16_bits(
                blend_numbers(bf16_number(to[i]), bf16_number(from[i]), m->share));
        return;
    }
    for (size_t i = 0; i < elements; i++)
        store_bits(p, image, i,
                   mix_bits(p, m, load_bits(p, image, i), load_bits(p, partner, i)));
}

int sluice_augment_mix(const struct sluice_augment *aug,
                       const struct sluice_batch *batch, void *out,
                       struct sluice_mix *mixes, struct sluice_error *err)
{
    const struct plan *p = &aug->plan;
    const struct sluice_shape shape = sluice_augment_shape(aug), *s = &batch->shape;
    const size_t bytes = sluice_shape_bytes(&shape);
    const size_t elements = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    if (s->height != shape.height || s->width != shape.width ||
        s->channels != shape.channels || s->dtype != shape.dtype ||
        s->layout != shape.layout)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: batch %llu: expected images of %dx%dx%d %s as the "
                           "pipeline makes them, found %dx%dx%d %s",
                           (unsigned long long)batch->number, shape.height, shape.width,
                           shape.channels, sluice_dtype_name(shape.dtype), s->height,
                           s->width, s->channels, sluice_dtype_name(s->dtype));
    memcpy(out, batch->pixels, (size_t)batch->count * bytes);
    for (int n = 0; n < batch->count; n++) {
        struct sluice_mix *m = &mixes[n];
        mix_draw(m, p, n, batch->count, batch->ids[n], batch->number, batch->epoch);
        char *image = (char *)out + (size_t)n * bytes;
        const char *partner = (const char *)batch->pixels + (size_t)m->partner * bytes;
        if (m->share >= 1)
            continue;
        if (m->height)
            paste(p, m, image, partner);
        else
            blend_images(p, m, image, partner, elements);
    }
    return 0;
}
