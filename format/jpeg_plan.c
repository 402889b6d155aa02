/* jpeg_plan.c -- before a picture is decoded by jpeg_baseline.c: is it of the common
 * kind, which of its blocks and samples matter, and where they find room. */
#include <stdlib.h>
#include <string.h>

#include "jpeg_plan.h"

enum { ALIGN = 64 };

/* What only libjpeg decodes. */
static bool ordinary(const struct jpeg_decompress_struct *info)
{
    const jpeg_component_info *c = info->comp_info;
    if (info->progressive_mode || info->arith_code || info->data_precision != 8 ||
        info->comps_in_scan != info->num_components || info->Ss != 0 ||
        info->Se != 63 || info->Ah != 0 || info->Al != 0 || info->unread_marker != 0)
        return false;
    for (int i = 0; i < info->num_components && i < COMPONENTS; i++)
        if (info->cur_comp_info[i] != c + i)
            return false;
    if (info->num_components == 1)
        return info->jpeg_color_space == JCS_GRAYSCALE && c->h_samp_factor == 1 &&
               c->v_samp_factor == 1;
    return info->num_components == COMPONENTS && info->jpeg_color_space == JCS_YCbCr &&
           c[0].h_samp_factor <= 2 && c[0].v_samp_factor <= c[0].h_samp_factor &&
           c[1].h_samp_factor == 1 && c[1].v_samp_factor == 1 &&
           c[2].h_samp_factor == 1 && c[2].v_samp_factor == 1;
}

/* T.81, figure 5: where the k-th coefficient stands. */
static const uint8_t zigzag[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

static void make_terms(struct jpeg_terms *t, const JQUANT_TBL *q, int lanes)
{
    for (int k = 0; k < 80; k++) {
        const int at = zigzag[k < 64 ? k : 63];
        t->quant[k] = q->quantval[at];
        t->place[k] = (uint16_t)((at / 8 * lanes) * 8 + at % 8);
    }
}

static const struct jpeg_code *make_code(struct jpeg_code *codes,
                                         JHUFF_TBL *const *from, int number, int is_dc)
{
    if (number < 0 || number >= NUM_HUFF_TBLS || !from[number] ||
        !sluice_jpeg_code_make(&codes[number], from[number]->bits,
                               from[number]->huffval, is_dc))
        return NULL;
    return &codes[number];
}

static bool take_tables(struct jpeg_baseline *b,
                        const struct jpeg_decompress_struct *info)
{
    for (int i = 0; i < b->count; i++) {
        const jpeg_component_info *c = &info->comp_info[i];
        struct plane *p = &b->planes[i];
        const int q = c->quant_tbl_no;
        p->dc_code = make_code(b->dc, info->dc_huff_tbl_ptrs, c->dc_tbl_no, 1);
        p->ac_code = make_code(b->ac, info->ac_huff_tbl_ptrs, c->ac_tbl_no, 0);
        if (!p->dc_code || !p->ac_code || q < 0 || q >= NUM_QUANT_TBLS ||
            !info->quant_tbl_ptrs[q])
            return false;
        make_terms(&p->terms, info->quant_tbl_ptrs[q], b->k->lanes);
        p->dc = 0;
    }
    return true;
}

static uint32_t parts(uint32_t n, uint32_t of)
{
    return n / of + (n % of != 0);
}

/* Sizes, and which samples matter. False: chroma so narrow that libjpeg does not smooth
 * it. */
static bool measure(struct jpeg_baseline *b, const struct jpeg_decompress_struct *info)
{
    const struct sluice_jpeg_rect *r = &b->r;
    const uint32_t h = (uint32_t)info->comp_info[0].h_samp_factor;
    const uint32_t v = (uint32_t)info->comp_info[0].v_samp_factor;
    b->count = info->num_components;
    b->width = info->image_width;
    b->height = info->image_height;
    b->mcu_height = 8 * v;
    b->mcus = parts(b->width, 8 * h);
    b->mcu_rows = parts(b->height, 8 * v);
    b->restart = b->to_restart = info->restart_interval;
    b->restarts = 0;
    b->shared = v == 2 && b->channels == 3;
    b->planes[0].across = (int)h;
    b->planes[0].down = (int)v;
    b->planes[0].x = r->x;
    b->planes[0].n = r->width;
    b->planes[0].height = b->height;
    for (int i = 1; i < b->count; i++) {
        struct plane *p = &b->planes[i];
        const uint32_t across = parts(b->width, h), end = r->x + r->width;
        const uint32_t first = r->x / h, next = (end - 1) / h + 1;
        p->across = p->down = 1;
        p->height = parts(b->height, v);
        p->x = h == 2 && first ? first - 1 : first;
        p->n = (h == 2 && next < across ? next + 1 : next) - p->x;
        if (h == 2 && across <= 2)
            return false;
    }
    for (int i = 0; i < b->count; i++) {
        struct plane *p = &b->planes[i];
        p->first = (int)(p->x / 8);
        p->last = (int)((p->x + p->n - 1) / 8);
        if (i && b->channels == 1)
            p->last = p->first - 1;
    }
    return true;
}

static size_t rounded(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Lay out the room: the same twice, first to know how much it is. */
static size_t lay_out(struct jpeg_baseline *b, uint8_t *base)
{
    const size_t lanes = (size_t)b->k->lanes;
    size_t blocks = 0, at = 0;
    for (int i = 0; i < b->count; i++) {
        struct plane *p = &b->planes[i];
        const size_t columns =
            p->last < p->first ? 0 : (size_t)(p->last - p->first + 1);
        p->stride = rounded(8 * columns);
        p->rows = base ? base + at + p->stride : NULL;
        at += p->stride * (size_t)(8 * p->down + 1);
        blocks += columns * (size_t)p->down;
    }
    blocks = (blocks + lanes - 1) / lanes * lanes;
    b->coefs = base ? (int16_t *)(void *)(base + at) : NULL;
    at += blocks * 64 * sizeof(*b->coefs);
    b->targets = base ? (struct jpeg_target *)(void *)(base + at) : NULL;
    at += rounded(blocks * sizeof(*b->targets));
    const size_t wide = rounded(2 * (size_t)b->r.width + 16);
    for (int i = 0; i < 2; i++, at += wide)
        b->wide[i] = base ? base + at : NULL;
    b->sums = base ? (uint16_t *)(void *)(base + at) : NULL;
    return at + rounded(((size_t)b->r.width + 8) * sizeof(*b->sums));
}

static bool make_room(struct jpeg_baseline *b, size_t memory)
{
    const size_t bytes = lay_out(b, NULL);
    if (bytes + sizeof(*b) > memory)
        return false;
    if (bytes > b->room_bytes) {
        free(b->room);
        b->room = aligned_alloc(ALIGN, bytes);
        b->room_bytes = b->room ? bytes : 0;
        if (!b->room)
            return false;
    }
    lay_out(b, b->room);
    memset(b->coefs, 0, (size_t)((uint8_t *)b->targets - (uint8_t *)b->coefs));
    b->waiting = 0;
    return true;
}

bool sluice_jpeg_plan(struct jpeg_baseline *b,
                      const struct jpeg_decompress_struct *info, size_t memory)
{
    return ordinary(info) && measure(b, info) && take_tables(b, info) &&
           make_room(b, memory);
}
