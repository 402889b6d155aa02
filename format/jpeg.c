/* jpeg.c -- libjpeg behind calls that return. libjpeg reports failure by a call that
 * must not return, so each of its steps runs under guarded(), which is where it jumps
 * to; what a step needs stands in the decoder, not in locals. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <sluice/jpeg.h>

#include "exif.h"
#include "jpeg_baseline.h"
#include "jpeg_damage.h"

enum {
    BEFORE_MAX =
        128,     /* bytes: a block of four samples across, and a pixel, in colour */
    NARROW = 16, /* pixels: libjpeg does not smooth chroma that is two samples wide */
};

struct sluice_jpeg {
    struct jpeg_decompress_struct info; /* first: libjpeg's callbacks find us by it */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char message[JMSG_LENGTH_MAX]; /* why it jumped */
    int code;
    bool begun;
    struct sluice_jpeg_limits limits;

    const uint8_t *data;
    size_t size;
    struct sluice_jpeg_rect rect;
    int channels;
    uint8_t *out;
    uint8_t *row; /* where one is copied */
    size_t room;

    struct jpeg_baseline *baseline; /* NULL: not needed yet */
    enum sluice_jpeg_path path, took;
    struct sluice_jpeg_times times;
};

static struct sluice_jpeg *decoder_of(j_common_ptr info)
{
    return (struct sluice_jpeg *)info;
}

static void fail_exit(j_common_ptr info)
{
    struct sluice_jpeg *j = decoder_of(info);
    info->err->format_message(info, j->message);
    if (info->err->msg_code == JERR_NO_BACKING_STORE) /* over max_memory_to_use */
        snprintf(j->message, sizeof(j->message), "needs more than %zu MiB of memory",
                 j->limits.memory >> 20);
    j->code = info->err->msg_code == JERR_OUT_OF_MEMORY ||
                      info->err->msg_code == JERR_NO_BACKING_STORE
                  ? SLUICE_ENOMEM
                  : SLUICE_ECORRUPT;
    longjmp(j->jump, 1);
}

__attribute__((noreturn)) static void refuse(struct sluice_jpeg *j, int code,
                                             const char *message)
{
    snprintf(j->message, sizeof(j->message), "%s", message);
    j->code = code;
    longjmp(j->jump, 1);
}

/* libjpeg would go on. */
static void fail_on_damage(j_common_ptr info, int level)
{
    if (level < 0 && jpeg_is_damage(info->err->msg_code))
        fail_exit(info);
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static void count_scans(j_common_ptr info)
{
    struct sluice_jpeg *j = decoder_of(info);
    char text[80];
    if (j->info.input_scan_number <= j->limits.scans)
        return;
    snprintf(text, sizeof(text), "more than %d scans", j->limits.scans);
    refuse(j, SLUICE_EINVAL, text);
}

/* Run one step; where libjpeg gives up, the decoder is ready for the next picture. */
static int guarded(struct sluice_jpeg *j, void (*step)(struct sluice_jpeg *j),
                   struct sluice_error *err)
{
    if (setjmp(j->jump)) {
        jpeg_abort_decompress(&j->info);
        j->begun = false;
        return sluice_fail(err, (enum sluice_code)j->code, "JPEG: %s", j->message);
    }
    step(j);
    return 0;
}

static void create(struct sluice_jpeg *j)
{
    jpeg_create_decompress(&j->info);
    j->info.progress = &j->progress;
    j->info.mem->max_memory_to_use = (long)j->limits.memory;
}

int sluice_jpeg_create(struct sluice_jpeg **out,
                       const struct sluice_jpeg_limits *limits,
                       struct sluice_error *err)
{
    struct sluice_jpeg *j = calloc(1, sizeof(*j));
    *out = NULL;
    if (!j)
        return sluice_fail(err, SLUICE_ENOMEM, "JPEG: no memory for a decoder");
    if (limits)
        j->limits = *limits;
    if (!j->limits.pixels)
        j->limits.pixels = UINT64_C(1) << 28;
    if (!j->limits.memory)
        j->limits.memory = (size_t)1 << 30;
    if (!j->limits.scans)
        j->limits.scans = 100;
    j->info.err = jpeg_std_error(&j->errors);
    j->errors.error_exit = fail_exit;
    j->errors.emit_message = fail_on_damage;
    j->errors.output_message = say_nothing;
    j->progress.progress_monitor = count_scans;
    if (guarded(j, create, err) < 0) {
        free(j);
        return SLUICE_ENOMEM;
    }
    j->path = sluice_jpeg_best();
    *out = j;
    return 0;
}

void sluice_jpeg_free(struct sluice_jpeg *j)
{
    if (!j)
        return;
    jpeg_destroy_decompress(&j->info);
    sluice_jpeg_baseline_free(j->baseline);
    free(j->row);
    free(j);
}

/* Begun anew, as libjpeg keeps the tables of one picture for the next: one that lacks
 * its own would be decoded with those of whatever came before it in this thread. */
static void read_header(struct sluice_jpeg *j)
{
    char text[96];
    jpeg_destroy_decompress(&j->info);
    create(j);
    jpeg_mem_src(&j->info, j->data, (unsigned long)j->size);
    jpeg_save_markers(&j->info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&j->info, TRUE);
    if (j->info.data_precision != 8) {
        snprintf(text, sizeof(text), "%d bits per sample, expected 8",
                 j->info.data_precision);
        refuse(j, SLUICE_EUNBUILT, text);
    }
    const uint64_t pixels = (uint64_t)j->info.image_height * j->info.image_width;
    if (pixels > j->limits.pixels) {
        snprintf(text, sizeof(text), "%ux%u pixels, more than the limit of %llu",
                 j->info.image_height, j->info.image_width,
                 (unsigned long long)j->limits.pixels);
        refuse(j, SLUICE_EINVAL, text);
    }
}

static enum sluice_jpeg_colour colour_of(const struct jpeg_decompress_struct *info)
{
    switch (info->jpeg_color_space) {
    case JCS_GRAYSCALE:
        return SLUICE_JPEG_GREY;
    case JCS_YCbCr:
    case JCS_RGB:
        return SLUICE_JPEG_RGB;
    case JCS_CMYK:
    case JCS_YCCK:
        return SLUICE_JPEG_CMYK;
    default:
        return (enum sluice_jpeg_colour)0;
    }
}

int sluice_jpeg_begin(struct sluice_jpeg *j, const void *data, size_t size,
                      struct sluice_jpeg_info *info, struct sluice_error *err)
{
    *info = (struct sluice_jpeg_info){ 0 };
    j->begun = false;
    j->data = data;
    j->size = size;
    const int rc = guarded(j, read_header, err);
    if (rc < 0)
        return rc;
    const enum sluice_jpeg_colour colour = colour_of(&j->info);
    if (!colour)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "JPEG: %d components of unknown meaning, expected grey, "
                           "RGB or CMYK",
                           j->info.num_components);
    info->height = j->info.image_height;
    info->width = j->info.image_width;
    info->colour = colour;
    info->progressive = j->info.progressive_mode;
    info->orientation = 1;
    for (jpeg_saved_marker_ptr m = j->info.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1)
            exif_orientation(m->data, m->data_length, &info->orientation);
    j->begun = true;
    return 0;
}

