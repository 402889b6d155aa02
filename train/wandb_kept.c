/* wandb_kept.c -- the part of a file that a continued run keeps; see wandb.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wandb_parts.h"

struct scan {
    struct wandb *w;
    uint64_t step;
};

struct span {
    const unsigned char *at, *end;
};

static uint64_t get_varint(struct span *s)
{
    uint64_t value = 0;
    for (int shift = 0; s->at < s->end && shift < 64; shift += 7) {
        const unsigned char byte = *s->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* Counted bytes: what of them is there. */
static struct span get_bytes(struct span *s)
{
    const uint64_t size = get_varint(s), left = (uint64_t)(s->end - s->at);
    const struct span bytes = { s->at, s->at + (size < left ? size : left) };
    s->at = bytes.end;
    return bytes;
}

static void copy_text(char *out, size_t room, struct span text)
{
    const size_t size = (size_t)(text.end - text.at);
    const size_t n = size < room ? size : room - 1;
    memcpy(out, text.at, n);
    out[n] = 0;
}

/* A value of a summary becomes what the run knows: see put_values. */
static void keep_item(struct wandb *w, struct span item)
{
    char tag[TAG_MAX] = "", number[64] = "";
    while (item.at < item.end) {
        const uint64_t key = get_varint(&item);
        const struct span text = get_bytes(&item);
        if (key == (2 << 3 | 2))
            copy_text(tag, sizeof(tag), text);
        else if (key == (16 << 3 | 2))
            copy_text(number, sizeof(number), text);
    }
    const double value = strtod(number, NULL);
    if (strcmp(tag, "_step") == 0 && value >= 0 && value < 0x1p63)
        w->step = (uint64_t)value;
    else if (*tag && *tag != '_' && isfinite(value))
        wandb_set(w, tag, value, false);
}

static void keep_summary(struct wandb *w, struct span summary)
{
    while (summary.at < summary.end && get_varint(&summary) == (1 << 3 | 2))
        keep_item(w, get_bytes(&summary));
}

/* One of our own records: its number, then its field; a history begins with its step.
 */
static bool keep_record(void *ctx, const unsigned char *record, size_t size)
{
    const struct scan *s = ctx;
    struct span r = { record, record + size };
    if (get_varint(&r) != 1 << 3)
        return false;
    const uint64_t number = get_varint(&r), key = get_varint(&r);
    struct span field = get_bytes(&r);
    if (key == (EXIT << 3 | 2))
        return false;
    if (key == (SUMMARY << 3 | 2))
        keep_summary(s->w, field);
    if (key == (HISTORY << 3 | 2)) {
        if (get_varint(&field) != (2 << 3 | 2))
            return false;
        struct span step = get_bytes(&field);
        if (get_varint(&step) != 1 << 3 || get_varint(&step) > s->step)
            return false;
    }
    s->w->number = number;
    return true;
}

uint64_t wandb_kept(struct wandb *w, const void *bytes, size_t size, uint64_t step,
                    bool *damaged)
{
    struct scan scan = { w, step };
    return wandb_log_scan(bytes, size, keep_record, &scan, damaged);
}
