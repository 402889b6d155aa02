/* narrow.c -- the tables of narrow.h. */
#include <stdlib.h>
#include <string.h>

#include "narrow.h"

static void layout(struct narrow *n, const struct plan *p)
{
    const int planar = p->layout == SLUICE_NCHW && p->channels > 1;
    /* Planes begin with a group, so that a group has one place to go. */
    const int plane = (p->width + NARROW_GROUP - 1) / NARROW_GROUP * NARROW_GROUP;
    const int planes = planar ? p->channels : 1;
    const int elements = planar ? p->width : p->width * p->channels;
    const int each = (elements + NARROW_GROUP - 1) / NARROW_GROUP;
    n->row_bytes = p->width * p->channels;
    n->channel_bytes = planar ? plane : 1;
    n->pixel_step = planar ? 1 : p->channels;
    n->row_step = (size_t)elements;
    n->groups = planes * each;
    for (int g = 0; g < n->groups && g < NARROW_GROUPS; g++) {
        const int first = g % each * NARROW_GROUP, left = elements - first;
        n->to[g] = (size_t)(g / each) * p->height * p->width + (size_t)first;
        n->live[g] = (uint16_t)(left >= NARROW_GROUP ? 0xFFFF : (1 << left) - 1);
        for (int i = 0; i < NARROW_GROUP; i++) {
            const int c = planar ? g / each : (first + i) % p->channels;
            n->gain[g][i] = p->gain[c];
            n->bias[g][i] = p->bias[c];
        }
    }
}

static void fill_order(struct narrow_order *o, const struct narrow *n,
                       const struct plan *p, int mirrored, int dx, int mode)
{
    memset(o, 0, sizeof(*o));
    for (int x = 0; x < p->width; x++) {
        int sx = padded(x + dx, p->width, mode);
        const int shown = sx >= 0;
        if (mirrored)
            sx = p->width - 1 - sx;
        for (int c = 0; c < p->channels; c++) {
            const int at = x * n->pixel_step + c * n->channel_bytes;
            if (shown)
                o->from[at] = (uint8_t)(sx * p->channels + c);
            else
                o->border.half[at / 64] |= (uint64_t)1 << at % 64;
        }
    }
}

static void fill_colours(struct narrow *n, const struct plan *p)
{
    for (int k = 0; k < p->steps; k++)
        for (int x = 0; x < p->width; x++)
            for (int c = 0; c < p->channels; c++)
                n->colour[k][x * n->pixel_step + c * n->channel_bytes] =
                    p->step[k].fill[c];
}

int sluice_augment_narrow_create(struct narrow **out, const struct plan *p)
{
    struct narrow measure = { 0 };
    int reach = 0, mode = FILL_COLOUR;
    *out = NULL;
    for (int k = 0; k < p->steps; k++)
        if (p->step[k].op == OP_translate) {
            reach = p->step[k].pad;
            mode = p->step[k].fill_mode;
        }
    layout(&measure, p);
    if (measure.row_bytes > NARROW_BYTES || measure.groups > NARROW_GROUPS ||
        reach > NARROW_REACH)
        return 0;
    const int shifts = 2 * reach + 1;
    struct narrow *n = aligned_alloc(64, sizeof(*n) + (size_t)(2 * shifts) *
                                                          sizeof(struct narrow_order));
    if (!n)
        return -1;
    *n = measure;
    n->reach = reach;
    memset(n->colour, 0, sizeof(n->colour));
    fill_colours(n, p);
    for (int i = 0; i < 2 * shifts; i++)
        fill_order(&n->order[i], n, p, i / shifts, i % shifts - reach, mode);
    *out = n;
    return 0;
}
