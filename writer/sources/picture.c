/* picture.c -- what becomes of an image file; see picture.h. */
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "stats.h"

enum kind { KIND_JPEG, KIND_PNG };

static int recognise(const uint8_t *bytes, size_t size, enum kind *kind,
                     struct sluice_error *err)
{
    if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8)
        *kind = KIND_JPEG;
    else if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        *kind = KIND_PNG;
    else
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "expected a JPEG or PNG picture, found %zu bytes of "
                           "something else",
                           size);
    return 0;
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

void picture_work_free(struct picture_work *w)
{
    sluice_jpeg_free(w->decoder);
    free(w->pixels);
    free(w->scaled);
    *w = (struct picture_work){ 0 };
}

static int begin_jpeg(struct picture_work *w, const uint8_t *bytes, size_t size,
                      struct sluice_jpeg_info *info, struct sluice_error *err)
{
    const int rc = w->decoder ? 0 : sluice_jpeg_create(&w->decoder, NULL, err);
    return rc < 0 ? rc : sluice_jpeg_begin(w->decoder, bytes, size, info, err);
}

/* What a file's header says, of its pixels as they are stored. */
struct header {
    enum kind kind;
    uint32_t height, width, channels; /* 1 or 3 */
    int orientation;
    bool progressive;
};

static int read_header(struct header *h, struct picture_work *w, const uint8_t *bytes,
                       size_t size, struct sluice_error *err)
{
    struct sluice_jpeg_info info;
    int rc = recognise(bytes, size, &h->kind, err);
    if (rc < 0)
        return rc;
    if (h->kind == KIND_PNG) {
        h->progressive = false;
        h->orientation = png_orientation(bytes, size);
        return png_decode(bytes, size, NULL, &h->height, &h->width, &h->channels, err);
    }
    if ((rc = begin_jpeg(w, bytes, size, &info, err)) < 0)
        return rc;
    h->height = info.height;
    h->width = info.width;
    h->channels = info.colour == SLUICE_JPEG_GREY ? 1 : 3;
    h->orientation = info.orientation;
    h->progressive = info.progressive;
    return 0;
}

static bool exchanges(const struct header *h, const struct picture_options *opt)
{
    return opt->orient && h->orientation >= 5;
}

int picture_measure(struct picture_work *w, const uint8_t *bytes, size_t size,
                    const struct picture_options *opt, uint32_t *height,
                    uint32_t *width, uint32_t *channels, struct sluice_error *err)
{
    struct header h = { .orientation = 1 };
    const int rc = read_header(&h, w, bytes, size, err);
    if (rc < 0)
        return rc;
    *height = exchanges(&h, opt) ? h.width : h.height;
    *width = exchanges(&h, opt) ? h.height : h.width;
    *channels = h.channels;
    return 0;
}

static void swap_rooms(struct picture_work *w)
{
    uint8_t *pixels = w->pixels;
    const size_t room = w->room;
    w->pixels = w->scaled;
    w->room = w->scaled_room;
    w->scaled = pixels;
    w->scaled_room = room;
}

/* Into w->pixels, with so many channels, turned or not. A JPEG was begun. */
static int decode(const struct header *h, uint32_t channels, struct picture_work *w,
                  const uint8_t *bytes, size_t size, bool turn,
                  struct sluice_error *err)
{
    struct header same = *h;
    const size_t need = (size_t)h->height * h->width * channels;
    int rc = grow(&w->pixels, &w->room, need, err);
    if (rc < 0)
        return rc;
    if (h->kind == KIND_PNG)
        rc = png_decode(bytes, size, w->pixels, &same.height, &same.width, &channels,
                        err);
    else
        rc = sluice_jpeg_decode(w->decoder, NULL, (int)channels, w->pixels, err);
    if (rc < 0 || !turn)
        return rc;
    if ((rc = grow(&w->scaled, &w->scaled_room, need, err)) < 0)
        return rc;
    turn_upright(w->pixels, h->height, h->width, channels, h->orientation, w->scaled);
    swap_rooms(w);
    return 0;
}

