/* mixing.c -- cutmix and mixup of whole batches, against loops written here from their
 * words: which image, which share, which pixels, in every type and layout; and against
 * checksums that oracle.py makes. */
#include <string.h>

#include <sluice/crc32c.h>

#include "check.h"
#include "pipelines.h"

enum {
    COUNT = 7,
    SIDE = 12,
    CHANNELS = 3,
    ELEMENTS = SIDE * SIDE * CHANNELS,
    GUARD = 64
};

static const uint64_t ids[COUNT] = { 5, 900, 31, 7, 8, 1ull << 40, 2 };

/* Element i of a batch, whatever its type. */
static double element(const void *pixels, enum sluice_dtype dtype, size_t i)
{
    if (dtype == SLUICE_U8)
        return ((const uint8_t *)pixels)[i];
    if (dtype == SLUICE_F32)
        return (double)((const float *)pixels)[i];
    const uint16_t u = ((const uint16_t *)pixels)[i];
    if (dtype == SLUICE_BF16) {
        const uint32_t wide = (uint32_t)u << 16;
        float f;
        memcpy(&f, &wide, sizeof(f));
        return (double)f;
    }
    const int exponent = u >> 10 & 31;
    const double digits = u & 1023;
    const double size =
        exponent ? ldexp(1024 + digits, exponent - 25) : ldexp(digits, -24);
    return u >> 15 ? -size : size;
}

static struct sluice_augment_options options(enum sluice_dtype dtype,
                                             enum sluice_layout layout)
{
    return (struct sluice_augment_options){
        .source = { SIDE, SIDE, CHANNELS, SLUICE_U8, SLUICE_NHWC },
        .seed = 9,
        .dtype = dtype,
        .layout = layout,
        .mixes = 1,
    };
}

/* A batch as a loader would make it, and its mix between two guards. */
struct mixed {
    struct sluice_batch batch;
    struct sluice_mix mix[COUNT];
    uint8_t *room;
    const uint8_t *out;
};

static void mix(struct mixed *m, const struct sluice_augment *a, int count,
                uint64_t number, uint32_t epoch)
{
    const struct sluice_shape shape = sluice_augment_shape(a);
    const size_t bytes = COUNT * sluice_shape_bytes(&shape);
    const struct sluice_transform t = sluice_augment_transform(a);
    struct sluice_error err = { 0 };
    uint8_t *pixels = aligned_noise(bytes, 1);
    m->batch = (struct sluice_batch){ .shape = shape,
                                      .count = count,
                                      .pixels = pixels,
                                      .ids = ids,
                                      .epoch = epoch,
                                      .number = number };
    for (int n = 0; n < count; n++) {
        uint8_t *source = aligned_noise(ELEMENTS, 2 + (uint32_t)n);
        const struct sluice_image image = {
            source, SIDE, SIDE, CHANNELS, ids[n], epoch
        };
        REQUIRE(t.apply(t.arg, &image, pixels + (size_t)n * (bytes / COUNT), &err) == 0,
                "%s", err.message);
        free(source);
    }
    m->room = aligned_noise(bytes + 2 * (size_t)GUARD, 3);
    memset(m->room, 0x5A, bytes + 2 * (size_t)GUARD);
    m->out = m->room + GUARD;
    REQUIRE(sluice_augment_mix(a, &m->batch, m->room + GUARD, m->mix, &err) == 0, "%s",
            err.message);
    const size_t used = (size_t)count * (bytes / COUNT);
    for (size_t i = 0; i < GUARD; i++)
        CHECK(m->room[i] == 0x5A && m->room[GUARD + used + i] == 0x5A,
              "wrote outside the batch");
}

static void mixed_free(struct mixed *m)
{
    free(m->batch.pixels);
    free(m->room);
}

static struct sluice_augment *make(const char *pipeline, enum sluice_dtype dtype,
                                   enum sluice_layout layout)
{
    const struct sluice_augment_options o = options(dtype, layout);
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, pipeline, &o, &err) == 0, "%s", err.message);
    CHECK(sluice_augment_mixes(a), "'%s' does not mix", pipeline);
    return a;
}

/* What element e of image n should be. */
static double wanted(const struct mixed *m, int n, int e, int *partly)
{
    const struct sluice_shape *s = &m->batch.shape;
    const struct sluice_mix *x = &m->mix[n];
    const int planar = s->layout == SLUICE_NCHW;
    const int pixel = planar ? e % (SIDE * SIDE) : e / CHANNELS;
    const int row = pixel / SIDE, column = pixel % SIDE;
    const size_t own = (size_t)n * ELEMENTS + (size_t)e;
    const size_t other = (size_t)x->partner * ELEMENTS + (size_t)e;
    const double a = element(m->batch.pixels, s->dtype, own);
    const double b = element(m->batch.pixels, s->dtype, other);
    *partly = 0;
    if (x->height)
        return row >= x->y && row < x->y + x->height && column >= x->x &&
                       column < x->x + x->width
                   ? b
                   : a;
    *partly = !(x->share >= 1);
    return (double)x->share * a + (1 - (double)x->share) * b;
}

