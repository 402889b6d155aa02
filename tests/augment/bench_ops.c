/* bench_ops.c -- nanoseconds per image of each path, on this machine, one thread. Not a
 * test. Images are gathered at random from a set that fits no cache, and results go to
 * a ring of batches, as in a loader.
 *
 *     bench_augment [HEIGHT WIDTH CHANNELS] [PIPELINE...] */
#include <string.h>
#include <time.h>

#include <sluice/augment.h>
#include <sluice/rng.h>

#include "check.h"

enum { SET = 96 << 20, RING = 24 << 20 };

/* Time of this thread alone: other work on the machine counts less. */
static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *pipeline, struct sluice_augment_options o,
                    const uint8_t *set, uint8_t *ring)
{
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    if (sluice_augment_create(&a, pipeline, &o, &err) < 0) {
        if (err.code != SLUICE_EUNBUILT)
            printf("%s\n", err.message);
        return;
    }
    const struct sluice_transform t = sluice_augment_transform(a);
    const size_t in = sluice_shape_bytes(&o.source), out = sluice_shape_bytes(&t.out);
    const uint32_t images = (uint32_t)(SET / in), slots = (uint32_t)(RING / out);
    struct sluice_rng r = sluice_rng_at(1, 0, 0);
    double best = 1e30;
    for (int round = 0; round < 9; round++) {
        const double start = now_ns();
        int done = 0;
        while (now_ns() - start < 3e7)
            for (int i = 0; i < 64; i++, done++) {
                const uint32_t id = sluice_rng_below(&r, images);
                const struct sluice_image image = { set + id * in,
                                                    o.source.height,
                                                    o.source.width,
                                                    o.source.channels,
                                                    id,
                                                    1 };
                REQUIRE(t.apply(t.arg, &image, ring + (uint32_t)done % slots * out,
                                &err) == 0,
                        "%s", err.message);
            }
        const double each = (now_ns() - start) / done;
        best = each < best ? each : best;
    }
    printf("%10.0f ns  %4s %s  %-12s  %s\n", best, sluice_dtype_name(o.dtype),
           o.layout == SLUICE_NCHW ? "NCHW" : "NHWC", sluice_augment_path(a), pipeline);
    sluice_augment_free(a);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {
        "",
        "normalize",
        "flip:p=1,normalize",
        "translate:pad=2:fill=reflect,normalize",
        "flip,translate:pad=2:fill=mean,cutout:size=4:fill=mean,normalize",
        "flip,translate:pad=2:fill=reflect,cutout:size=4:fill=mean,normalize",
    };
    static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16 };
    static const double mean[] = { 125, 122, 113, 0 }, std[] = { 51, 50, 52, 1 };
    struct sluice_augment_options o = { .source = { 32, 32, 3, SLUICE_U8, SLUICE_NHWC },
                                        .seed = 1,
                                        .mean = mean,
                                        .std = std };
    if (argc > 3 && atoi(argv[1]) > 0)
        o.source = (struct sluice_shape){ atoi(argv[1]), atoi(argv[2]), atoi(argv[3]),
                                          SLUICE_U8, SLUICE_NHWC };
    const int first = argc > 3 && atoi(argv[1]) > 0 ? 4 : 1;
    const int n = argc > first ? argc - first : (int)(sizeof(usual) / sizeof(*usual));
    uint8_t *set = malloc(SET), *ring = malloc(RING);
    REQUIRE(set && ring, "no memory");
    for (size_t i = 0; i < SET; i++)
        set[i] = (uint8_t)(i * 2654435761u >> 20);
    memset(ring, 1, RING);
    for (int i = 0; i < n; i++)
        for (int way = 0; way < 4; way++)
            for (int use = 0; use <= SLUICE_AUGMENT_AVX512; use++) {
                if (way && use != SLUICE_AUGMENT_BEST)
                    continue;
                o.dtype = dtypes[way % 2];
                o.layout = way / 2 ? SLUICE_NCHW : SLUICE_NHWC;
                o.use = (enum sluice_augment_use)use;
                measure(argc > first ? argv[first + i] : usual[i], o, set, ring);
            }
    free(set);
    free(ring);
    return 0;
}
