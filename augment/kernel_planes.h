/* kernel_planes.h -- phases of a block between source and result, on planes. Each is a
 * function of its own on the GPU: what one needs in registers, the others do not. */
#ifndef SLUICE_AUGMENT_KERNEL_PLANES_H
#define SLUICE_AUGMENT_KERNEL_PLANES_H

#include "kernel_block.h"

/* Pixels i, i + threads ... of an image, without a division each. */
struct walk {
    int y, x, down, across, width;
};

SLUICE_HD static inline struct walk walk_from(int width, int thread, int threads)
{
    struct walk w;
    w.y = thread / width;
    w.x = thread % width;
    w.down = threads / width;
    w.across = threads % width;
    w.width = width;
    return w;
}

SLUICE_HD static inline void walk_on(struct walk *w)
{
    w->y += w->down;
    w->x += w->across;
    if (w->x >= w->width) {
        w->x -= w->width;
        w->y++;
    }
}

/* The source's bytes, as four words. */
struct vector {
    uint32_t word[VECTOR / 4];
};

SLUICE_HD static inline struct vector read_vector(const uint8_t *from)
{
    struct vector v;
    TRAFFIC(source, VECTOR);
#ifdef __CUDA_ARCH__
    const uint4 u = __ldg((const uint4 *)from);
    v.word[0] = u.x;
    v.word[1] = u.y;
    v.word[2] = u.z;
    v.word[3] = u.w;
#else
    memcpy(&v, from, VECTOR);
#endif
    return v;
}

/* Interleaved bytes from `first` on, each into its plane. */
SLUICE_HD static inline void deal_vector(const struct plan *p, const struct room *r,
                                         const struct vector *v, int first,
                                         uint8_t *planes)
{
    int c = first % p->channels;
    uint8_t *to = planes + first / p->channels + r->plane * c;
    for (int w = 0; w < VECTOR / 4; w++)
        for (uint32_t bytes = v->word[w], i = 0; i < 4; i++, bytes >>= 8) {
            *to = (uint8_t)bytes;
            to += r->plane;
            if (++c == p->channels) {
                c = 0;
                to -= r->plane * p->channels - 1;
            }
        }
}

/* The only read of the source: by vectors where it begins at a multiple of one. */
SLUICE_HD SLUICE_APART static inline void
load_planes(const struct plan *p, const struct room *r, const uint8_t *src,
            uint8_t *planes, int thread, int threads)
{
    const int bytes = p->source_height * p->source_width * p->channels;
    const int vectors = (uintptr_t)src % VECTOR ? 0 : bytes / VECTOR;
    for (int i = thread; i < vectors; i += 2 * threads) {
        const int next = i + threads; /* in flight at the same time: memory is far */
        const struct vector v = read_vector(src + (size_t)i * VECTOR);
        struct vector other = v;
        if (next < vectors)
            other = read_vector(src + (size_t)next * VECTOR);
        deal_vector(p, r, &v, i * VECTOR, planes);
        if (next < vectors)
            deal_vector(p, r, &other, next * VECTOR, planes);
    }
    for (int i = vectors * VECTOR + thread; i < bytes; i += threads) {
        TRAFFIC(source, 1);
        planes[i / p->channels + r->plane * (i % p->channels)] = src[i];
    }
    if (thread == 0)
        TRAFFIC(planes, bytes);
}

SLUICE_HD static inline void get_pixel(const struct plan *p, const struct room *r,
                                       const uint8_t *planes, int base, int i,
                                       uint8_t v[CHANNELS_MAX])
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = c < p->channels ? planes[room_slot(r, base, c) + (size_t)i] : 0;
}