static void check_pixels(const struct mixed *m, const char *what)
{
    static const double step[] = { [SLUICE_U8] = 0,
                                   [SLUICE_F32] = 1e-6,
                                   [SLUICE_BF16] = 0x1p-8,
                                   [SLUICE_F16] = 0x1p-11 };
    const enum sluice_dtype dtype = m->batch.shape.dtype;
    int wrong = 0;
    for (int n = 0; n < m->batch.count; n++)
        for (int e = 0; e < ELEMENTS; e++) {
            int partly;
            const double want = wanted(m, n, e, &partly);
            const double got = element(m->out, dtype, (size_t)n * ELEMENTS + (size_t)e);
            wrong += !near(got, want,
                           !partly              ? 0
                           : dtype == SLUICE_U8 ? 0.5001
                                                : 2e-6,
                           partly ? step[dtype] : 0);
        }
    CHECK(!wrong, "%s as %s, layout %d: %d elements are wrong", what,
          sluice_dtype_name(dtype), m->batch.shape.layout, wrong);
}

/* Each pair of types and layouts, and enough batches to meet boxes of all kinds. */
static void pixels(const char *pipeline)
{
    for (int i = 0; i < 8; i++) {
        struct sluice_augment *a =
            make(pipeline, case_dtypes[i % 4], i / 4 ? SLUICE_NCHW : SLUICE_NHWC);
        for (uint64_t number = 0; number < 12; number++) {
            struct mixed m;
            mix(&m, a, COUNT - (int)(number % 3), number, 4);
            check_pixels(&m, pipeline);
            mixed_free(&m);
        }
        sluice_augment_free(a);
    }
}

static const struct {
    const char *pipeline;
    enum sluice_dtype dtype;
    uint32_t crc;
} golden[] = {
    { "cutmix", SLUICE_U8, 0xa6da68bd },
    { "cutmix:p=0.7:per=sample", SLUICE_U8, 0x58c1d602 },
    { "mixup", SLUICE_F32, 0xb8535207 },
    { "mixup:p=0.5:per=sample", SLUICE_U8, 0xfd668fcf },
};

static void checksums(void)
{
    for (size_t i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
        struct sluice_augment *a =
            make(golden[i].pipeline, golden[i].dtype, SLUICE_NHWC);
        uint32_t crc = 0;
        for (uint64_t number = 0; number < 20; number++) {
            struct mixed m;
            mix(&m, a, COUNT, number, 4);
            crc = sluice_crc32c(crc, m.out, COUNT * sluice_shape_bytes(&m.batch.shape));
            mixed_free(&m);
        }
        CHECK(crc == golden[i].crc, "%s: 0x%08x, not 0x%08x", golden[i].pipeline, crc,
              golden[i].crc);
        sluice_augment_free(a);
    }
}

/* Batch by batch all are mixed alike; image by image each for itself. */
static void pairs(const char *pipeline, int alike)
{
    struct sluice_augment *a = make(pipeline, SLUICE_U8, SLUICE_NHWC);
    int same = 0;
    for (uint64_t number = 0; number < 200; number++) {
        struct mixed m;
        mix(&m, a, COUNT, number, 4);
        for (int n = 0; n < COUNT; n++) {
            const struct sluice_mix *x = &m.mix[n], *y = &m.mix[(n + 1) % COUNT];
            const int shift = (x->partner - n + COUNT) % COUNT;
            CHECK(x->partner >= 0 && x->partner < COUNT && shift, "partner %d of %d",
                  x->partner, n);
            CHECK(x->share >= 0 && x->share <= 1, "share %g", (double)x->share);
            if (x->height)
                CHECK(near((double)x->share,
                           1 - (double)(x->height * x->width) / (SIDE * SIDE), 1e-6, 0),
                      "share %g of a box of %dx%d", (double)x->share, x->height,
                      x->width);
            same += shift == (y->partner - (n + 1) % COUNT + COUNT) % COUNT &&
                    !(x->share != y->share) && x->y == y->y && x->x == y->x;
        }
        mixed_free(&m);
    }
    CHECK(alike ? same == 200 * COUNT : same < 200, "%s: %d of %d neighbours are alike",
          pipeline, same, 200 * COUNT);
    sluice_augment_free(a);
}

