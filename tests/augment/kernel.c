/* kernel.c -- what the GPU runs, run here: the body and the index arithmetic of the
 * kernel, in loops over blocks, phases and threads, against the CPU's path, a whole
 * batch at a time, gathered from a set. */
#include <string.h>

#include "check.h"
#include "kernel.h"
#include "pipeline.h"
#include "pipelines.h"

enum { SET = 5, COUNT = 4, THREADS = 96 };

static const uint64_t at[COUNT] = { 3, 0, 4, 3 };
static const uint64_t ids[COUNT] = { 7, 1000000007, 0, 0xffffffffffff };

static void launch(const struct plan *p, const struct sluice_augment_gpu_batch *b)
{
    struct block *shared = malloc(sizeof(*shared));
    uint8_t *between = malloc(between_bytes(p) + 1);
    REQUIRE(shared && between, "no memory");
    for (int n = 0; n < b->count; n++) {
        memset(shared, 0xEE, sizeof(*shared));
        memset(between, 0xEE, between_bytes(p));
        for (int phase = 0; phase < block_phases(p); phase++)
            for (int thread = THREADS - 1; thread >= 0; thread--)
                block_phase(p, b, shared, between, phase, n, thread, THREADS);
    }
    free(shared);
    free(between);
}

static void compare(const char *pipeline, const struct sluice_augment_options *o,
                    const uint8_t *set)
{
    const uint32_t epoch = 5;
    const uint64_t number = 12;
    struct sluice_mix got_mix[COUNT], want_mix[COUNT];
    const size_t in = sluice_shape_bytes(&o->source);
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, pipeline, o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    const size_t out = sluice_shape_bytes(&t.out);
    uint8_t *want = aligned_noise(COUNT * out, 1), *got = aligned_noise(COUNT * out, 2);
    const struct sluice_augment_gpu_batch b = {
        .images = set,
        .at = at,
        .ids = ids,
        .count = COUNT,
        .epoch = 1,
        .epoch_at = &epoch,
        .number = 3,
        .number_at = &number,
        .mixes = got_mix,
        .out = got,
    };
    launch(sluice_augment_plan(a), &b);
    for (int n = 0; n < COUNT; n++) {
        const struct sluice_image image = { set + at[n] * in, o->source.height,
                                            o->source.width,  o->source.channels,
                                            ids[n],           epoch };
        REQUIRE(t.apply(t.arg, &image, want + (size_t)n * out, &err) == 0, "%s",
                err.message);
    }
    if (sluice_augment_mixes(a)) {
        const struct sluice_batch whole = { .shape = t.out,
                                            .count = COUNT,
                                            .pixels = want,
                                            .ids = ids,
                                            .epoch = epoch,
                                            .number = number };
        uint8_t *mixed = aligned_noise(COUNT * out, 4);
        REQUIRE(sluice_augment_mix(a, &whole, mixed, want_mix, &err) == 0, "%s",
                err.message);
        CHECK(same_mixes(got_mix, want_mix, COUNT), "%s: other mixes", pipeline);
        free(want);
        want = mixed;
    }
    CHECK(memcmp(want, got, COUNT * out) == 0, "%s of %dx%dx%d, %s, layout %d",
          pipeline, o->source.height, o->source.width, o->source.channels,
          sluice_dtype_name(o->dtype), o->layout);
    free(want);
    free(got);
    sluice_augment_free(a);
}

int main(void)
{
    for (int i = 0; i < CASES; i++) {
        const struct sluice_augment_options o = case_options(i, SLUICE_AUGMENT_BEST);
        uint8_t *set = aligned_noise(SET * sluice_shape_bytes(&o.source), 3);
        for (int k = 0; k < PIPELINES; k++)
            if (case_suits(i, k))
                compare(pipelines[k], &o, set);
        free(set);
    }
    return check_done();
}
