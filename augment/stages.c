/* stages.c -- run a pipeline stage by stage, each from one image to the next, pixel by
 * pixel: what kernel.h does on the GPU, in obvious loops. */
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "ops/convert.h"
#include "pipeline.h"

struct scratch {
    struct scratch *next;
    uint8_t *image[2]; /* what a stage reads and what it writes */
};

static struct scratch *borrow(struct sluice_augment *aug)
{
    const size_t size = aug->image_bytes;
    pthread_mutex_lock(&aug->lock);
    struct scratch *s = aug->idle;
    if (s)
        aug->idle = s->next;
    pthread_mutex_unlock(&aug->lock);
    if (s || !(s = malloc(sizeof(*s) + 2 * size)))
        return s;
    s->image[0] = (uint8_t *)(s + 1);
    s->image[1] = s->image[0] + size;
    return s;
}

static void give_back(struct sluice_augment *aug, struct scratch *s)
{
    pthread_mutex_lock(&aug->lock);
    s->next = aug->idle;
    aug->idle = s;
    pthread_mutex_unlock(&aug->lock);
}

void sluice_augment_free_scratch(struct sluice_augment *aug)
{
    while (aug->idle) {
        struct scratch *next = aug->idle->next;
        free(aug->idle);
        aug->idle = next;
    }
}

static void count(const struct plan *p, int step, const struct draw *d,
                  const uint8_t *src, struct counts *n)
{
    const size_t pixels = (size_t)p->step[step].height * p->step[step].width;
    memset(n, 0, sizeof(*n));
    for (size_t i = 0; i < pixels; i++)
        step_count(d, p, step, src + i * p->channels, n);
    for (int c = 0; c < p->channels; c++)
        step_settle(d, p, step, n, c);
}

static void run_stage(const struct plan *p, int stage, const struct draw *draws,
                      const uint8_t *src, uint8_t *next, void *out)
{
    const int begin = stage_begin(p, stage), end = p->stage_end[stage];
    const int last = stage == p->stages - 1;
    struct counts n;
    uint8_t pixel[CHANNELS_MAX];
    if (begin < end && step_counts(&draws[begin], p, begin))
        count(p, begin, &draws[begin], src, &n);
    const int height = given_height(p, end), width = given_width(p, end);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            stage_pixel(p, begin, end, draws, &n, src, y, x, pixel);
            if (last)
                store_pixel(p, out, y, x, pixel);
            for (int c = 0; !last && c < p->channels; c++)
                next[((size_t)y * width + x) * p->channels + c] = pixel[c];
        }
}

int sluice_augment_run_stages(struct sluice_augment *aug, const struct draw *draws,
                              const uint8_t *src, void *out, struct sluice_error *err)
{
    const struct plan *p = &aug->plan;
    struct scratch *s = NULL;
    if (aug->image_bytes && !(s = borrow(aug)))
        return sluice_fail(err, SLUICE_ENOMEM,
                           "augment: no memory for two images of %zu bytes",
                           aug->image_bytes);
    if (aug->planes)
        sluice_augment_run_planes(aug, draws, src, s->image[0], s->image[1], out);
    for (int i = 0; i < p->stages && !aug->planes; i++) {
        uint8_t *next = s ? s->image[i & 1] : NULL;
        run_stage(p, i, draws, src, next, out);
        src = next;
    }
    if (s)
        give_back(aug, s);
    return 0;
}

static void fill_with_noise(const struct plan *p, const struct draw *d,
                            const struct step *s, void *out)
{
    const struct rect *r = &d->u.rect;
    for (int y = r->y; y < r->y + r->height; y++)
        for (int x = r->x; x < r->x + r->width; x++)
            for (int c = 0; c < p->channels; c++)
                store_number(p, out, result_index(p, y, x, c),
                             noise_number(d, s, y, x, c));
}

void sluice_augment_erase(const struct plan *p, const struct draw *draws, void *out)
{
    const size_t size = sluice_dtype_size(p->dtype);
    const int planar = p->layout == SLUICE_NCHW, planes = planar ? p->channels : 1;
    for (int k = p->steps; k < p->steps + p->posts; k++) {
        const struct rect *r = &draws[k].u.rect;
        if (draws[k].on && p->step[k].fill_mode == FILL_NOISE) {
            fill_with_noise(p, &draws[k], &p->step[k], out);
            continue;
        }
        for (int i = 0; draws[k].on && i < planes * r->height; i++)
            memset((char *)out + size * result_index(p, r->y + i % r->height, r->x,
                                                     i / r->height),
                   0, size * (size_t)r->width * (planar ? 1 : p->channels));
    }
}
