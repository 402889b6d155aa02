/* kernel_store.h -- the last phases of a block: bytes become numbers, partners are
 * mixed in, and the result is written, by whole vectors where images begin at multiples
 * of one. */
#ifndef SLUICE_AUGMENT_KERNEL_STORE_H
#define SLUICE_AUGMENT_KERNEL_STORE_H

#include "kernel_block.h"

/* A place in the result's order of elements. */
struct place {
    int y, x, channel;
};

SLUICE_HD static inline struct place place_at(const struct plan *p, int element)
{
    struct place at;
    int pixel;
    if (p->layout == SLUICE_NCHW) {
        at.channel = element / (p->height * p->width);
        pixel = element % (p->height * p->width);
    } else {
        at.channel = element % p->channels;
        pixel = element / p->channels;
    }
    at.y = pixel / p->width;
    at.x = pixel % p->width;
    return at;
}

/* The next element: division is slow, and neighbours share most of it. */
SLUICE_HD static inline void advance(const struct plan *p, struct place *at)
{
    if (p->layout != SLUICE_NCHW) {
        if (++at->channel < p->channels)
            return;
        at->channel = 0;
    }
    if (++at->x < p->width)
        return;
    at->x = 0;
    if (++at->y < p->height)
        return;
    at->y = 0;
    at->channel++;
}

SLUICE_HD static inline uint8_t arranged_byte(const struct plan *p,
                                              const struct arrangement *a,
                                              const uint8_t *src, struct place at)
{
    for (int i = a->rects - 1; i >= 0; i--)
        if (inside(&a->rect[i], at.y, at.x))
            return p->step[a->rect_step[i]].fill[at.channel];
    int y = at.y + a->dy, x = at.x + a->dx;
    if (a->shift >= 0) {
        const struct step *s = &p->step[a->shift];
        y = padded(y, p->height, s->fill_mode);
        x = padded(x, p->width, s->fill_mode);
        if (y < 0 || x < 0)
            return s->fill[at.channel];
    }
    if (a->vflip)
        y = p->height - 1 - y;
    if (a->hflip)
        x = p->width - 1 - x;
    TRAFFIC(source, 1);
    return src[((size_t)y * p->width + x) * p->channels + at.channel];
}

/* The bits of one element of the result. */
SLUICE_HD static inline uint32_t
element_bits(const struct plan *p, const struct draw *draws, struct place at, uint8_t v)
{
    if (p->dtype == SLUICE_U8)
        return v;
    float other,
        number = multiply_add((float)v, p->gain[at.channel], p->bias[at.channel]);
    if (p->posts && erased(p, draws, at.y, at.x, at.channel, &other))
        number = other;
    return type_bits(p, number);
}

/* Where the bytes of both images are. */
struct finished {
    const uint8_t *pixels[2]; /* planes, or arranged: sources */
    uint8_t *out;
    int what; /* enum phase_kind */
};

SLUICE_HD static inline uint32_t side_bits(const struct plan *p, const struct room *r,
                                           const struct block *shared,
                                           const struct finished *f, int side,
                                           struct place at)
{
    const uint8_t v =
        r ? f->pixels[side][room_slot(r, shared->base[side], at.channel) +
                            (size_t)at.y * p->width + at.x]
          : arranged_byte(p, &shared->arranged[side], f->pixels[side], at);
    return element_bits(p, shared->draws[side], at, v);
}

/* Whether this phase writes the element at that place. */
SLUICE_HD static inline int stores(const struct plan *p, const struct block *shared,
                                   int what, struct place at)
{
    if (what == DO_STORE_BOTH || !p->mixes)
        return 1;
    const int covered = mix_shows(&shared->mix, at.y, at.x);
    return what == DO_STORE_PARTNER ? covered : !covered || !shared->mix.height;
}

SLUICE_HD static inline int stores_all(const struct plan *p, const struct block *shared,
                                       int what, struct place at, int run)
{
    if (what == DO_STORE_BOTH || !p->mixes)
        return 1;
    int all = 1;
    for (int i = 0; i < run; i++, advance(p, &at))
        all &= stores(p, shared, what, at);
    return all;
}

SLUICE_HD static inline uint32_t result_bits(const struct plan *p, const struct room *r,
                                             const struct block *shared,
                                             const struct finished *f, int i,
                                             struct place at)
{
    const struct sluice_mix *m = &shared->mix;
    const int shows = f->what != DO_STORE && mix_shows(m, at.y, at.x);
    const uint32_t bits = side_bits(p, r, shared, f, shows, at);
    if (!shows || m->height)
        return bits;
    if (f->what == DO_STORE_BOTH)
        return mix_bits(p, m, side_bits(p, r, shared, f, 0, at), bits);
    TRAFFIC(back, element_size(p));
    return mix_bits(p, m, load_bits(p, f->out, (size_t)i), bits);
}

SLUICE_HD static inline void store_vector(void *to, const uint32_t word[VECTOR / 4])
{
    TRAFFIC(result, VECTOR);
#ifdef __CUDA_ARCH__
    *(uint4 *)to = make_uint4(word[0], word[1], word[2], word[3]);
#else
    memcpy(to, word, VECTOR);
#endif
}

/* Every `threads`th run of elements from `thread` on, as long as one vector where that
 * is possible. r NULL: arranged. */
SLUICE_HD static inline void store_elements(const struct plan *p, const struct room *r,
                                            const struct block *shared,
                                            const struct finished *f, int thread,
                                            int threads)
{
    const int size = element_size(p), elements = p->height * p->width * p->channels;
    const int whole = (size_t)elements * (size_t)size % VECTOR == 0;
    const int run = whole ? VECTOR / size : 1;
    for (int first = thread * run; first < elements; first += threads * run) {
        struct place at = place_at(p, first);
        if (!whole || !stores_all(p, shared, f->what, at, run)) {
            for (int i = first; i < first + run; i++, advance(p, &at)) {
                if (!stores(p, shared, f->what, at))
                    continue;
                TRAFFIC(result, size);
                store_bits(p, f->out, (size_t)i, result_bits(p, r, shared, f, i, at));
            }
            continue;
        }
        uint32_t word[VECTOR / 4] = { 0 };
        SLUICE_ROLLED
        for (int i = first; i < first + run;) {
            uint32_t next = 0;
            for (int bit = 0; bit < 32; bit += 8 * size, i++, advance(p, &at))
                next |= result_bits(p, r, shared, f, i, at) << bit;
            for (int w = 0; w < VECTOR / 4 - 1; w++)
                word[w] = word[w + 1]; /* indices that stay registers */
            word[VECTOR / 4 - 1] = next;
        }
        store_vector(f->out + (size_t)first * (size_t)size, word);
    }
}

SLUICE_HD SLUICE_APART static inline void
store_arranged(const struct plan *p, const struct block *shared, const uint8_t *own,
               const uint8_t *partner, void *out, int thread, int threads)
{
    struct finished f;
    f.pixels[0] = own;
    f.pixels[1] = partner;
    f.out = (uint8_t *)out;
    f.what = shared->phase[0].what;
    store_elements(p, 0, shared, &f, thread, threads);
}

SLUICE_HD SLUICE_APART static inline void
store_planes(const struct plan *p, const struct room *r, const struct block *shared,
             int what, const uint8_t *planes, void *out, int thread, int threads)
{
    struct finished f;
    f.pixels[0] = planes;
    f.pixels[1] = planes + (r->kept ? r->plane * r->slots : 0);
    f.out = (uint8_t *)out;
    f.what = what;
    store_elements(p, r, shared, &f, thread, threads);
}

#endif