/* A function of seed, epoch and number, and of ids where images draw for themselves. */
static void repeatable(void)
{
    struct sluice_augment *a = make("mixup:per=batch", SLUICE_U8, SLUICE_NHWC);
    struct sluice_augment *b = make("mixup:per=sample", SLUICE_U8, SLUICE_NHWC);
    struct mixed m[5];
    mix(&m[0], a, COUNT, 3, 4);
    mix(&m[1], a, COUNT, 3, 4);
    mix(&m[2], a, COUNT, 4, 4);
    mix(&m[3], a, COUNT, 3, 5);
    CHECK(same_mixes(m[0].mix, m[1].mix, COUNT), "another mix again");
    CHECK(!same_mixes(m[0].mix, m[2].mix, COUNT), "as in the next batch");
    CHECK(!same_mixes(m[0].mix, m[3].mix, COUNT), "as in the next epoch");
    for (int i = 0; i < 4; i++)
        mixed_free(&m[i]);
    mix(&m[0], b, COUNT, 3, 4);
    mix(&m[1], b, COUNT, 9, 4);
    CHECK(same_mixes(m[0].mix, m[1].mix, COUNT), "the number counts");
    mixed_free(&m[0]);
    mixed_free(&m[1]);
    sluice_augment_free(a);
    sluice_augment_free(b);
}

/* Chance, the first of several, and a batch of one image, which has no partner. */
static void chances(void)
{
    struct sluice_augment *a =
        make("cutmix:p=0.25,mixup:p=0.5", SLUICE_U8, SLUICE_NHWC);
    struct sluice_augment *never = make("cutmix:p=0", SLUICE_U8, SLUICE_NHWC);
    int cut = 0, blended = 0;
    for (uint64_t number = 0; number < 2000; number++) {
        struct mixed m;
        mix(&m, a, 2, number, 0);
        cut += m.mix[0].height > 0;
        blended += !m.mix[0].height && m.mix[0].partner == 1;
        CHECK(m.mix[0].partner == 1 || !(m.mix[0].share < 1), "mixed with itself");
        mixed_free(&m);
    }
    /* An eighth of all boxes of 12 x 12 is empty at most: 500 less some; 0.75 * 0.5. */
    CHECK(cut > 390 && cut < 560, "%d of 2000 cut", cut);
    CHECK(blended > 680 && blended < 900, "%d of 2000 blended", blended);
    for (uint64_t number = 0; number < 50; number++) {
        struct mixed m;
        mix(&m, number % 2 ? never : a, number % 2 ? COUNT : 1, number, 0);
        CHECK(m.mix[0].partner == 0 && !(m.mix[0].share < 1) &&
                  memcmp(m.out, m.batch.pixels, ELEMENTS) == 0,
              "%s was mixed", number % 2 ? "p=0" : "one image");
        mixed_free(&m);
    }
    sluice_augment_free(a);
    sluice_augment_free(never);
}

static void refused(const char *pipeline, int mixes, const char *part)
{
    struct sluice_augment_options o = options(SLUICE_F32, SLUICE_NHWC);
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    o.mixes = mixes;
    const int rc = sluice_augment_create(&a, pipeline, &o, &err);
    CHECK(rc == SLUICE_EINVAL && strstr(err.message, part), "'%s': %d, '%s'", pipeline,
          rc, err.message);
}

static void refusals(void)
{
    struct sluice_augment *a = make("cutmix", SLUICE_U8, SLUICE_NHWC);
    struct sluice_augment *b =
        make("center_crop:size=4,cutmix", SLUICE_U8, SLUICE_NHWC);
    struct sluice_error err = { 0 };
    struct mixed m;
    refused("flip,cutmix", 0, "cutmix mixes images of a batch and their labels");
    refused("mixup,flip", 1, "flip stands after an operation that mixes images");
    refused("mixup,normalize:mean=0:std=1", 1, "normalize stands after");
    refused("mixup,erase:p=1", 1, "erase stands after");
    refused("mixup:alpha=0", 1, "alpha=0: expected a number from 0.01 to 100");
    refused("cutmix:per=image", 1, "expected batch or sample");
    mix(&m, a, COUNT, 0, 0);
    CHECK(sluice_augment_mix(b, &m.batch, m.room, m.mix, &err) == SLUICE_EINVAL &&
              strcmp(err.message,
                     "augment: batch 0: expected images of 4x4x3 u8 as the "
                     "pipeline makes them, found 12x12x3 u8") == 0,
          "%s", err.message);
    mixed_free(&m);
    sluice_augment_free(a);
    sluice_augment_free(b);
}

int main(void)
{
    pixels("cutmix");
    pixels("flip,cutmix:alpha=0.3:per=sample");
    pixels("mixup");
    pixels("flip,translate:pad=2,mixup:alpha=2:per=sample");
    checksums();
    pairs("cutmix", 1);
    pairs("mixup:alpha=0.2", 1);
    pairs("cutmix:per=sample", 0);
    pairs("mixup:per=sample", 0);
    repeatable();
    chances();
    refusals();
    return check_done();
}
