/* bench_ops.c -- what each operation and each path costs on this machine, one thread.
 * Not a test. Images are gathered at random from a set that fits no cache, and results
 * go to a ring of batches, as in a loader.
 *
 *     bench_augment [HEIGHT WIDTH CHANNELS] [PIPELINE...]     every way to run each
 *     bench_augment --table [HEIGHT WIDTH CHANNELS]           every operation, bytes
 * out bench_augment --batches SECONDS HEIGHT WIDTH CHANNELS PIPELINE images/s of
 * batches of 128, f32 NCHW */
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

/* Nanoseconds an image, the best of some rounds; what mixes does so in batches. */
static double cost(const char *pipeline, const struct sluice_augment_options *o,
                   const uint8_t *set, uint8_t *ring, double seconds, int rounds)
{
    enum { BATCH = 128 };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    struct sluice_mix mixes[BATCH];
    uint64_t ids[BATCH];
    REQUIRE(sluice_augment_create(&a, pipeline, o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    const size_t in = sluice_shape_bytes(&o->source), out = sluice_shape_bytes(&t.out);
    const uint32_t images = (uint32_t)(SET / in);
    uint8_t *mixed = sluice_augment_mixes(a) ? malloc(BATCH * out) : NULL;
    struct sluice_batch b = { .shape = t.out, .count = BATCH, .ids = ids };
    struct sluice_rng r = sluice_rng_at(1, 0, 0);
    double best = 1e30;
    REQUIRE(BATCH * out <= RING, "images too large for batches of %d", BATCH);
    for (int round = 0; round < rounds; round++) {
        const double start = now_ns();
        int done = 0;
        for (; now_ns() - start < seconds * 1e9; b.number++, done += BATCH) {
            b.pixels = ring + b.number % (RING / (BATCH * out)) * (BATCH * out);
            for (uint32_t i = 0; i < BATCH; i++) {
                ids[i] = sluice_rng_below(&r, images);
                const struct sluice_image image = {
                    set + ids[i] * in,  o->source.height, o->source.width,
                    o->source.channels, ids[i],           (uint32_t)round
                };
                REQUIRE(t.apply(t.arg, &image, (uint8_t *)b.pixels + i * out, &err) ==
                            0,
                        "%s", err.message);
            }
            if (mixed)
                REQUIRE(sluice_augment_mix(a, &b, mixed, mixes, &err) == 0, "%s",
                        err.message);
        }
        const double each = (now_ns() - start) / done;
        best = each < best ? each : best;
    }
    free(mixed);
    sluice_augment_free(a);
    return best;
}

/* clang-format off */
/* An example of each operation, as it is used. */
static const char *const examples[] = {
    "flip", "vertical_flip", "translate:pad=4", "cutout:size=8:fill=0", "erase:p=1",
    "rotate:degrees=15", "geometry:mode=fused,rotate:degrees=15", "affine:degrees=15:translate=0.1:scale=0.9/1.1:shear=10/0",
    "shear_x:reach=0.3:p=1", "shear_y:reach=0.3:p=1", "translate_x:reach=0.3:p=1",
    "translate_y:reach=0.3:p=1", "center_crop:size=24", "identity", "grayscale:p=1",
    "posterize:bits=4:p=1", "solarize:threshold=128:p=1", "solarize_add:addition=50:p=1",
    "invert:p=1", "brightness:factor=1.3:p=1", "color:factor=1.3:p=1",
    "contrast:factor=1.3:p=1", "autocontrast:p=1", "equalize:p=1",
    "sharpness:factor=1.5:p=1", "gaussian_blur:kernel=3", "gaussian_blur:kernel=9",
    "jitter:brightness=0.3:contrast=0.3:saturation=0.3:hue=0.1", "jitter:hue=0.1",
    "perspective:distortion=0.2:p=1", "autoaugment", "randaugment",
    "trivialaugment_wide", "cutmix", "mixup",
};
/* clang-format on */

static void table(struct sluice_augment_options *o, const uint8_t *set, uint8_t *ring)
{
    o->dtype = SLUICE_U8;
    const double plain = cost("", o, set, ring, 0.02, 5);
    printf("| operation | ns an image of %dx%dx%d | beside a copy |\n|---|---|---|\n",
           o->source.height, o->source.width, o->source.channels);
    printf("| none: a copy | %.0f | 1.0 |\n", plain);
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        const double each = cost(examples[i], o, set, ring, 0.02, 5);
        printf("| `%s` | %.0f | %.1f |\n", examples[i], each, each / plain);
        fflush(stdout);
    }
    for (int k = 0; sluice_augment_op_name(k); k++) {
        const char *name = sluice_augment_op_name(k);
        size_t found = 0, n = strlen(name);
        for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
            found += strncmp(examples[i], name, n) == 0 &&
                     (examples[i][n] == ':' || !examples[i][n]);
        if (!found && strcmp(name, "normalize") != 0 && strcmp(name, "crop") != 0 &&
            strcmp(name, "flip_alternating") != 0)
            printf("`%s` is missing here\n", name);
    }
}

static void everything(struct sluice_augment_options *o, const char *pipeline,
                       const uint8_t *set, uint8_t *ring)
{
    static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16 };
    for (int way = 0; way < 4; way++)
        for (int use = 0; use <= SLUICE_AUGMENT_AVX512; use++) {
            if (way && use != SLUICE_AUGMENT_BEST)
                continue;
            o->dtype = dtypes[way % 2];
            o->layout = way / 2 ? SLUICE_NCHW : SLUICE_NHWC;
            o->use = (enum sluice_augment_use)use;
            measure(pipeline, *o, set, ring);
        }
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
    static const double mean[] = { 125, 122, 113, 0 }, std[] = { 51, 50, 52, 1 };
    struct sluice_augment_options o = { .source = { 32, 32, 3, SLUICE_U8, SLUICE_NHWC },
                                        .seed = 1,
                                        .mean = mean,
                                        .std = std,
                                        .mixes = 1 };
    const int tabulate = argc > 1 && strcmp(argv[1], "--table") == 0;
    const int batches = argc > 2 && strcmp(argv[1], "--batches") == 0;
    const double seconds = batches ? atof(argv[2]) : 0;
    int at = 1 + tabulate + 2 * batches;
    if (argc > at + 2 && atoi(argv[at]) > 0) {
        o.source = (struct sluice_shape){ atoi(argv[at]), atoi(argv[at + 1]),
                                          atoi(argv[at + 2]), SLUICE_U8, SLUICE_NHWC };
        at += 3;
    }
    uint8_t *set = malloc(SET), *ring = malloc(RING);
    REQUIRE(set && ring, "no memory");
    for (size_t i = 0; i < SET; i++)
        set[i] = (uint8_t)(i * 2654435761u >> 20);
    memset(ring, 1, RING);
    o.dtype = SLUICE_F32;
    o.layout = SLUICE_NCHW;
    if (tabulate)
        table(&o, set, ring);
    else if (batches && argc > at)
        printf("%.0f\n", 1e9 / cost(argv[at], &o, set, ring, seconds, 1));
    else
        for (int i = 0;
             i < (argc > at ? argc - at : (int)(sizeof(usual) / sizeof(*usual))); i++)
            everything(&o, argc > at ? argv[at + i] : usual[i], set, ring);
    free(set);
    free(ring);
    return 0;
}
