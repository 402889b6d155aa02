/* jpeg_baseline.c -- see jpeg_baseline.h. A row of MCUs at a time: its coefficients,
 * then its samples, then the rows of pixels that they complete. Blocks that show
 * nothing of the part are only read over, rows below it not even that. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jpeg_baseline.h"
#include "jpeg_plan.h"

enum {
    MARGIN = 64, /* bytes: libjpeg reads so far ahead, and finds damage there */
};

struct jpeg_baseline *sluice_jpeg_baseline_create(void)
{
    return calloc(1, sizeof(struct jpeg_baseline));
}

void sluice_jpeg_baseline_free(struct jpeg_baseline *b)
{
    if (!b)
        return;
    free(b->room);
    free(b);
}

/* ---- the scan ---- */

/* A block whose only coefficient is the first. */
static void flat(const struct plane *p, uint8_t *at)
{
    const int v = ((p->dc * p->terms.quant[0] + 4) >> 3) + 128;
    for (int y = 0; y < 8; y++)
        memset(at + (size_t)y * p->stride, v < 0 ? 0 : v > 255 ? 255 : v, 8);
}

static int16_t *next_coefs(const struct jpeg_baseline *b)
{
    const size_t lanes = (size_t)b->k->lanes;
    return b->coefs + b->waiting / lanes * (lanes * 64) + b->waiting % lanes * 8;
}

/* Whether rows [8 y, 8 y + 8) of the component show. Those of chroma always: of a row
 * of MCUs that is decoded at all, some do. */
static bool shows(const struct jpeg_baseline *b, const struct plane *p, uint32_t y)
{
    return p != b->planes || (8 * y + 8 > b->r.y && 8 * y < b->r.y + b->r.height);
}

/* Column `x` of blocks, of row `y` in the MCU. */
static bool take_block(struct jpeg_baseline *b, struct plane *p, int x, int y,
                       bool wanted)
{
    if (!wanted || x < p->first || x > p->last) {
        if (b->k->skip(&b->bits, p->dc_code, p->ac_code, &p->dc) == JPEG_ODD)
            return false;
    } else {
        uint8_t *at = p->rows + (size_t)(8 * y) * p->stride + 8 * (x - p->first);
        const int kind = b->k->block(&b->bits, p->dc_code, p->ac_code, &p->terms,
                                     &p->dc, next_coefs(b));
        if (kind == JPEG_ODD)
            return false;
        if (kind == JPEG_FLAT)
            flat(p, at);
        else
            b->targets[b->waiting++] = (struct jpeg_target){ at, p->stride };
    }
    return b->bits.at <= b->bits.last || sluice_jpeg_bits_more(&b->bits) == 0;
}

static bool restarted(struct jpeg_baseline *b)
{
    if (!b->restart)
        return true;
    if (b->to_restart == 0) {
        if (sluice_jpeg_bits_restart(&b->bits, (int)(b->restarts++ % 8)) < 0)
            return false;
        b->to_restart = b->restart;
        for (int i = 0; i < b->count; i++)
            b->planes[i].dc = 0;
    }
    b->to_restart--;
    return true;
}

/* `wanted`: some of it shows. */
static bool take_mcus(struct jpeg_baseline *b, uint32_t row, bool wanted)
{
    bool show[COMPONENTS][2] = { { false } };
    for (int i = 0; wanted && i < b->count; i++)
        for (int y = 0; y < b->planes[i].down; y++)
            show[i][y] = shows(b, &b->planes[i],
                               row * (uint32_t)b->planes[i].down + (uint32_t)y);
    for (int mcu = 0; mcu < (int)b->mcus; mcu++) {
        if (!restarted(b))
            return false;
        for (int i = 0; i < b->count; i++) {
            struct plane *p = &b->planes[i];
            for (int y = 0; y < p->down; y++)
                for (int x = 0; x < p->across; x++)
                    if (!take_block(b, p, mcu * p->across + x, y, show[i][y]))
                        return false;
        }
    }
    return true;
}

static void transform(struct jpeg_baseline *b)
{
    static const size_t row = 8;
    const size_t lanes = (size_t)b->k->lanes, group = lanes * 64;
    uint8_t unused[64];
    for (size_t n = b->waiting; n % lanes; n++)
        b->targets[n] = (struct jpeg_target){ unused, row };
    for (size_t n = 0; n < b->waiting; n += lanes) {
        int16_t *coefs = b->coefs + n / lanes * group;
        b->k->idct(coefs, b->targets + n);
        memset(coefs, 0, group * sizeof(*coefs));
    }
    b->waiting = 0;
}

/* ---- rows of pixels ---- */

