/* bench_fused.c -- what geometry:mode=fused changes, on real images: how far its bytes
 * are from those of the steps one by one, and what either costs. Not a test.
 *
 *     bench_fused FILE.sluice [IMAGES]     images of one size; 1000 of them */
#include <string.h>
#include <time.h>

#include <sluice/augment.h>
#include <sluice/loader.h>

#include "check.h"

/* What follows the two words that are compared. */
/* clang-format off */
static const char *const chains[] = {
    "perspective:distortion=0.2:p=1",
    "rotate:degrees=15",
    "translate:pad=4,flip,rotate:degrees=15",
    "affine:degrees=15:translate=0.1:scale=0.9/1.1:shear=10,flip",
    "rotate:degrees=15,perspective:distortion=0.2:p=1",
    "translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:contrast=0.3:saturation=0.3:hue=0.1,perspective:distortion=0.2",
};
/* clang-format on */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct set {
    struct sluice_shape shape;
    uint8_t *pixels;
    int count;
};

static void load(struct set *s, const char *path, int most)
{
    const struct sluice_loader_options o = { .batch_size = most,
                                             .order = SLUICE_SEQUENTIAL };
    const struct sluice_batch *b;
    struct sluice_loader *ld;
    struct sluice_error err = { 0 };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0 &&
                (s->count = sluice_loader_next(ld, &b, &err)) > 0,
            "%s", err.message);
    s->shape = sluice_loader_source(ld);
    s->pixels = malloc((size_t)s->count * sluice_shape_bytes(&s->shape));
    REQUIRE(s->pixels, "no memory");
    memcpy(s->pixels, b->pixels, (size_t)s->count * sluice_shape_bytes(&s->shape));
    sluice_loader_release(ld, b);
    sluice_loader_close(ld);
}

/* All images of the set into `out`; the best of some rounds, in nanoseconds an image.
 */
static double run(const struct set *s, const char *mode, const char *chain,
                  uint8_t *out)
{
    const struct sluice_augment_options o = { .source = s->shape,
                                              .seed = 1,
                                              .dtype = SLUICE_U8 };
    const size_t bytes = sluice_shape_bytes(&s->shape);
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    char text[400];
    double best = 1e30;
    snprintf(text, sizeof(text), "geometry:mode=%s,%s", mode, chain);
    REQUIRE(sluice_augment_create(&a, text, &o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    for (int round = 0; round < 3; round++) {
        const double start = now_ns();
        for (int i = 0; i < s->count; i++) {
            const struct sluice_image image = { s->pixels + (size_t)i * bytes,
                                                s->shape.height,
                                                s->shape.width,
                                                s->shape.channels,
                                                (uint64_t)i,
                                                0 };
            REQUIRE(t.apply(t.arg, &image, out + (size_t)i * bytes, &err) == 0, "%s",
                    err.message);
        }
        const double each = (now_ns() - start) / s->count;
        best = each < best ? each : best;
    }
    sluice_augment_free(a);
    return best;
}

int main(int argc, char **argv)
{
    struct set s;
    REQUIRE(argc > 1, "bench_fused FILE.sluice [IMAGES]");
    load(&s, argv[1], argc > 2 ? atoi(argv[2]) : 1000);
    const size_t bytes = (size_t)s.count * sluice_shape_bytes(&s.shape);
    uint8_t *exact = malloc(bytes), *fused = malloc(bytes);
    REQUIRE(exact && fused, "no memory");
    printf("%d images of %dx%dx%d of %s\n\n", s.count, s.shape.height, s.shape.width,
           s.shape.channels, argv[1]);
    printf("| chain | mean difference | largest | over 16 | exact, ns | fused, ns "
           "|\n|---|---|---|---|---|---|\n");
    for (size_t k = 0; k < sizeof(chains) / sizeof(*chains); k++) {
        const double one = run(&s, "exact", chains[k], exact);
        const double all = run(&s, "fused", chains[k], fused);
        double sum = 0, far_off = 0;
        int most = 0;
        for (size_t i = 0; i < bytes; i++) {
            const int d = abs(exact[i] - fused[i]);
            sum += d;
            far_off += d > 16;
            most = d > most ? d : most;
        }
        printf("| `%s` | %.2f | %d | %.1f%% | %.0f | %.0f |\n", chains[k],
               sum / (double)bytes, most, 100 * far_off / (double)bytes, one, all);
        fflush(stdout);
    }
    free(exact);
    free(fused);
    free(s.pixels);
    return 0;
}
