/* jpeg_baseline.c -- see jpeg_baseline.h. A row of MCUs at a time: its coefficients,
 * then its samples, then the rows of pixels that they complete. Blocks that show
 * nothing of the part are only read over, rows below it not even that. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jpeg_baseline.h"

enum {
    COMPONENTS = 3,
    MARGIN = 64, /* bytes: libjpeg reads so far ahead, and finds damage there */
    ALIGN = 64,
};

/* One component's samples of a row of MCUs: those columns of blocks that matter, and
 * ahead of them the last row of the MCUs above. */
struct plane {
    int across, down; /* blocks in an MCU */
    int first, last;  /* columns of blocks that matter; none: last < first */
    uint32_t x, n;    /* samples that matter */
    uint32_t height;  /* of the whole component */
    const struct jpeg_code *dc_code, *ac_code;
    struct jpeg_terms terms;
    int32_t dc;
    uint8_t *rows; /* of the first of this row of MCUs */
    size_t stride;
};

struct jpeg_baseline {
    struct jpeg_bits bits;
    struct jpeg_code dc[NUM_HUFF_TBLS], ac[NUM_HUFF_TBLS];
    const struct jpeg_kernels *k;

    /* the picture */
    struct plane planes[COMPONENTS];
    int count;   /* components */
    bool shared; /* rows of chroma lie between rows of luma */
    uint32_t width, height;
    uint32_t mcu_height, mcus, mcu_rows;
    uint32_t restart, to_restart, restarts;

    /* the part */
    struct sluice_jpeg_rect r;
    int channels;
    uint8_t *out;

    /* blocks of a row of MCUs that wait for their transform */
    int16_t *coefs; /* (groups, 8, lanes, 8), zero but for the waiting */
    struct jpeg_target *targets;
    size_t waiting;

    uint8_t store[JPEG_STORE];
    uint8_t *room; /* of planes, coefs, targets and the rows below */
    size_t room_bytes;
    uint16_t *sums;
    uint8_t *wide[2]; /* chroma of one row of pixels */
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

/* ---- the header ---- */

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
    if (!ordinary(info) || !measure(b, info) || !take_tables(b, info) ||
        !make_room(b, memory))
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
