/* rows.c -- see rows.h. */
#include <string.h>

#include "rows.h"
#include "rows_avx512.h"

/* An image's columns, worked out. */
struct plan {
    struct chain_draw draws[CHAIN_STEPS_MAX];
    uint16_t source[ROW_BYTES_MAX]; /* (width * channels): byte of the source row */
    int first, last; /* columns [first, last) are not filled by a translate */
    const struct chain_step *translate; /* NULL: none */
    bool moved;                         /* source is not 0, 1, 2, ... */
};

bool sluice_rows_supports(const struct chain *c)
{
    bool translated = false, cut = false;
    for (int i = 0; i < c->steps; i++) {
        const enum chain_op op = c->step[i].op;
        if (cut && op != CHAIN_CUTOUT)
            return false;
        if (op == CHAIN_TRANSLATE && translated)
            return false;
        translated |= op == CHAIN_TRANSLATE;
        cut |= op == CHAIN_CUTOUT;
    }
    return c->width * c->channels <= ROW_BYTES_MAX;
}

const char *sluice_rows_path(const struct chain *c)
{
    return sluice_avx512_supports(c) ? "rows, avx512" : "rows, plain C";
}

/* Trace (y, x) back through everything but cutouts. */
static bool trace(const struct chain *c, const struct plan *p, int *y, int *x)
{
    for (int i = c->steps - 1; i >= 0; i--)
        if (c->step[i].op != CHAIN_CUTOUT &&
            !trace_step(c, &c->step[i], p->draws[i], y, x))
            return false;
    return true;
}

static void plan_columns(const struct chain *c, struct plan *p)
{
    p->first = c->width;
    p->last = 0;
    p->moved = false;
    for (int x = 0; x < c->width; x++) {
        int sx = x;
        /* Rows are traced apart: any row that no translate pushes out will do. */
        bool inside = true;
        for (int i = c->steps - 1; i >= 0 && inside; i--) {
            struct chain_draw d = p->draws[i];
            int y = 0;
            d.dy = 0;
            if (c->step[i].op != CHAIN_CUTOUT)
                inside = trace_step(c, &c->step[i], d, &y, &sx);
        }
        for (int k = 0; k < c->channels; k++)
            p->source[x * c->channels + k] =
                (uint16_t)(inside ? sx * c->channels + k : 0);
        p->moved |= sx != x;
        if (inside) {
            p->first = x < p->first ? x : p->first;
            p->last = x + 1;
        }
    }
}

static void fill_pixels(uint8_t *row, int from, int to, const uint8_t *colour,
                        int channels)
{
    for (int x = from; x < to; x++)
        for (int k = 0; k < channels; k++)
            row[x * channels + k] = colour[k];
}

/* The cutouts' part of row y. */
static void cut_row(const struct chain *c, const struct plan *p, int y, uint8_t *row)
{
    for (int i = 0; i < c->steps; i++) {
        const struct chain_step *s = &c->step[i];
        const struct chain_draw d = p->draws[i];
        if (s->op == CHAIN_CUTOUT && y >= d.dy && y < d.dy + s->size)
            fill_pixels(row, d.dx, d.dx + s->size, s->colour, c->channels);
    }
}

static bool row_cut(const struct chain *c, const struct plan *p, int y)
{
    for (int i = 0; i < c->steps; i++)
        if (c->step[i].op == CHAIN_CUTOUT && y >= p->draws[i].dy &&
            y < p->draws[i].dy + c->step[i].size)
            return true;
    return false;
}

static void store_row(const struct chain *c, const uint8_t *row, int y, void *out)
{
    const size_t plane = (size_t)c->height * (size_t)c->width;
    const size_t begin = (size_t)y * (size_t)c->width;
    for (int x = 0; x < c->width; x++)
        for (int k = 0; k < c->channels; k++)
            chain_store(c, out,
                        c->planar
                            ? (size_t)k * plane + begin + (size_t)x
                            : (begin + (size_t)x) * (size_t)c->channels + (size_t)k,
                        k, row[x * c->channels + k]);
}

static void build_row(const struct chain *c, const struct plan *p,
                      const uint8_t *source, uint8_t *row)
{
    const int bytes = c->width * c->channels;
    if (!source) {
        fill_pixels(row, 0, c->width, p->translate->colour, c->channels);
        return;
    }
    if (!p->moved) {
        memcpy(row, source, (size_t)bytes);
    } else {
        for (int i = 0; i < bytes; i++)
            row[i] = source[p->source[i]];
    }
    if (p->first > 0 || p->last < c->width) {
        fill_pixels(row, 0, p->first < c->width ? p->first : c->width,
                    p->translate->colour, c->channels);
        fill_pixels(row, p->last > p->first ? p->last : c->width, c->width,
                    p->translate->colour, c->channels);
    }
}

void sluice_rows_apply(const struct chain *c, const struct sluice_image *in, void *out)
{
    struct plan p;
    uint8_t row[ROW_BYTES_MAX + SLUICE_AVX512_SLACK];
    struct avx512_rows fast;
    const bool use_fast = sluice_avx512_supports(c);
    p.translate = NULL;
    for (int i = 0; i < c->steps; i++) {
        p.draws[i] = draw_step(c, &c->step[i], in->id, in->epoch);
        if (c->step[i].op == CHAIN_TRANSLATE)
            p.translate = &c->step[i];
    }
    plan_columns(c, &p);
    if (use_fast)
        sluice_avx512_prepare(&fast, c, p.source, p.first, p.last,
                              p.translate ? p.translate->colour : NULL);
    for (int y = 0; y < c->height; y++) {
        int sy = y, sx = p.first < c->width ? p.first : 0;
        const bool inside = trace(c, &p, &sy, &sx);
        const uint8_t *source =
            inside ? in->pixels + (size_t)sy * (size_t)c->width * (size_t)c->channels
                   : NULL;
        const bool cut = row_cut(c, &p, y);
        if (use_fast && source && !cut) {
            sluice_avx512_row(&fast, c, source, y, out);
            continue;
        }
        build_row(c, &p, source, row);
        cut_row(c, &p, y, row);
        if (use_fast)
            sluice_avx512_convert(&fast, c, row, y, out);
        else
            store_row(c, row, y, out);
    }
}
