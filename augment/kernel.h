/* kernel.h -- what a block of the GPU does: one image, in phases with a barrier after
 * each. The kernel in augment.cu calls block_phase() for its thread; a test calls it in
 * loops over blocks, phases and threads, so the same body and index arithmetic run
 * without a GPU.
 *
 * Global memory is read once, where the source image lies, and written once, with the
 * result. A chain of arrange.h goes straight from one to the other; all others load the
 * image into planes, see room.h, change them step by step, and store them as numbers.
 * A partner that is mixed in is made the same way by the same block. */
#ifndef SLUICE_AUGMENT_KERNEL_H
#define SLUICE_AUGMENT_KERNEL_H

#include <sluice/augment_cuda.h>

#include "kernel_block.h"
#include "kernel_planes.h"
#include "kernel_store.h"

/* The first phases of every block; what else there is, the last of them lists. */
enum { PHASE_DRAW, PHASE_PARTNER, PHASE_LIST, PHASE_FIRST };

SLUICE_HD static inline void list(struct block *shared, int what, int side, int base)
{
    struct phase *to = &shared->phase[shared->phases++];
    to->what = (uint8_t)what;
    to->side = (uint8_t)side;
    to->base = (uint8_t)base;
    to->begin = to->end = to->channel = 0;
}

SLUICE_HD static inline void list_pass(const struct plan *p, const struct room *r,
                                       struct block *shared, const struct phase *pass)
{
    if (pass->what == DO_VALUES &&
        step_counts(&shared->draws[pass->side][pass->begin], p, pass->begin)) {
        for (int what = DO_ZERO; what <= DO_SETTLE; what++) {
            shared->phase[shared->phases] = *pass;
            shared->phase[shared->phases++].what = (uint8_t)what;
        }
    }
    const int each = pass->what == DO_MOVE ? r->spare : p->channels;
    for (int c = 0; c < p->channels; c += each) {
        shared->phase[shared->phases] = *pass;
        shared->phase[shared->phases++].channel = (uint8_t)c;
    }
}

/* The steps that happen, as few passes as there can be: those that move pixels by
 * themselves, and those that change them. Returns where the image lies behind them. */
SLUICE_HD SLUICE_APART static inline int
list_steps(const struct plan *p, const struct room *r, struct block *shared, int side)
{
    const struct draw *draws = shared->draws[side];
    struct phase pass;
    int base = 0, open = 0;
    for (int k = 0; k < p->steps; k++) {
        if (!draws[k].on || p->step[k].member)
            continue;
        const enum op_class class_of = step_class(p, k);
        const int moves = class_of == OP_GATHER || step_nears(&draws[k], p, k);
        const int what = moves ? DO_MOVE : DO_VALUES;
        if (open && (class_of == OP_IMAGE || what != pass.what)) {
            list_pass(p, r, shared, &pass);
            base = pass.what == DO_MOVE ? room_moved(r, base) : base;
            open = 0;
        }
        if (!open) {
            pass.what = (uint8_t)what;
            pass.side = (uint8_t)side;
            pass.begin = (uint8_t)k;
            pass.base = (uint8_t)base;
            pass.channel = 0;
        }
        pass.end = (uint8_t)(k + 1 + p->step[k].members);
        open = 1;
    }
    if (!open)
        return base;
    list_pass(p, r, shared, &pass);
    return pass.what == DO_MOVE ? room_moved(r, base) : base;
}

SLUICE_HD SLUICE_APART static inline void
list_phases(const struct plan *p, const struct room *r, struct block *shared)
{
    const int mixed = p->mixes && shared->mix.share < 1;
    shared->phases = 0;
    if (p->arranged) {
        for (int side = 0; side <= mixed; side++)
            arrange(&shared->arranged[side], p, shared->draws[side]);
        list(shared, mixed ? DO_STORE_BOTH : DO_STORE, 0, 0);
        return;
    }
    for (int side = 0; side <= mixed; side++) {
        list(shared, DO_LOAD, side, 0);
        shared->base[side] = (uint8_t)list_steps(p, r, shared, side);
        if (!r->kept || !mixed)
            list(shared, side ? DO_STORE_PARTNER : DO_STORE, side, 0);
    }
    if (r->kept && mixed)
        list(shared, DO_STORE_BOTH, 0, 0);
}

