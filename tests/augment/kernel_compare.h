/* kernel_compare.h -- a whole batch from the kernel's body, run here, against the CPU's
 * path, gathered from a set; and what it read and wrote of global memory. */
#ifndef SLUICE_TESTS_KERNEL_COMPARE_H
#define SLUICE_TESTS_KERNEL_COMPARE_H

#include <stddef.h>

#include "check.h"

/* Bytes: of sources read, of results written and read back, of planes written. */
static struct {
    size_t source, result, back, planes;
} traffic;
#define TRAFFIC(what, bytes) (traffic.what += (size_t)(bytes))

#include "augment_host.h"
#include "pipeline.h"
#include "pipelines.h"

enum { SET = 5, COUNT = 4, THREADS = 96 };

static const uint64_t at[COUNT] = { 3, 0, 4, 3 };
static const uint64_t ids[COUNT] = { 7, 1000000007, 0, 0xffffffffffff };

/* What a batch is mixed with is drawn by its number, which both have from here. */
static const uint32_t batch_epoch = 5;
static const uint64_t batch_number = 12;

/* Ways to place planes: 0 is the kernel's choice on a device that has `most`. */
enum { ROOMS = 6 };

static inline struct room room_number(const struct plan *p, int i, size_t most)
{
    if (i == 0)
        return room_choose(p, most, BLOCK_BYTES);
    if (i == 5) /* as where nothing is left */
        return room_choose(p, 0, BLOCK_BYTES);
    return room_of(p, i % 2 ? 1 : p->channels, i > 2);
}

/* The CPU's batch, mixed. Its mixes are left in `mixes`. */
static inline uint8_t *wanted(const struct sluice_augment *a, const uint8_t *set,
                              const struct sluice_shape *source,
                              struct sluice_mix mixes[COUNT])
{
    const struct sluice_transform t = sluice_augment_transform(a);
    const size_t in = sluice_shape_bytes(source), out = sluice_shape_bytes(&t.out);
    uint8_t *plain = aligned_noise(COUNT * out, 1), *want = plain;
    struct sluice_error err = { 0 };
    for (int n = 0; n < COUNT; n++) {
        const struct sluice_image image = { set + at[n] * in, source->height,
                                            source->width,    source->channels,
                                            ids[n],           batch_epoch };
        REQUIRE(t.apply(t.arg, &image, plain + (size_t)n * out, &err) == 0, "%s",
                err.message);
    }
    if (sluice_augment_mixes(a)) {
        const struct sluice_batch whole = { .shape = t.out,
                                            .count = COUNT,
                                            .pixels = plain,
                                            .ids = ids,
                                            .epoch = batch_epoch,
                                            .number = batch_number };
        want = aligned_noise(COUNT * out, 4);
        REQUIRE(sluice_augment_mix(a, &whole, want, mixes, &err) == 0, "%s",
                err.message);
        free(plain);
    }
    return want;
}

/* Counts of the traffic begin at 0. */
static inline void compare(const struct sluice_augment *a, const char *pipeline,
                           const struct sluice_augment_options *o, const uint8_t *set,
                           const struct room *r)
{
    struct sluice_mix got_mix[COUNT], want_mix[COUNT];
    const struct plan *p = sluice_augment_plan(a);
    const struct sluice_shape shape = sluice_augment_shape(a);
    const size_t out = sluice_shape_bytes(&shape);
    uint8_t *want = wanted(a, set, &o->source, want_mix);
    uint8_t *got = aligned_noise(COUNT * out, 2);
    uint8_t *scratch = malloc(r->scratch ? COUNT * room_bytes(p, r) + 1 : 1);
    const struct sluice_augment_gpu_batch b = {
        .images = set,
        .at = at,
        .ids = ids,
        .count = COUNT,
        .epoch = 1,
        .epoch_at = &batch_epoch,
        .number = 3,
        .number_at = &batch_number,
        .mixes = got_mix,
        .out = got,
        .scratch = scratch,
    };
    traffic.source = traffic.result = traffic.back = traffic.planes = 0;
    REQUIRE(scratch && launch_on_host(p, r, &b, THREADS) == 0, "no memory");
    if (sluice_augment_mixes(a))
        CHECK(same_mixes(got_mix, want_mix, COUNT), "%s: other mixes", pipeline);
    CHECK(memcmp(want, got, COUNT * out) == 0,
          "%s of %dx%dx%d, %s, layout %d; %d spare, %s%s", pipeline, o->source.height,
          o->source.width, o->source.channels, sluice_dtype_name(o->dtype), o->layout,
          r->spare, r->kept ? "kept" : "not kept", r->scratch ? ", scratch" : "");
    free(want);
    free(got);
    free(scratch);
}

#endif
