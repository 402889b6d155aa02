/* augment.c -- a pipeline: created from text, applied by the loader's threads. */
#include <stdlib.h>
#include <string.h>

#include <sluice/augment_cuda.h>

#include "parse.h"
#include "rows.h"

enum { TEXT_MAX = 1024 };

struct sluice_augment {
    struct chain chain;
    struct sluice_shape shape;
    bool rows; /* by row; else pixel by pixel */
    char text[TEXT_MAX];
};

static int check_options(const struct sluice_augment_options *o,
                         struct sluice_error *err)
{
    const struct sluice_shape *s = &o->source;
    if (s->height < 1 || s->width < 1 || s->channels < 1 ||
        s->channels > CHAIN_CHANNELS_MAX || s->dtype != SLUICE_U8 ||
        s->layout != SLUICE_NHWC)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "augmentation takes u8 images of 1 to %d channels, not %s %dx%dx%d",
            CHAIN_CHANNELS_MAX, sluice_dtype_name((int)s->dtype), s->height, s->width,
            s->channels);
    if (o->dtype != SLUICE_F32 && o->dtype != SLUICE_BF16 && o->dtype != SLUICE_F16 &&
        o->dtype != SLUICE_U8)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augmentation gives f32, bf16, f16 or u8, not %s",
                           sluice_dtype_name((int)o->dtype));
    return 0;
}

static enum chain_type type_of(enum sluice_dtype dtype)
{
    return dtype == SLUICE_F32    ? CHAIN_F32
           : dtype == SLUICE_BF16 ? CHAIN_BF16
           : dtype == SLUICE_F16  ? CHAIN_F16
                                  : CHAIN_U8;
}

int sluice_augment_create(struct sluice_augment **out, const char *pipeline,
                          const struct sluice_augment_options *o,
                          struct sluice_error *err)
{
    int rc = check_options(o, err);
    struct sluice_augment *a = rc < 0 ? NULL : calloc(1, sizeof(*a));
    *out = NULL;
    if (rc < 0)
        return rc;
    if (!a)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    struct chain *c = &a->chain;
    c->seed = o->seed;
    c->height = o->source.height;
    c->width = o->source.width;
    c->channels = o->source.channels;
    c->type = type_of(o->dtype);
    c->planar = o->layout == SLUICE_NCHW;
    for (int k = 0; k < CHAIN_CHANNELS_MAX; k++)
        c->scale[k] = 1;
    rc = sluice_chain_parse(c, pipeline, o, err);
    if (rc < 0) {
        free(a);
        return rc;
    }
    a->shape = o->source;
    a->shape.dtype = o->dtype;
    a->shape.layout = o->layout;
    a->rows = sluice_rows_supports(c);
    bool normalized = false;
    for (int k = 0; k < c->channels; k++)
        normalized |= c->scale[k] != 1 || c->shift[k] != 0;
    sluice_chain_describe(c, normalized, a->text, sizeof(a->text));
    *out = a;
    return 0;
}

void sluice_augment_free(struct sluice_augment *aug)
{
    free(aug);
}

static int apply(const void *arg, const struct sluice_image *in, void *out,
                 struct sluice_error *err)
{
    const struct sluice_augment *a = arg;
    const struct chain *c = &a->chain;
    struct chain_draw draws[CHAIN_STEPS_MAX];
    if (in->height != c->height || in->width != c->width || in->channels != c->channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "an image of %dx%dx%d, expected %dx%dx%d", in->height,
                           in->width, in->channels, c->height, c->width, c->channels);
    if (a->rows) {
        sluice_rows_apply(c, in, out);
        return 0;
    }
    for (int i = 0; i < c->steps; i++)
        draws[i] = draw_step(c, &c->step[i], in->id, in->epoch);
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++)
            chain_pixel(c, draws, in->pixels, out, y, x);
    return 0;
}

struct sluice_transform sluice_augment_transform(const struct sluice_augment *aug)
{
    return (struct sluice_transform){ .apply = apply, .arg = aug, .out = aug->shape };
}

struct sluice_shape sluice_augment_shape(const struct sluice_augment *aug)
{
    return aug->shape;
}

const char *sluice_augment_describe(const struct sluice_augment *aug)
{
    return aug->text;
}

const char *sluice_augment_path(const struct sluice_augment *aug)
{
    return aug->rows ? sluice_rows_path(&aug->chain) : "pixel by pixel, plain C";
}

const void *sluice_augment_chain(const struct sluice_augment *aug)
{
    return &aug->chain;
}