SLUICE_HD SLUICE_APART static inline void
draw_steps(const struct plan *p, const struct sluice_augment_gpu_batch *b,
           struct block *shared, int side, int image, int thread, int threads)
{
    const uint32_t epoch = b->epoch_at ? *b->epoch_at : b->epoch;
    for (int k = thread; k < p->steps + p->posts; k += threads)
        step_draw(&shared->draws[side][k], p, k, b->ids[image], epoch);
}

/* By the last thread, so that it is not that of a step. */
SLUICE_HD SLUICE_APART static inline void
draw_mix(const struct plan *p, const struct sluice_augment_gpu_batch *b,
         struct block *shared, int n)
{
    const uint32_t epoch = b->epoch_at ? *b->epoch_at : b->epoch;
    mix_draw(&shared->mix, p, n, b->count, b->ids[n],
             b->number_at ? *b->number_at : b->number, epoch);
    if (b->mixes)
        b->mixes[n] = shared->mix;
}

SLUICE_HD static inline const uint8_t *
source_of(const struct plan *p, const struct sluice_augment_gpu_batch *b, int image)
{
    const size_t bytes = (size_t)p->source_height * p->source_width * p->channels;
    return b->images + (b->at ? b->at[image] : (uint64_t)image) * bytes;
}

SLUICE_HD static inline void *result_of(const struct plan *p,
                                        const struct sluice_augment_gpu_batch *b, int n)
{
    const size_t elements = (size_t)p->height * p->width * p->channels;
    return (uint8_t *)b->out + (size_t)n * elements * element_size(p);
}

SLUICE_HD static inline int block_has(const struct block *shared, int phase)
{
    return phase < PHASE_FIRST || phase - PHASE_FIRST < shared->phases;
}

/* One phase of one thread for image n. planes: room_bytes(). */
SLUICE_HD static inline void block_phase(const struct plan *p, const struct room *r,
                                         const struct sluice_augment_gpu_batch *b,
                                         struct block *shared, uint8_t *planes,
                                         int phase, int n, int thread, int threads)
{
    if (phase == PHASE_DRAW) {
        draw_steps(p, b, shared, 0, n, thread, threads);
        if (thread == threads - 1 && p->mixes)
            draw_mix(p, b, shared, n);
        return;
    }
    const int m = p->mixes ? shared->mix.partner : n;
    if (phase == PHASE_PARTNER) {
        if (p->mixes && shared->mix.share < 1)
            draw_steps(p, b, shared, 1, m, thread, threads);
        return;
    }
    if (phase == PHASE_LIST) {
        if (thread == 0)
            list_phases(p, r, shared);
        return;
    }
    const struct phase *now = &shared->phase[phase - PHASE_FIRST];
    uint8_t *here = planes + (now->side && r->kept ? r->plane * r->slots : 0);
    switch (now->what) {
    case DO_LOAD:
        load_planes(p, r, source_of(p, b, now->side ? m : n), here, thread, threads);
        break;
    case DO_ZERO:
    case DO_COUNT:
    case DO_SETTLE:
        count_planes(p, r, shared, now, here, thread, threads);
        break;
    case DO_MOVE:
        move_planes(p, r, shared, now, here, thread, threads);
        break;
    case DO_VALUES:
        change_planes(p, r, shared, now, here, thread, threads);
        break;
    default:
        if (p->arranged)
            store_arranged(p, shared, source_of(p, b, n), source_of(p, b, m),
                           result_of(p, b, n), thread, threads);
        else
            store_planes(p, r, shared, now->what, planes, result_of(p, b, n), thread,
                         threads);
        break;
    }
}

#endif
