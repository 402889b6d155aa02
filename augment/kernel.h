/* kernel.h -- what a block of the GPU does: one image, in phases with a barrier after
 * each. The kernel in augment.cu calls block_phase() for its thread; a test calls it in
 * loops over blocks, phases and threads, so the same body and index arithmetic run
 * without a GPU. */
#ifndef SLUICE_AUGMENT_KERNEL_H
#define SLUICE_AUGMENT_KERNEL_H

#include <stdalign.h>

#include <sluice/augment_cuda.h>

#include "arrange.h"
#include "ops.h"
#include "ops/convert.h"
#include "ops/mix.h"

enum {
    STORE_BYTES = 16,        /* that one thread writes at once */
    SHARED_MOST = 96 * 1024, /* for two images in a block's memory */
    PHASE_DRAW = 0,
    PHASE_ARRANGE,
    PHASE_STAGES, /* and on: those of each stage; then all again for the partner */
};

/* Of a stage: the first three for one that counts. */
enum { PART_ZERO, PART_COUNT, PART_SETTLE, PART_PIXELS, PARTS };

/* What the threads of a block share. */
struct block {
    struct draw draws[STEPS_MAX];
    struct arrangement arranged;
    struct counts counts;
    struct sluice_mix mix;
};

/* Bytes that stages need between them for each image. */
SLUICE_HD static inline size_t between_bytes(const struct plan *p)
{
    return 2 * stages_image_bytes(p);
}

static inline int between_shared(const struct plan *p)
{
    return between_bytes(p) <= SHARED_MOST;
}

/* Of one image, without its partner. */
SLUICE_HD static inline int image_phases(const struct plan *p)
{
    return PHASE_STAGES + PARTS * p->stages;
}

SLUICE_HD static inline int block_phases(const struct plan *p)
{
    return (p->mixes ? 2 : 1) * image_phases(p);
}

SLUICE_HD static inline void store_bytes(void *to, const void *from)
{
#ifdef __CUDA_ARCH__
    *(uint4 *)to = *(const uint4 *)from;
#else
    memcpy(to, from, STORE_BYTES);
#endif
}

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
    return src[((size_t)y * p->width + x) * p->channels + at.channel];
}

SLUICE_HD static inline void put_element(const struct plan *p, const struct draw *draws,
                                         void *to, size_t i, struct place at, uint8_t v)
{
    const float number =
        multiply_add((float)v, p->gain[at.channel], p->bias[at.channel]);
    float other;
    if (p->dtype == SLUICE_U8)
        ((uint8_t *)to)[i] = v;
    else
        store_number(p, to, i,
                     erased(p, draws, at.y, at.x, at.channel, &other) ? other : number);
}

/* An element of the partner, over the one that is there. */
SLUICE_HD static inline void mix_in(const struct plan *p, const struct block *shared,
                                    void *out, size_t i, struct place at, uint8_t v)
{
    union {
        uint8_t byte;
        uint16_t half;
        float number;
    } u;
    if (!mix_shows(&shared->mix, at.y, at.x))
        return;
    put_element(p, shared->draws, &u, 0, at, v);
    mix_element(p, &shared->mix, out, i, &u, 0);
}

SLUICE_HD static inline void arranged_partner(const struct plan *p,
                                              const struct block *shared,
                                              const uint8_t *src, void *out, int thread,
                                              int threads)
{
    const int elements = p->height * p->width * p->channels;
    for (int i = thread; i < elements; i += threads) {
        const struct place at = place_at(p, i);
        mix_in(p, shared, out, (size_t)i, at,
               arranged_byte(p, &shared->arranged, src, at));
    }
}

/* Every `threads`th run of elements from `thread` on. Runs are as long as one store,
 * if images begin at multiples of that. */
SLUICE_HD static inline void arranged_elements(const struct plan *p,
                                               const struct block *shared,
                                               const uint8_t *src, void *out,
                                               int thread, int threads)
{
    const struct arrangement *a = &shared->arranged;
    const struct draw *draws = shared->draws;
    const int size = p->dtype == SLUICE_U8 ? 1 : p->dtype == SLUICE_F32 ? 4 : 2;
    const int elements = p->height * p->width * p->channels;
    const int whole = elements * size % STORE_BYTES == 0;
    const int run = whole ? STORE_BYTES / size : 1;
    for (int first = thread * run; first < elements; first += threads * run) {
        struct place at = place_at(p, first);
        union {
            alignas(STORE_BYTES) uint8_t bytes[STORE_BYTES];
            uint16_t halves[STORE_BYTES / 2];
            float numbers[STORE_BYTES / 4];
        } u;
        if (!whole) {
            put_element(p, draws, out, (size_t)first, at, arranged_byte(p, a, src, at));
            continue;
        }
        for (int i = 0; i < run; i++, advance(p, &at))
            put_element(p, draws, &u, (size_t)i, at, arranged_byte(p, a, src, at));
        store_bytes((uint8_t *)out + (size_t)first * size, &u);
    }
}