SLUICE_HD SLUICE_APART static inline void
count_planes(const struct plan *p, const struct room *r, struct block *shared,
             const struct phase *now, const uint8_t *planes, int thread, int threads)
{
    const int k = now->begin, pixels = p->step[k].height * p->step[k].width;
    const struct draw *d = &shared->draws[now->side][k];
    uint8_t v[CHANNELS_MAX];
    if (now->what == DO_ZERO)
        for (int i = thread; i < CHANNELS_MAX * 256; i += threads)
            shared->counts.of[i / 256][i % 256] = 0;
    if (now->what == DO_COUNT)
        for (int i = thread; i < pixels; i += threads) {
            get_pixel(p, r, planes, now->base, i, v);
            step_count(d, p, k, v, &shared->counts);
        }
    if (now->what == DO_SETTLE)
        for (int c = thread; c < p->channels; c += threads)
            step_settle(d, p, k, &shared->counts, c);
}

/* Pixel by pixel, in place. */
SLUICE_HD SLUICE_APART static inline void
change_planes(const struct plan *p, const struct room *r, const struct block *shared,
              const struct phase *now, uint8_t *planes, int thread, int threads)
{
    const struct draw *draws = shared->draws[now->side];
    const int begin = now->begin, end = now->end;
    const int pixels = p->step[begin].height * p->step[begin].width;
    const int image = step_class(p, begin) == OP_IMAGE;
    for (int i = thread; i < pixels; i += threads) {
        uint8_t from[CHANNELS_MAX], v[CHANNELS_MAX];
        get_pixel(p, r, planes, now->base, i, from);
        if (image)
            step_pixel(&draws[begin], p, begin, &shared->counts, from, v);
        else
            copy_pixel(p, from, v);
        for (int k = begin + image; k < end; k++)
            step_value(&draws[k], p, k, v);
        for (int c = 0; c < CHANNELS_MAX; c++)
            if (c < p->channels)
                planes[room_slot(r, now->base, c) + (size_t)i] = v[c];
    }
    if (thread == 0)
        TRAFFIC(planes, pixels * p->channels);
}

/* Pixel (y, x) behind steps begin .. end-1, the channels that `in` has: back to where
 * it comes from. */
SLUICE_HD static inline void moved_pixel(const struct plan *p, const struct phase *now,
                                         const struct draw *draws,
                                         const struct view *in, int y, int x,
                                         uint8_t v[CHANNELS_MAX])
{
    const int begin = now->begin;
    int k = now->end, filled = 0;
    while (k > begin && !filled) {
        k--;
        filled = !step_source(&draws[k], p, k, &y, &x);
    }
    if (filled) {
        uint8_t noise[CHANNELS_MAX];
        const int noisy = p->step[k].fill_mode == FILL_NOISE;
        if (noisy)
            noise_pixel(&draws[k], &p->step[k], y, x, noise);
        for (int c = 0; c < CHANNELS_MAX; c++)
            if (c >= now->channel && c < now->channel + in->channels)
                v[c - now->channel] = noisy ? noise[c] : p->step[k].fill[c];
    } else if (step_class(p, begin) == OP_IMAGE) {
        step_near(&draws[begin], p, begin, in, y, x, v);
    } else {
        view_pixel(in, p->step[begin].width, y, x, v);
    }
}

/* Channels from now->channel on, as many as there are spare planes, into those. */
SLUICE_HD SLUICE_APART static inline void
move_planes(const struct plan *p, const struct room *r, const struct block *shared,
            const struct phase *now, uint8_t *planes, int thread, int threads)
{
    const struct draw *draws = shared->draws[now->side];
    const int width = given_width(p, now->end);
    const int pixels = given_height(p, now->end) * width;
    uint8_t *to = planes + room_slot(r, room_moved(r, now->base), now->channel);
    struct walk at = walk_from(width, thread, threads);
    struct view in;
    in.pixels = planes + room_slot(r, now->base, now->channel);
    in.fill = p->step[now->begin].fill + now->channel;
    in.channels = r->spare;
    in.across = 1;
    in.deep = (int)r->plane;
    for (int i = thread; i < pixels; i += threads, walk_on(&at)) {
        uint8_t v[CHANNELS_MAX];
        moved_pixel(p, now, draws, &in, at.y, at.x, v);
        for (int c = 0; c < CHANNELS_MAX; c++)
            if (c < in.channels)
                to[(size_t)i + r->plane * c] = v[c];
    }
    if (thread == 0)
        TRAFFIC(planes, pixels * in.channels);
}

#endif
