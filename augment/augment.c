/* augment.c -- the public calls: plan a pipeline, run it on an image. */
#include <stdio.h>
#include <stdlib.h>

#include "arrange.h"
#include "narrow.h"
#include "ops.h"
#include "ops/convert.h"
#include "pipeline.h"
#include "registry.h"

static int check_options(const char *pipeline, const struct sluice_augment_options *o,
                         struct sluice_error *err)
{
    if (!pipeline || !o)
        return sluice_fail(err, SLUICE_EINVAL, "augment: no pipeline or no options");
    const struct sluice_shape *s = &o->source;
    if (s->dtype != SLUICE_U8 || (s->layout != SLUICE_NHWC && s->channels != 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: images of type %s: expected u8, NHWC",
                           sluice_dtype_name(s->dtype));
    if (s->height < 1 || s->width < 1 || s->height > SIDE_MAX || s->width > SIDE_MAX ||
        s->channels < 1 || s->channels > CHANNELS_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: images of %dx%dx%d: expected sides from 1 to %d "
                           "and 1 to %d channels",
                           s->height, s->width, s->channels, SIDE_MAX, CHANNELS_MAX);
    if (sluice_shape_bytes(s) > IMAGE_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: images of %dx%dx%d are larger than %d MiB",
                           s->height, s->width, s->channels, IMAGE_MAX >> 20);
    if (o->dtype != SLUICE_F32 && o->dtype != SLUICE_BF16 && o->dtype != SLUICE_F16 &&
        o->dtype != SLUICE_U8)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: result of type %s: expected f32, bf16, f16 or u8",
                           sluice_dtype_name(o->dtype));
    if (o->layout != SLUICE_NHWC && o->layout != SLUICE_NCHW)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: layout %d: expected NHWC or NCHW", o->layout);
    return 0;
}

/* Steps into stages: each its own for the reference, else as few as there can be. */
static void divide(struct plan *p, int each)
{
    p->stages = 0;
    for (int k = 0; k < p->steps; k++)
        if (k && !p->step[k].member && (each || step_class(p, k) == OP_IMAGE))
            p->stage_end[p->stages++] = k;
    p->stage_end[p->stages++] = p->steps;
}

/* Of `channels` channels from `first` on, interleaved, into numbers of `dtype`. */
static void prepare_conversion(struct conversion *cv, const struct plan *p, int dtype,
                               int first, int channels)
{
    cv->dtype = dtype;
    cv->channels = channels;
    for (int i = 0; i < PATTERN; i++) {
        cv->gain[i] = p->gain[first + i % channels];
        cv->bias[i] = p->bias[first + i % channels];
    }
    for (int j = 0; j < 64; j++) {
        const int n = channels, group = 64 / n;
        cv->backward[j] = (uint8_t)((group - 1 - j / n) * n + j % n);
        cv->planes[j] = (uint8_t)(j % 16 * n + j / 16);
    }
    for (int c = 0; c < channels && dtype != SLUICE_U8; c++)
        for (int v = 0; v < 256; v++)
            store_number(
                p,
                dtype == SLUICE_F32 ? (void *)cv->table.f32[c]
                                    : (void *)cv->table.u16[c],
                (size_t)v,
                multiply_add((float)v, p->gain[first + c], p->bias[first + c]));
}

/* Rows where one pass of them is enough, else planes; for the reference, neither. */
static int choose(struct sluice_augment *aug, enum sluice_augment_use use,
                  struct sluice_error *err)
{
    const int avx2 = sluice_augment_has_avx2(), avx512 = sluice_augment_has_avx512();
    const struct plan *p = &aug->plan;
    if ((use == SLUICE_AUGMENT_AVX2 && !avx2) ||
        (use == SLUICE_AUGMENT_AVX512 && !avx512))
        return sluice_fail(err, SLUICE_EUNBUILT, "augment: this CPU has no %s",
                           use == SLUICE_AUGMENT_AVX2 ? "AVX2" : "AVX-512 with VBMI");
    aug->image_bytes = p->stages > 1 ? stages_image_bytes(p) : 0;
    if (use == SLUICE_AUGMENT_STEPS)
        return 0;
    if (use == SLUICE_AUGMENT_BEST)
        use = avx512 ? SLUICE_AUGMENT_AVX512
              : avx2 ? SLUICE_AUGMENT_AVX2
                     : SLUICE_AUGMENT_PLAIN;
    aug->kernels = use == SLUICE_AUGMENT_AVX512 ? &sluice_augment_avx512
                   : use == SLUICE_AUGMENT_AVX2 ? &sluice_augment_avx2
                                                : &sluice_augment_plain;
    if (sluice_augment_rows_fit(p))
        return 0;
    aug->planes = use == SLUICE_AUGMENT_AVX512 ? &sluice_augment_planes_avx512
                  : use == SLUICE_AUGMENT_AVX2 ? &sluice_augment_planes_avx2
                                               : &sluice_augment_planes_plain;
    aug->image_bytes = sluice_augment_planes_bytes(p);
    return 0;
}

