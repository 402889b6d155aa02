/* shape.c -- which field the images are, what sizes and kinds are stored in it, and
 * what shape they are brought to. */
#include <inttypes.h>

#include <sluice/format_emit.h>

#include "core.h"

static int find_fields(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_dataset *ds = ld->file.dataset;
    const char *name = ld->opt.image_field;
    ld->image_field = name ? sluice_dataset_find(ds, name)
                           : sluice_dataset_find_kind(ds, SLUICE_KIND_IMAGE);
    if (ld->image_field < 0 ||
        sluice_dataset_field(ds, ld->image_field)->kind != SLUICE_KIND_IMAGE)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no image field %s", ld->file.path,
                           name ? name : "in it");
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        if (f->kind == SLUICE_KIND_SCALAR && f->dtype <= SLUICE_I64)
            ld->label_fields[ld->label_columns++] = i;
    }
    return 0;
}

/* Sizes and kinds of what is stored, over all samples. */
struct survey {
    uint32_t height, width, channels; /* of the first sample */
    bool any, same;
    bool pixels;    /* no JPEGs, and all with these channels */
    bool raw;       /* and stored as they are */
    uint64_t other; /* the first sample of another size */
    size_t largest; /* bytes stored */
    uint64_t most_pixels;
    uint32_t most_height, most_width;
    size_t most_plain; /* bytes of what is compressed, as it was */
};

static int survey(const struct sluice_loader *ld, struct survey *s,
                  struct sluice_error *err)
{
    const uint64_t count = sluice_dataset_count(ld->file.dataset);
    struct sluice_extent x;
    *s = (struct survey){ .same = true, .pixels = true, .raw = true, .largest = 1 };
    for (uint64_t i = 0; i < count; i++) {
        int rc = sluice_dataset_locate(ld->file.dataset, ld->image_field, i, &x, err);
        if (rc < 0)
            return rc;
        s->largest = x.size > s->largest ? x.size : s->largest;
        if ((rc = sluice_extent_check(ld, i, &x, err)) < 0) {
            if (ld->opt.on_error == SLUICE_RAISE)
                return rc;
            continue; /* it is damage, whenever it is wanted */
        }
        const uint64_t pixels = (uint64_t)x.height * x.width;
        s->most_pixels = pixels > s->most_pixels ? pixels : s->most_pixels;
        s->most_height = x.height > s->most_height ? x.height : s->most_height;
        s->most_width = x.width > s->most_width ? x.width : s->most_width;
        if (x.codec == SLUICE_CODEC_ZSTD && x.plain > s->most_plain)
            s->most_plain = x.plain;
        if (!s->any) {
            s->any = true;
            s->height = x.height;
            s->width = x.width;
            s->channels = x.channels;
        }
        if (s->same && (x.height != s->height || x.width != s->width)) {
            s->same = false;
            s->other = i;
        }
        s->pixels =
            s->pixels && x.codec != SLUICE_CODEC_JPEG && x.channels == s->channels;
        s->raw = s->raw && x.codec == SLUICE_CODEC_RAW && x.channels == s->channels;
    }
    return s->any || !count
               ? 0
               : sluice_fail(err, SLUICE_ECORRUPT,
                             "%s: not one of %" PRIu64 " images is of a possible size",
                             ld->file.path, count);
}

/* libjpeg keeps a progressive picture's coefficients, 2 bytes for each sample of up to
 * four colours, and some rows. */
static size_t jpeg_memory(const struct survey *s)
{
    const uint64_t most = (uint64_t)1 << 30;
    const uint64_t need =
        8 * s->most_pixels + 512 * (uint64_t)s->most_width + (4 << 20);
    return (size_t)(need < most ? need : most);
}

/* Whether an index may say of a sample what the schema does not: that it is encoded,
 * and how many bytes it then has. */
static bool indexed(const struct sluice_loader *ld)
{
    const struct sluice_directory *dir = sluice_dataset_directory(ld->file.dataset);
    for (int g = 0; g < dir->segment_count; g++)
        if (dir->segments[g].stores[ld->image_field].type == SLUICE_STORE_INDEXED)
            return true;
    return false;
}

/* What the transform is to see, and whether samples have to be decoded for it. */
static int settle_shape(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_field *f =
        sluice_dataset_field(ld->file.dataset, ld->image_field);
    const struct sluice_crop *c = &ld->opt.crop;
    const uint64_t pixels = (uint64_t)f->shape[0] * f->shape[1];
    struct survey s = { .height = f->shape[0],
                        .width = f->shape[1],
                        .channels = f->shape[2],
                        .any = true,
                        .same = true,
                        .pixels = true,
                        .raw = true,
                        .most_pixels = pixels,
                        .most_height = f->shape[0],
                        .most_width = f->shape[1] };
    int rc = 0;
    if (!pixels || !s.channels || indexed(ld))
        rc = survey(ld, &s, err);
    else if (pixels > INT32_MAX || pixels * s.channels > INT32_MAX)
        rc = sluice_fail(err, SLUICE_ECORRUPT, "%s: field %s: images of 2 GiB",
                         ld->file.path, f->name);
    else
        s.largest = (size_t)(pixels * s.channels);
    if (rc < 0)
        return rc;
    if (c->kind == SLUICE_CROP_NONE && !s.same)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: images differ in size (sample %" PRIu64
                           " is not of %ux%u): a crop must say to which size they are "
                           "brought",
                           ld->file.path, s.other, s.height, s.width);
    const int channels = ld->opt.channels ? ld->opt.channels
                         : s.pixels       ? (int)s.channels
                                          : 3;
    const bool crop = c->kind != SLUICE_CROP_NONE;
    ld->encoded = crop || !s.raw || channels != (int)s.channels;
    ld->in_bytes = s.largest;
    ld->most_pixels = s.most_pixels;
    ld->most_height = s.most_height;
    ld->most_width = s.most_width;
    ld->most_plain = s.most_plain;
    ld->jpeg_memory = s.pixels ? 0 : jpeg_memory(&s);
    ld->source = (struct sluice_shape){ crop ? c->size : (int)s.height,
                                        crop ? c->size : (int)s.width, channels,
                                        SLUICE_U8, SLUICE_NHWC };
    ld->pixel_bytes = sluice_shape_bytes(&ld->source);
    if (!ld->transform.apply)
        ld->transform.out = ld->source;
    return 0;
}

int sluice_shape_settle(struct sluice_loader *ld, struct sluice_error *err)
{
    const int rc = find_fields(ld, err);
    return rc < 0 ? rc : settle_shape(ld, err);
}
