/* decode.c -- see decode.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/portable.h>
#include <sluice/rng.h>

#include "core.h"

enum {
    CROP_STREAM = 0xffff, /* of draws: augmentation's operations count from 0 */
    TRIES = 10,
};

void sluice_decoder_free(struct sluice_decoder *d)
{
    sluice_jpeg_free(d->jpeg);
    sluice_resize_free(&d->resizer);
    sluice_inflater_free(d->inflater);
    free(d->plain);
    free(d->part);
    free(d->out);
    *d = (struct sluice_decoder){ .jpeg = NULL };
}

int sluice_decoder_check(const struct sluice_loader *ld, struct sluice_error *err)
{
    struct sluice_error why;
    struct sluice_jpeg *jpeg = NULL;
    int rc =
        ld->opt.jpeg == SLUICE_JPEG_AUTO ? 0 : sluice_jpeg_create(&jpeg, NULL, &why);
    if (jpeg)
        rc = sluice_jpeg_prefer(jpeg, ld->opt.jpeg, &why);
    sluice_jpeg_free(jpeg);
    return rc < 0 ? sluice_fail(err, (enum sluice_code)rc, "%s: %.300s", ld->file.path,
                                why.message)
                  : 0;
}

static double between(struct sluice_rng *rng, double low, double high)
{
    return low + (high - low) * (double)sluice_rng_unit(rng);
}

static struct sluice_jpeg_rect middle(uint32_t height, uint32_t width, uint32_t h,
                                      uint32_t w)
{
    h = h < 1 ? 1 : h > height ? height : h;
    w = w < 1 ? 1 : w > width ? width : w;
    return (struct sluice_jpeg_rect){ (height - h) / 2, (width - w) / 2, h, w };
}

static struct sluice_jpeg_rect random_part(const struct sluice_crop *c,
                                           struct sluice_rng *rng, uint32_t height,
                                           uint32_t width)
{
    const double area = (double)height * width;
    for (int i = 0; i < TRIES; i++) {
        const double target = area * between(rng, c->scale[0], c->scale[1]);
        const double ratio =
            sluice_exp(between(rng, sluice_log(c->ratio[0]), sluice_log(c->ratio[1])));
        const long w = lrint(sqrt(target * ratio)), h = lrint(sqrt(target / ratio));
        if (w < 1 || w > (long)width || h < 1 || h > (long)height)
            continue;
        const uint32_t y = sluice_rng_below(rng, height - (uint32_t)h + 1);
        const uint32_t x = sluice_rng_below(rng, width - (uint32_t)w + 1);
        return (struct sluice_jpeg_rect){ y, x, (uint32_t)h, (uint32_t)w };
    }
    const double shape = (double)width / height;
    if (shape < c->ratio[0])
        return middle(height, width, (uint32_t)lrint(width / c->ratio[0]), width);
    if (shape > c->ratio[1])
        return middle(height, width, height, (uint32_t)lrint(height * c->ratio[1]));
    return middle(height, width, height, width);
}

struct sluice_jpeg_rect sluice_crop_part(const struct sluice_loader *ld,
                                         uint64_t sample, uint32_t epoch,
                                         uint32_t height, uint32_t width)
{
    const struct sluice_crop *c = &ld->opt.crop;
    struct sluice_rng rng = sluice_rng_open(ld->opt.seed, epoch, sample, CROP_STREAM);
    const uint32_t side = height < width ? height : width;
    switch (c->kind) {
    case SLUICE_CROP_RANDOM:
        return random_part(c, &rng, height, width);
    case SLUICE_CROP_CENTER: {
        const uint32_t n = (uint32_t)lrint(c->share * side);
        return middle(height, width, n, n);
    }
    default:
        return (struct sluice_jpeg_rect){ 0, 0, height, width };
    }
}

static int grow(uint8_t **data, size_t *room, size_t need, struct sluice_error *err)
{
    if (*room >= need)
        return 0;
    free(*data);
    *data = malloc(need);
    *room = *data ? need : 0;
    return *data ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", need);
}

/* From one pixel of `have` channels to one of `want`: grey three times; Pillow's luma
 * of BT.601; anything else loses what is behind the channels wanted. */
static void convert_row(const uint8_t *in, int have, uint8_t *out, int want, size_t n)
{
    if (have == want) {
        memcpy(out, in, n * (size_t)want);
        return;
    }
    for (size_t i = 0; i < n; i++, in += have, out += want) {
        if (want == 1 && have >= 3)
            out[0] =
                (uint8_t)((19595u * in[0] + 38470u * in[1] + 7471u * in[2] + 32768u) >>
                          16);
        else
            for (int c = 0; c < want; c++)
                out[c] = in[have < 3 ? 0 : c];
    }
}

static void take_part(const uint8_t *in, const struct sluice_extent *x,
                      const struct sluice_jpeg_rect *r, uint8_t *out, int channels)
{
    for (uint32_t y = 0; y < r->height; y++)
        convert_row(in + ((size_t)(r->y + y) * x->width + r->x) * x->channels,
                    (int)x->channels, out + (size_t)y * r->width * (size_t)channels,
                    channels, r->width);
}