static int plan_pipeline(struct sluice_augment *aug, const char *pipeline,
                         const struct sluice_augment_options *o,
                         struct sluice_error *err)
{
    struct plan *p = &aug->plan;
    int rc;
    p->height = p->source_height = o->source.height;
    p->width = p->source_width = o->source.width;
    p->channels = o->source.channels;
    p->dtype = o->dtype;
    p->layout = o->layout;
    p->seed = o->seed;
    for (int c = 0; c < CHANNELS_MAX; c++)
        p->gain[c] = 1;
    if ((rc = sluice_augment_parse(p, &aug->description, pipeline, o, err)) < 0 ||
        (rc = sluice_augment_fuse(p, err)) < 0)
        return rc;
    p->arranged = o->use != SLUICE_AUGMENT_STEPS && can_arrange(p);
    divide(p, o->use == SLUICE_AUGMENT_STEPS);
    if ((rc = choose(aug, o->use, err)) < 0)
        return rc;
    prepare_conversion(&aug->conversion, p, p->dtype, 0, p->channels);
    prepare_conversion(&aug->bytes, p, SLUICE_U8, 0, p->channels);
    for (int c = 0; c < p->channels; c++)
        prepare_conversion(&aug->plane[c], p, p->dtype, c, 1);
    if (aug->kernels == &sluice_augment_avx512 && !aug->planes && p->steps &&
        sluice_augment_narrow_create(&aug->narrow, p) < 0)
        return sluice_fail(err, SLUICE_ENOMEM, "augment: no memory for tables");
    if (aug->kernels)
        snprintf(aug->path, sizeof(aug->path), "%s%s %s", aug->narrow ? "narrow " : "",
                 aug->planes ? "planes" : "rows", aug->kernels->name);
    else
        snprintf(aug->path, sizeof(aug->path), "steps");
    return 0;
}

int sluice_augment_create(struct sluice_augment **out, const char *pipeline,
                          const struct sluice_augment_options *options,
                          struct sluice_error *err)
{
    *out = NULL;
    int rc = check_options(pipeline, options, err);
    if (rc < 0)
        return rc;
    struct sluice_augment *aug = calloc(1, sizeof(*aug));
    if (!aug)
        return sluice_fail(err, SLUICE_ENOMEM, "augment: no memory for a pipeline");
    pthread_mutex_init(&aug->lock, NULL);
    if ((rc = plan_pipeline(aug, pipeline, options, err)) < 0) {
        sluice_augment_free(aug);
        return rc;
    }
    *out = aug;
    return 0;
}

void sluice_augment_free(struct sluice_augment *aug)
{
    if (!aug)
        return;
    sluice_augment_free_scratch(aug);
    pthread_mutex_destroy(&aug->lock);
    free(aug->narrow);
    free(aug->description);
    free(aug);
}

static int apply(const void *arg, const struct sluice_image *in, void *out,
                 struct sluice_error *err)
{
    /* Only the list of idle scratch is ever written to, under its lock. */
    struct sluice_augment *aug = (struct sluice_augment *)arg;
    const struct plan *p = &aug->plan;
    struct draw draws[STEPS_MAX];
    if (in->height != p->source_height || in->width != p->source_width ||
        in->channels != p->channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: sample %llu: expected an image of %dx%dx%d, found "
                           "%dx%dx%d",
                           (unsigned long long)in->id, p->source_height,
                           p->source_width, p->channels, in->height, in->width,
                           in->channels);
    for (int k = 0; k < p->steps + p->posts; k++)
        step_draw(&draws[k], p, k, in->id, in->epoch);
    if (aug->kernels && !aug->planes) {
        sluice_augment_run_rows(aug, draws, in->pixels, out);
    } else {
        int rc = sluice_augment_run_stages(aug, draws, in->pixels, out, err);
        if (rc < 0)
            return rc;
    }
    if (p->posts)
        sluice_augment_erase(p, draws, out);
    return 0;
}

struct sluice_transform sluice_augment_transform(const struct sluice_augment *aug)
{
    return (struct sluice_transform){ apply, aug, sluice_augment_shape(aug) };
}

struct sluice_shape sluice_augment_shape(const struct sluice_augment *aug)
{
    const struct plan *p = &aug->plan;
    return (struct sluice_shape){ p->height, p->width, p->channels, p->dtype,
                                  p->layout };
}

void sluice_augment_scale(const struct sluice_augment *aug, int channel, float *gain,
                          float *bias)
{
    *gain = aug->plan.gain[channel];
    *bias = aug->plan.bias[channel];
}

const char *sluice_augment_describe(const struct sluice_augment *aug)
{
    return aug->description;
}

const struct plan *sluice_augment_plan(const struct sluice_augment *aug)
{
    return &aug->plan;
}

const char *sluice_augment_path(const struct sluice_augment *aug)
{
    return aug->path;
}