static void choose_colours(struct sluice_jpeg *j)
{
    struct jpeg_decompress_struct *info = &j->info;
    const enum sluice_jpeg_colour colour = colour_of(info);
    info->out_color_space = colour == SLUICE_JPEG_CMYK ? JCS_CMYK
                            : j->channels == 1         ? JCS_GRAYSCALE
                                                       : JCS_RGB;
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
}

/* Only the columns of the rect, and some: fancy upsampling looks at the neighbour of
 * each pixel, and at the edge of what is decoded there is none, so one more is decoded
 * on either side, and NARROW at least. libjpeg moves the left edge on to where a block
 * begins. Returns the column that it starts at. */
static JDIMENSION start(struct sluice_jpeg *j)
{
    struct jpeg_decompress_struct *info = &j->info;
    const struct sluice_jpeg_rect *r = &j->rect;
    JDIMENSION left = r->x ? r->x - 1 : 0, width;
    jpeg_start_decompress(info);
    const JDIMENSION right = info->output_width - left;
    if (right < NARROW)
        left = info->output_width < NARROW ? 0 : info->output_width - NARROW;
    width = r->x + r->width - left + 1;
    width = width < NARROW ? NARROW : width;
    if (width > info->output_width - left)
        width = info->output_width - left;
    if (width < info->output_width)
        jpeg_crop_scanline(info, &left, &width);
    else
        left = 0;
    const size_t stride = (size_t)info->output_width * (size_t)info->output_components;
    if (j->room < stride) {
        free(j->row);
        j->room = 0;
        j->row = malloc(stride);
        if (!j->row)
            refuse(j, SLUICE_ENOMEM, "no memory for a row");
        j->room = stride;
    }
    return left;
}

/* a * b / 255, rounded. */
static unsigned scaled(unsigned a, unsigned b)
{
    const unsigned x = a * b + 128;
    return (x + (x >> 8)) >> 8;
}