/* Part `r` of the image into `out`. */
static int extract(struct sluice_decoder *d, const struct sluice_extent *x,
                   const uint8_t *bytes, const struct sluice_jpeg_rect *r, int channels,
                   uint8_t *out, struct sluice_error *err)
{
    struct sluice_jpeg_info info;
    int rc = 0;
    if (x->codec == SLUICE_CODEC_RAW) {
        take_part(bytes, x, r, out, channels);
        return 0;
    }
    if (!d->jpeg)
        rc = sluice_jpeg_create(&d->jpeg, &d->limits, err);
    if (rc == 0)
        rc = sluice_jpeg_prefer(d->jpeg, d->path, err);
    if (rc == 0)
        rc = sluice_jpeg_begin(d->jpeg, bytes, x->size, &info, err);
    if (rc < 0)
        return rc;
    if (info.height != x->height || info.width != x->width)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "expected a picture of %" PRIu32 "x%" PRIu32
                           ", found %" PRIu32 "x%" PRIu32,
                           x->height, x->width, info.height, info.width);
    return sluice_jpeg_decode(d->jpeg, r, channels, out, err);
}

/* A zstd frame becomes raw bytes, and *x speaks of those. */
static int inflate(const struct sluice_loader *ld, struct sluice_decoder *d,
                   struct sluice_extent *x, const uint8_t **bytes,
                   struct sluice_error *err)
{
    int rc = 0;
    if (x->codec != SLUICE_CODEC_ZSTD)
        return 0;
    if (!d->inflater)
        rc = sluice_inflater_create(&d->inflater, ld->file.dataset, err);
    if (rc == 0)
        rc = grow(&d->plain, &d->plain_room, x->plain, err);
    if (rc == 0)
        rc = sluice_inflate(d->inflater, x, *bytes, d->plain, err);
    *bytes = d->plain;
    x->codec = SLUICE_CODEC_RAW;
    x->size = x->plain;
    return rc;
}

static int name_sample(const struct sluice_loader *ld, uint64_t sample, int rc,
                       const struct sluice_error *why, struct sluice_error *err)
{
    return sluice_fail(err, (enum sluice_code)rc, "%s: sample %" PRIu64 ": %.300s",
                       ld->file.path, sample, why->message);
}

static int decode(const struct sluice_loader *ld, struct sluice_decoder *d,
                  uint64_t sample, uint32_t epoch, const struct sluice_extent *x,
                  const uint8_t *bytes, const uint8_t **pixels,
                  struct sluice_error *err)
{
    const struct sluice_shape *s = &ld->source;
    const struct sluice_jpeg_rect r =
        sluice_crop_part(ld, sample, epoch, x->height, x->width);
    const size_t size = (size_t)r.height * r.width * (size_t)s->channels;
    int rc = grow(&d->part, &d->part_room, size + RESIZE_SLACK, err);
    if (rc == 0)
        rc = extract(d, x, bytes, &r, s->channels, d->part, err);
    *pixels = d->part;
    if (rc < 0 || (r.height == (uint32_t)s->height && r.width == (uint32_t)s->width))
        return rc;
    if ((rc = grow(&d->out, &d->out_room, ld->pixel_bytes, err)) < 0)
        return rc;
    *pixels = d->out;
    const double before = sluice_seconds();
    const int scaled = sluice_resize(&d->resizer, d->part, (int)r.height, (int)r.width,
                                     s->channels, d->out, s->height, s->width);
    d->resize_seconds += sluice_seconds() - before;
    if (scaled < 0)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory to scale it");
    return 0;
}

int sluice_decode(const struct sluice_loader *ld, struct sluice_decoder *d,
                  uint64_t sample, uint32_t epoch, const struct sluice_extent *x,
                  const uint8_t *bytes, const uint8_t **pixels,
                  struct sluice_error *err)
{
    struct sluice_error why;
    struct sluice_extent plain = *x;
    int rc = inflate(ld, d, &plain, &bytes, &why);
    if (rc < 0)
        return name_sample(ld, sample, rc, &why, err);
    x = &plain;
    *pixels = bytes;
    if (x->codec == SLUICE_CODEC_RAW && ld->opt.crop.kind == SLUICE_CROP_NONE &&
        x->channels == (uint32_t)ld->source.channels)
        return 0;
    rc = decode(ld, d, sample, epoch, x, bytes, pixels, &why);
    return rc < 0 ? name_sample(ld, sample, rc, &why, err) : 0;
}

int sluice_decode_whole(const struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, const uint8_t *bytes,
                        uint8_t *out, size_t capacity, struct sluice_error *err)
{
    const struct sluice_jpeg_rect all = { 0, 0, x->height, x->width };
    const size_t size = (size_t)x->height * x->width * x->channels;
    struct sluice_decoder d = { .path = ld->opt.jpeg };
    struct sluice_error why;
    if (size > capacity)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64 " has %zu bytes, room for %zu",
                           ld->file.path, sample, size, capacity);
    struct sluice_extent plain = *x;
    int rc = inflate(ld, &d, &plain, &bytes, &why);
    if (rc == 0)
        rc = extract(&d, &plain, bytes, &all, (int)x->channels, out, &why);
    sluice_decoder_free(&d);
    return rc < 0 ? name_sample(ld, sample, rc, &why, err) : 0;
}
