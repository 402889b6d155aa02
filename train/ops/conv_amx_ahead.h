/* conv_amx_ahead.h -- the next slab's values, asked for while this one is multiplied:
 * products leave the way to memory idle, and packing would wait for it. */
#ifndef SLUICE_CONV_AMX_AHEAD_H
#define SLUICE_CONV_AMX_AHEAD_H

#include <immintrin.h>

#include "conv_amx.h"

/* Some rows of a group's images: a stretch of memory for each image. */
struct ahead {
    const char *first;    /* of the first image */
    size_t image, length; /* bytes from one stretch to the next, and of one */
    int images, next;     /* how many; the one whose turn it is */
    size_t at;            /* bytes of that one that were asked for */
};

/* Rows begin ... end - 1 of a tensor (n, h, row elements). */
static inline struct ahead ahead_of(const struct walk *w, const struct slab *s,
                                    const uint16_t *values, int h, size_t row,
                                    int begin, int end)
{
    if (begin >= end)
        return (struct ahead){ 0 };
    const size_t image = (size_t)h * row;
    const size_t at = (size_t)(s->group * w->images) * image + (size_t)begin * row;
    return (struct ahead){
        .first = (const char *)(values + at),
        .image = image * sizeof *values,
        .length = (size_t)(end - begin) * row * sizeof *values,
        .images = slab_images(w, s),
    };
}

static inline size_t ahead_lines(const struct ahead *a)
{
    return (size_t)a->images * (a->length / 64 + 1);
}

static inline void ahead_fetch(struct ahead *a, int lines)
{
    for (; lines > 0 && a->next < a->images; lines--) {
        _mm_prefetch(a->first + (size_t)a->next * a->image + a->at, _MM_HINT_T1);
        a->at += 64;
        if (a->at >= a->length) {
            a->at = 0;
            a->next++;
        }
    }
}

#endif
