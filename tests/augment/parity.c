/* parity.c -- every way to run a pipeline on the CPU writes the same bytes as the plain
 * reference, and writes each byte of the result and none beside it. */
#include "check.h"
#include "pipelines.h"

enum { GUARD = 64 }; /* bytes around the result that must stay */

/* One result between two guards, over `pattern`. */
static void run(const struct sluice_augment *a, const struct sluice_image *in,
                uint8_t *room, size_t size, int pattern)
{
    const struct sluice_transform t = sluice_augment_transform(a);
    struct sluice_error err = { 0 };
    memset(room, pattern, size + 2 * GUARD);
    REQUIRE(t.apply(t.arg, in, room + GUARD, &err) == 0, "%s", err.message);
    for (int i = 0; i < GUARD; i++)
        if (room[i] != pattern || room[GUARD + size + i] != pattern) {
            CHECK(0, "%s (%s): wrote outside the result", sluice_augment_describe(a),
                  sluice_augment_path(a));
            return;
        }
}

static void compare(const char *pipeline, const struct sluice_augment_options *o,
                    const struct sluice_augment *want, const uint8_t *pixels)
{
    const struct sluice_shape *s = &o->source, result = sluice_augment_shape(want);
    const size_t size = sluice_shape_bytes(&result);
    const uint64_t samples = size > 20000 ? 1 : 4;
    struct sluice_error err = { 0 };
    struct sluice_augment *got;
    uint8_t *room[3];
    const int rc = sluice_augment_create(&got, pipeline, o, &err);
    if (rc == SLUICE_EUNBUILT) /* this CPU lacks it */
        return;
    REQUIRE(rc == 0, "%s", err.message);
    CHECK(!strstr(sluice_augment_path(got), "steps"), "the reference itself ran");
    for (int i = 0; i < 3; i++)
        room[i] = aligned_noise(size + 2 * (size_t)GUARD, 1);
    for (uint64_t sample = 0; sample < samples; sample++) {
        const struct sluice_image image = { pixels,      s->height, s->width,
                                            s->channels, sample,    (uint32_t)sample };
        run(want, &image, room[0], size, 0x55);
        run(got, &image, room[1], size, 0x55);
        run(got, &image, room[2], size, 0xAA);
        CHECK(memcmp(room[0] + GUARD, room[1] + GUARD, size) == 0,
              "%s of %dx%dx%d, %s, layout %d: %s differs from the reference", pipeline,
              s->height, s->width, s->channels, sluice_dtype_name(o->dtype), o->layout,
              sluice_augment_path(got));
        CHECK(memcmp(room[1] + GUARD, room[2] + GUARD, size) == 0,
              "%s of %dx%dx%d: %s leaves bytes unwritten", pipeline, s->height,
              s->width, s->channels, sluice_augment_path(got));
    }
    for (int i = 0; i < 3; i++)
        free(room[i]);
    sluice_augment_free(got);
}

static void compare_all(int i, int k, const uint8_t *pixels)
{
    static const enum sluice_augment_use uses[] = {
        SLUICE_AUGMENT_BEST,
        SLUICE_AUGMENT_PLAIN,
        SLUICE_AUGMENT_AVX2,
        SLUICE_AUGMENT_AVX512,
    };
    struct sluice_augment_options o = case_options(i, SLUICE_AUGMENT_STEPS);
    struct sluice_error err = { 0 };
    struct sluice_augment *want;
    REQUIRE(sluice_augment_create(&want, pipelines[k], &o, &err) == 0, "%s",
            err.message);
    CHECK(strcmp(sluice_augment_path(want), "steps") == 0, "reference is %s",
          sluice_augment_path(want));
    for (size_t u = 0; u < sizeof(uses) / sizeof(*uses); u++) {
        o.use = uses[u];
        compare(pipelines[k], &o, want, pixels);
    }
    sluice_augment_free(want);
}

int main(void)
{
    for (int i = 0; i < CASES; i++) {
        const struct sluice_augment_options o = case_options(i, SLUICE_AUGMENT_STEPS);
        uint8_t *pixels = aligned_noise(sluice_shape_bytes(&o.source), 12345);
        for (int k = 0; k < PIPELINES; k++)
            if (case_suits(i, k))
                compare_all(i, k, pixels);
        free(pixels);
    }
    return check_done();
}