/* BT.601's luma, rounded as libjpeg does it. */
static uint8_t luma(const unsigned rgb[3])
{
    return (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
}

static void take_cmyk(const uint8_t *in, uint8_t *out, size_t width, int channels,
                      bool inverted)
{
    const unsigned flip = inverted ? 255 : 0;
    unsigned rgb[3];
    for (size_t x = 0; x < width; x++, in += 4, out += channels) {
        const unsigned light = 255 - (in[3] ^ flip);
        for (int c = 0; c < 3; c++)
            rgb[c] = light - scaled(in[c] ^ flip, light);
        if (channels == 1)
            *out = luma(rgb);
        for (int c = 0; channels == 3 && c < 3; c++)
            out[c] = (uint8_t)rgb[c];
    }
}

static void take_row(struct sluice_jpeg *j, const uint8_t *row, size_t y)
{
    const size_t width = j->rect.width, bytes = width * (size_t)j->channels;
    if (j->info.out_color_space == JCS_CMYK)
        take_cmyk(row, j->out + y * bytes, width, j->channels,
                  j->info.saw_Adobe_marker);
    else
        memcpy(j->out + y * bytes, row, bytes);
}

/* One row at a time. libjpeg writes whole rows, from where a block begins: `before`
 * bytes ahead of the part, and some behind. They go straight to their place all the
 * same: what is ahead falls on the end of the row above, which is saved and put back,
 * what is behind on the row below, which comes next. Only where that leaves the output
 * a row is copied. */
static void read_row(struct sluice_jpeg *j, size_t y, size_t before, size_t stride)
{
    const size_t bytes = (size_t)j->rect.width * (size_t)j->channels, at = y * bytes;
    uint8_t kept[BEFORE_MAX];
    const bool in_place = j->info.out_color_space != JCS_CMYK && before <= BEFORE_MAX &&
                          before <= at &&
                          at - before + stride <= j->rect.height * bytes;
    JSAMPROW row = in_place ? j->out + at - before : j->row;
    if (in_place)
        memcpy(kept, row, before);
    jpeg_read_scanlines(&j->info, &row, 1);
    if (in_place)
        memcpy(row, kept, before);
    else
        take_row(j, row + before, y);
}

static void decode(struct sluice_jpeg *j)
{
    struct jpeg_decompress_struct *info = &j->info;
    const struct sluice_jpeg_rect *r = &j->rect;
    choose_colours(j);
    const JDIMENSION left = start(j);
    const size_t pixel = (size_t)info->output_components;
    const size_t stride = (size_t)info->output_width * pixel;
    if (r->y)
        jpeg_skip_scanlines(info, r->y);
    while (info->output_scanline < r->y + r->height)
        read_row(j, info->output_scanline - r->y, (r->x - left) * pixel, stride);
    if (info->output_scanline == info->output_height)
        jpeg_finish_decompress(info);
    else
        jpeg_abort_decompress(info);
}

/* Where that cannot be had for want of memory, libjpeg is asked too. */
static bool decode_baseline(struct sluice_jpeg *j)
{
    const struct jpeg_kernels *k = sluice_jpeg_kernels_of(j->path);
    if (k && !j->baseline)
        j->baseline = sluice_jpeg_baseline_create();
    return k && j->baseline &&
           sluice_jpeg_baseline_decode(j->baseline, k, &j->info, &j->rect, j->channels,
                                       j->limits.memory, j->out, &j->times);
}

int sluice_jpeg_decode(struct sluice_jpeg *j, const struct sluice_jpeg_rect *rect,
                       int channels, uint8_t *pixels, struct sluice_error *err)
{
    if (!j->begun || (channels != 1 && channels != 3))
        return sluice_fail(err, SLUICE_EINVAL,
                           "JPEG: expected a picture that was begun and 1 or 3 "
                           "channels, found %s and %d",
                           j->begun ? "one" : "none", channels);
    const uint32_t height = j->info.image_height, width = j->info.image_width;
    j->rect = rect ? *rect : (struct sluice_jpeg_rect){ 0, 0, height, width };
    const struct sluice_jpeg_rect *r = &j->rect;
    if (!r->height || !r->width || r->y > height || r->height > height - r->y ||
        r->x > width || r->width > width - r->x)
        return sluice_fail(err, SLUICE_EINVAL,
                           "JPEG: part %ux%u at (%u, %u) of a picture of %ux%u",
                           r->height, r->width, r->y, r->x, height, width);
    j->channels = channels;
    j->out = pixels;
    j->begun = false;
    j->took = j->path;
    if (decode_baseline(j))
        return 0;
    j->took = SLUICE_JPEG_LIBJPEG;
    return guarded(j, decode, err);
}

int sluice_jpeg_prefer(struct sluice_jpeg *j, enum sluice_jpeg_path path,
                       struct sluice_error *err)
{
    if (path == SLUICE_JPEG_AUTO)
        path = sluice_jpeg_best();
    if (path != SLUICE_JPEG_LIBJPEG && !sluice_jpeg_kernels_of(path))
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "JPEG: decoder %d is not to be had on this machine",
                           (int)path);
    j->path = path;
    return 0;
}

enum sluice_jpeg_path sluice_jpeg_took(const struct sluice_jpeg *j)
{
    return j->took;
}

struct sluice_jpeg_times sluice_jpeg_times(const struct sluice_jpeg *j)
{
    return j->times;
}