/* From w->pixels to at most max_side: into w->scaled, and exchange the two. */
static int shrink(struct picture *p, struct picture_work *w, uint32_t max_side,
                  struct sluice_error *err)
{
    const uint32_t side = p->height > p->width ? p->height : p->width;
    const uint64_t h = ((uint64_t)p->height * max_side + side / 2) / side;
    const uint64_t v = ((uint64_t)p->width * max_side + side / 2) / side;
    const uint32_t height = h ? (uint32_t)h : 1, width = v ? (uint32_t)v : 1;
    int rc =
        grow(&w->scaled, &w->scaled_room, (size_t)height * width * p->channels, err);
    if (rc == 0)
        rc = area_scale(w->pixels, p->height, p->width, p->channels, w->scaled, height,
                        width, err);
    swap_rooms(w);
    p->height = height;
    p->width = width;
    return rc;
}

static bool wants_jpeg(const struct picture *p, bool is_jpeg, uint64_t sample,
                       const struct picture_options *opt)
{
    struct sluice_rng rng;
    switch (opt->mode) {
    case PICTURE_RAW:
        return false;
    case PICTURE_JPG:
        return true;
    case PICTURE_SMART:
        return (uint64_t)p->height * p->width * p->channels > opt->smart;
    case PICTURE_PROPORTION:
        rng = sluice_rng_at(opt->seed, sample, 0);
        return (double)sluice_rng_unit(&rng) < opt->proportion;
    default:
        return is_jpeg;
    }
}

/* The file's own coefficients, and pixels. */
static int keep_jpeg(struct picture *p, uint8_t *bytes, size_t size, bool progressive,
                     struct sluice_error *err)
{
    p->codec = SLUICE_CODEC_JPEG;
    p->data = bytes;
    p->size = size;
    if (!progressive)
        return 0;
    uint8_t *baseline;
    const int rc = jpeg_to_baseline(bytes, size, &baseline, &size, err);
    if (rc < 0 || !baseline)
        return rc;
    p->data = baseline;
    p->size = size;
    free(bytes);
    return 0;
}

static int store_pixels(struct picture *p, const struct picture_work *w,
                        struct sluice_error *err)
{
    p->codec = SLUICE_CODEC_RAW;
    p->size = (size_t)p->height * p->width * p->channels;
    p->data = malloc(p->size);
    if (!p->data)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", p->size);
    memcpy(p->data, w->pixels, p->size);
    return 0;
}

static int make_jpeg(struct picture *p, const struct picture_work *w, int quality,
                     int orientation, struct sluice_error *err)
{
    p->codec = SLUICE_CODEC_JPEG;
    return jpeg_encode(w->pixels, p->height, p->width, p->channels, quality,
                       orientation, &p->data, &p->size, err);
}

int picture_make(struct picture *out, struct picture_work *w, uint8_t *bytes,
                 size_t size, uint64_t sample, const struct picture_options *opt,
                 struct sluice_error *err)
{
    struct header h = { .orientation = 1 };
    int rc = read_header(&h, w, bytes, size, err);
    if (rc < 0)
        return rc;
    struct picture p = { .height = exchanges(&h, opt) ? h.width : h.height,
                         .width = exchanges(&h, opt) ? h.height : h.width,
                         .channels = h.channels };
    const bool large =
        opt->max_side && (p.height > opt->max_side || p.width > opt->max_side);
    const bool turned = opt->orient && h.orientation != 1;
    const bool as_jpeg = wants_jpeg(&p, h.kind == KIND_JPEG, sample, opt);
    const bool keep =
        as_jpeg && h.kind == KIND_JPEG && !large && !turned && opt->mode != PICTURE_JPG;
    if (!as_jpeg && opt->channels)
        p.channels = (uint32_t)opt->channels;
    const bool decoded = !keep || !opt->trust;
    if (decoded && (rc = decode(&h, p.channels, w, bytes, size, turned, err)) < 0)
        return rc;
    if (large && (rc = shrink(&p, w, opt->max_side, err)) < 0)
        return rc;
    if (decoded && opt->sums)
        sums_of(&p.sums, w->pixels, (size_t)p.height * p.width * p.channels,
                p.channels);
    if (keep)
        rc = keep_jpeg(&p, bytes, size, h.progressive, err);
    else if (as_jpeg)
        rc = make_jpeg(&p, w, opt->quality, turned ? 1 : h.orientation, err);
    else
        rc = store_pixels(&p, w, err);
    if (rc < 0)
        return rc;
    if (!keep)
        free(bytes);
    *out = p;
    return 0;
}