/* Chroma for row `y` of pixels, as wide as those. */
static const uint8_t *chroma(struct jpeg_baseline *b, int i, uint32_t mcu_row,
                             uint32_t y)
{
    const struct plane *p = &b->planes[i], *luma = b->planes;
    const long top = (long)mcu_row * 8, h = luma->across;
    const long near = (long)y / luma->down;
    const size_t skip = p->x - 8 * (size_t)p->first;
    const uint8_t *here = p->rows + (near - top) * (long)p->stride + skip;
    if (h == 1)
        return here;
    if (b->shared) {
        long far = y % 2 ? near + 1 : near - 1;
        far = far < 0 ? 0 : far >= (long)p->height ? (long)p->height - 1 : far;
        b->k->widen_between(here, p->rows + (far - top) * (long)p->stride + skip, p->n,
                            b->sums, b->wide[i - 1]);
    } else {
        b->k->widen(here, p->n, b->sums, b->wide[i - 1]);
    }
    return b->wide[i - 1] + (b->r.x - (size_t)h * p->x);
}

static void put_row(struct jpeg_baseline *b, uint32_t mcu_row, uint32_t y)
{
    const struct plane *p = b->planes;
    const size_t width = b->r.width;
    uint8_t *out = b->out + (size_t)(y - b->r.y) * width * (size_t)b->channels;
    const uint8_t *luma =
        p->rows + ((long)y - (long)mcu_row * (long)b->mcu_height) * (long)p->stride +
        (p->x - 8 * (size_t)p->first);
    if (b->channels == 1) {
        memcpy(out, luma, width);
    } else if (b->count == 1) {
        for (size_t x = 0; x < width; x++)
            memset(out + 3 * x, luma[x], 3);
    } else {
        const uint8_t *cb = chroma(b, 1, mcu_row, y), *cr = chroma(b, 2, mcu_row, y);
        b->k->colour(luma, cb, cr, width, out);
    }
}

/* The rows that this row of MCUs completes: where chroma is shared its last one waits
 * for the next, and that of the row before is due. */
static void put_rows(struct jpeg_baseline *b, uint32_t row)
{
    const uint32_t late = b->shared ? 1 : 0, end = b->r.y + b->r.height;
    uint32_t from = row * b->mcu_height, to = from + b->mcu_height - late;
    if (row)
        from -= late;
    if (row + 1 == b->mcu_rows)
        to += late;
    from = from < b->r.y ? b->r.y : from;
    to = to > end ? end : to;
    for (uint32_t y = from; y < to; y++)
        put_row(b, row, y);
    for (int i = 0; late && i < b->count; i++) {
        const struct plane *p = &b->planes[i];
        memcpy(p->rows - p->stride, p->rows + (size_t)(8 * p->down - 1) * p->stride,
               p->stride);
    }
}

/* ---- all of it ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool decode_rows(struct jpeg_baseline *b, uint32_t first, uint32_t last,
                        struct sluice_jpeg_times *times)
{
    double now = seconds();
    for (uint32_t row = 0; row <= last; row++) {
        const bool wanted = row >= first;
        const bool good = take_mcus(b, row, wanted);
        double before = now;
        if (!wanted && good && row < last)
            continue;
        now = seconds();
        times->entropy += now - before;
        if (!good)
            return false;
        transform(b);
        if (wanted)
            put_rows(b, row);
        before = now;
        now = seconds();
        times->pixels += now - before;
    }
    return true;
}

/* Whether libjpeg would find nothing wrong in what it reads beyond this. */
static bool ends_well(struct jpeg_baseline *b, bool whole)
{
    const long unread = sluice_jpeg_bits_unread(&b->bits);
    if (unread < 0)
        return false;
    if (!whole)
        return unread + (b->bits.source_end - b->bits.source) >= MARGIN;
    return unread == 0 && (b->bits.marker || sluice_jpeg_bits_more(&b->bits) == 0) &&
           b->bits.marker == 0xd9;
}

bool sluice_jpeg_baseline_decode(struct jpeg_baseline *b,
                                 const struct jpeg_kernels *kernels,
                                 const struct jpeg_decompress_struct *info,
                                 const struct sluice_jpeg_rect *r, int channels,
                                 size_t memory, uint8_t *out,
                                 struct sluice_jpeg_times *times)
{
    b->k = kernels;
    b->r = *r;
    b->channels = channels;
    b->out = out;
    if (!sluice_jpeg_plan(b, info, memory))
        return false;
    sluice_jpeg_bits_open(&b->bits, b->store, info->src->next_input_byte,
                          info->src->bytes_in_buffer);
    const uint32_t high = b->mcu_height, bottom = r->y + r->height - 1;
    /* With shared rows of chroma, libjpeg looks at the next row of MCUs for the last
     * two rows of this. */
    uint32_t last = (bottom + (b->shared ? 2 : 0)) / high;
    last = last < b->mcu_rows ? last : b->mcu_rows - 1;
    const uint32_t first = (b->shared && r->y ? r->y - 1 : r->y) / high;
    return decode_rows(b, first, last, times) && ends_well(b, last + 1 == b->mcu_rows);
}