/* Every `threads`th pixel of a stage, into `next` or, from the last stage, `out`. */
SLUICE_HD static inline void stage_pixels(const struct plan *p, int stage,
                                          const struct block *shared,
                                          const uint8_t *src, uint8_t *next, void *out,
                                          int partner, int thread, int threads)
{
    const struct draw *draws = shared->draws;
    const int end = p->stage_end[stage];
    const int height = given_height(p, end), width = given_width(p, end);
    uint8_t pixel[CHANNELS_MAX];
    for (int i = thread; i < height * width; i += threads) {
        const int y = i / width, x = i % width;
        stage_pixel(p, stage_begin(p, stage), end, draws, &shared->counts, src, y, x,
                    pixel);
        if (stage == p->stages - 1 && partner)
            for (int c = 0; c < p->channels; c++) {
                const struct place at = { y, x, c };
                mix_in(p, shared, out, result_index(p, y, x, c), at, pixel[c]);
            }
        else if (stage == p->stages - 1 && p->posts)
            for (int c = 0; c < p->channels; c++) {
                const struct place at = { y, x, c };
                put_element(p, draws, out, result_index(p, y, x, c), at, pixel[c]);
            }
        else if (stage == p->stages - 1)
            store_pixel(p, out, y, x, pixel);
        else
            for (int c = 0; c < p->channels; c++)
                next[(size_t)i * p->channels + c] = pixel[c];
    }
}

/* Counting, in the parts before the pixels. */
SLUICE_HD static inline void stage_counts(const struct plan *p, int stage, int part,
                                          struct block *shared, const uint8_t *src,
                                          int thread, int threads)
{
    const int step = stage_begin(p, stage);
    const struct draw *d = &shared->draws[step];
    if (step == p->stage_end[stage] || !step_counts(d, p, step))
        return;
    if (part == PART_ZERO)
        for (int i = thread; i < CHANNELS_MAX * 256; i += threads)
            shared->counts.of[i / 256][i % 256] = 0;
    if (part == PART_COUNT)
        for (int i = thread; i < p->step[step].height * p->step[step].width;
             i += threads)
            step_count(d, p, step, src + (size_t)i * p->channels, &shared->counts);
    if (part == PART_SETTLE)
        for (int c = thread; c < p->channels; c += threads)
            step_settle(d, p, step, &shared->counts, c);
}

/* One phase of one thread for image n. `between` has room for two images if there are
 * several stages. */
SLUICE_HD static inline void block_phase(const struct plan *p,
                                         const struct sluice_augment_gpu_batch *b,
                                         struct block *shared, uint8_t *between,
                                         int phase, int n, int thread, int threads)
{
    const size_t bytes = (size_t)p->source_height * p->source_width * p->channels;
    const size_t elements = (size_t)p->height * p->width * p->channels;
    const size_t half = stages_image_bytes(p);
    const size_t size = p->dtype == SLUICE_U8 ? 1 : p->dtype == SLUICE_F32 ? 4 : 2;
    const uint32_t epoch = b->epoch_at ? *b->epoch_at : b->epoch;
    const int partner = phase >= image_phases(p);
    int m = n; /* whose pixels */
    if (partner) {
        if (shared->mix.share >= 1)
            return;
        phase -= image_phases(p);
        m = shared->mix.partner;
    }
    if (phase == PHASE_DRAW) {
        for (int k = thread; k < p->steps + p->posts; k += threads)
            step_draw(&shared->draws[k], p, k, b->ids[m], epoch);
        if (thread == 0 && !partner && p->mixes)
            mix_draw(&shared->mix, p, n, b->count, b->ids[n],
                     b->number_at ? *b->number_at : b->number, epoch);
        if (thread == 0 && !partner && b->mixes && p->mixes)
            b->mixes[n] = shared->mix;
        return;
    }
    if (phase == PHASE_ARRANGE) {
        if (thread == 0 && p->arranged)
            arrange(&shared->arranged, p, shared->draws);
        return;
    }
    const int stage = (phase - PHASE_STAGES) / PARTS;
    const int part = (phase - PHASE_STAGES) % PARTS;
    const uint8_t *src = b->images + (b->at ? b->at[m] : (uint64_t)m) * bytes;
    void *out = (uint8_t *)b->out + (size_t)n * elements * size;
    uint8_t *next = between ? between + (stage & 1 ? half : 0) : 0;
    if (stage > 0)
        src = between + (stage & 1 ? 0 : half);
    if (part != PART_PIXELS)
        stage_counts(p, stage, part, shared, src, thread, threads);
    else if (p->arranged && partner)
        arranged_partner(p, shared, src, out, thread, threads);
    else if (p->arranged)
        arranged_elements(p, shared, src, out, thread, threads);
    else
        stage_pixels(p, stage, shared, src, next, out, partner, thread, threads);
}

#endif
