/* damage.c -- damaged samples are raised, skipped or replaced as the options say: the
 * same ones in the same places whatever the threads, backends and ranks; each is
 * counted and named; what is no damage of single samples is raised all the same. */
#include <sluice/crc32c.h>

#include "pack.h"
#include "support/jpegs.h"

enum { SAMPLES = 90, BATCH = 16, SIZE = 24, EPOCHS = 2, IMAGE = SIZE * SIZE * 3 };

static char clean[128], bad[128], packed[128];
static struct sluice_error err;
static uint32_t pixels[EPOCHS][SAMPLES]; /* checksums of the clean file's images */

/* Its checksum, its JPEG's second half, or its size is wrong. Neighbours, and both
 * ends, so that substitutes are damaged too. */
enum wrong { GOOD, CHECKSUM, CUT, HUGE_SIZE };
static const enum wrong wrong[SAMPLES] = {
    [0] = CHECKSUM,  [10] = CHECKSUM,  [11] = CUT,
    [13] = CHECKSUM, [31] = HUGE_SIZE, [89] = CUT
};
static int wrong_count(void)
{
    int n = 0;
    for (int i = 0; i < SAMPLES; i++)
        n += wrong[i] != GOOD;
    return n;
}

static uint64_t next_good(uint64_t i)
{
    while (wrong[i] != GOOD)
        i = (i + 1) % SAMPLES;
    return i;
}

static void write_pictures(const char *path, bool damaged)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_I32, 0, { 0 } },
    };
    struct sluice_writer *w;
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 2 },
                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        const enum wrong how = damaged ? wrong[i] : GOOD;
        const struct jpeg_make m = { 30 + i, 130 - i, 3, 2, 2, 0, 0, 0, (uint32_t)i };
        size_t size;
        uint8_t *data = jpeg_make(&m, &size);
        const struct sluice_value v[2] = {
            { .data = data,
              .size = how == CUT ? size / 4 : size,
              .codec = SLUICE_CODEC_JPEG,
              .height = how == HUGE_SIZE ? 60000 : (uint32_t)m.height,
              .width = how == HUGE_SIZE ? 60000 : (uint32_t)m.width,
              .channels = 3 },
            { .integer = 1000 + i },
        };
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
        free(data);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    for (uint64_t i = 0; i < SAMPLES && damaged; i++)
        if (wrong[i] == CHECKSUM)
            pack_flip_byte(path, i);
}

static struct sluice_loader_options options(enum sluice_on_error on_error)
{
    return (struct sluice_loader_options){
        .batch_size = BATCH,
        .seed = 3,
        .threads = 1,
        .io = SLUICE_IO_PREAD,
        .on_error = on_error,
        .crop = { .kind = SLUICE_CROP_CENTER, .share = 1, .size = SIZE }
    };
}

static struct sluice_loader *open_with(const char *path,
                                       const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

static uint32_t image_sum(const struct sluice_batch *b, int i)
{
    return sluice_crc32c(0, (uint8_t *)b->pixels + (size_t)i * IMAGE, IMAGE);
}

static void learn_pixels(void)
{
    const struct sluice_loader_options o = options(SLUICE_RAISE);
    struct sluice_loader *ld = open_with(clean, &o);
    const struct sluice_batch *b;
    for (uint32_t e = 0; e < EPOCHS; e++) {
        REQUIRE(sluice_loader_seek(ld, e, 0, &err) == 0, "%s", err.message);
        while (sluice_loader_next(ld, &b, &err) > 0) {
            for (int i = 0; i < b->count; i++)
                pixels[e][b->ids[i]] = image_sum(b, i);
            sluice_loader_release(ld, b);
        }
    }
    sluice_loader_close(ld);
}

/* What the batch must hold, from the clean file's batch in the same place. */
static int promised(const struct sluice_batch *plain, enum sluice_on_error on_error,
                    uint64_t ids[BATCH])
{
    int n = 0;
    for (int i = 0; i < plain->count; i++)
        if (wrong[plain->ids[i]] == GOOD || on_error == SLUICE_SUBSTITUTE)
            ids[n++] = next_good(plain->ids[i]);
    return n;
}

static void named(struct sluice_loader *ld, enum sluice_on_error on_error,
                  uint64_t times)
{
    static const char *const words[] = { "", "expected checksum", "JPEG",
                                         "60000x60000" };
    struct sluice_loader_stats stats;
    struct sluice_damage d;
    bool seen[SAMPLES] = { false };
    sluice_loader_stats(ld, &stats);
    CHECK(stats.damaged == times, "%d times damaged, expected %d", (int)stats.damaged,
          (int)times);
    CHECK(stats.damaged_samples == wrong_count(), "%d samples damaged, expected %d",
          stats.damaged_samples, wrong_count());
    for (int i = 0; i < stats.damaged_samples; i++) {
        char who[32];
        REQUIRE(sluice_loader_damage(ld, i, &d) == 0, "entry %d", i);
        REQUIRE(d.sample < SAMPLES && wrong[d.sample] != GOOD && !seen[d.sample],
                "sample %d is named", (int)d.sample);
        seen[d.sample] = true;
        snprintf(who, sizeof(who), "sample %d", (int)d.sample);
        CHECK(strstr(d.message, bad) && strstr(d.message, who) &&
                  strstr(d.message, words[wrong[d.sample]]),
              "%s", d.message);
        CHECK(d.substitute ==
                  (on_error == SLUICE_SKIP ? d.sample : next_good(d.sample)),
              "sample %d by %d", (int)d.sample, (int)d.substitute);
    }
    CHECK(sluice_loader_damage(ld, stats.damaged_samples, &d) == SLUICE_EINVAL &&
              sluice_loader_damage(ld, -1, &d) == SLUICE_EINVAL,
          "one too many");
}

/* One way of loading the damaged file, beside the clean file's plain stream. */
static void compare(const struct sluice_loader_options *o)
{
    struct sluice_loader_options plain = *o;
    uint64_t ids[BATCH], times = 0;
    const struct sluice_batch *b, *p;
    plain.io = SLUICE_IO_PREAD;
    plain.threads = 1;
    struct sluice_loader *ld = open_with(bad, o), *other = open_with(clean, &plain);
    for (uint32_t e = 0; e < EPOCHS; e++) {
        int n;
        REQUIRE(sluice_loader_seek(ld, e, 0, &err) == 0 &&
                    sluice_loader_seek(other, e, 0, &err) == 0,
                "%s", err.message);
        while ((n = sluice_loader_next(other, &p, &err)) > 0) {
            const int want = promised(p, o->on_error, ids);
            const int got = sluice_loader_next(ld, &b, &err);
            REQUIRE(got == want && b->count == want && b->number == p->number,
                    "batch %d of %d, expected %d: %s", (int)p->number, got, want,
                    err.message);
            for (int i = 0; i < p->count; i++)
                times += wrong[p->ids[i]] != GOOD;
            for (int i = 0; i < want; i++) {
                CHECK(b->ids[i] == ids[i], "sample %d, expected %d", (int)b->ids[i],
                      (int)ids[i]);
                CHECK(b->labels[i] == 1000 + (int64_t)ids[i], "label of %d",
                      (int)ids[i]);
                CHECK(image_sum(b, i) == pixels[e][ids[i]], "pixels of %d",
                      (int)ids[i]);
            }
            sluice_loader_release(ld, b);
            sluice_loader_release(other, p);
        }
        CHECK(n == 0 && sluice_loader_next(ld, &b, &err) == 0, "%s", err.message);
    }
    if (o->world < 2)
        named(ld, o->on_error, times);
    sluice_loader_close(ld);
    sluice_loader_close(other);
}

static void everywhere(enum sluice_io io)
{
    static const int threads[] = { 1, 2, 7 };
    for (int on_error = SLUICE_SKIP; on_error <= SLUICE_SUBSTITUTE; on_error++)
        for (int order = SLUICE_RANDOM; order <= SLUICE_SEQUENTIAL; order++)
            for (int t = 0; t < 3; t++)
                for (int world = 1; world <= 3; world += 2) {
                    struct sluice_loader_options o =
                        options((enum sluice_on_error)on_error);
                    o.order = (enum sluice_order)order;
                    o.threads = threads[t];
                    o.io = io;
                    o.world = world;
                    o.rank = world - 1;
                    compare(&o);
                }
}

/* ---- what is raised all the same ---- */

/* The error that ends the epoch. */
static int run(const char *path, const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int n = sluice_loader_open(&ld, path, o, &err);
    while (n >= 0 && (n = sluice_loader_next(ld, &b, &err)) > 0) {
        sluice_loader_release(ld, b);
    }
    sluice_loader_close(ld);
    return n;
}

static void raised(void)
{
    struct sluice_loader_options o = options(SLUICE_RAISE);
    o.order = SLUICE_SEQUENTIAL;
    CHECK(run(bad, &o) == SLUICE_ECORRUPT && strstr(err.message, "sample 31"),
          "an impossible size is known at open: %s", err.message);
    o.on_error = SLUICE_SKIP;
    o.batch_size = 1;
    CHECK(run(bad, &o) == SLUICE_ECORRUPT &&
              strstr(err.message, "epoch 0, batch 0: all its samples are damaged") &&
              strstr(err.message, "sample 0"),
          "nothing is left: %s", err.message);
    o.on_error = (enum sluice_on_error)3;
    CHECK(run(bad, &o) == SLUICE_EINVAL &&
              strstr(err.message, "on_error: expected 0 to 2, found 3"),
          "no such policy: %s", err.message);
}

/* Substitutes end after 64, and within the samples in use. */
static void no_substitute(enum sluice_io io)
{
    enum { MANY = 100 };
    const uint64_t some[3] = { 40, 60, 80 };
    struct sluice_loader_options o = { .batch_size = 8,
                                       .threads = 2,
                                       .io = io,
                                       .order = SLUICE_SEQUENTIAL,
                                       .on_error = SLUICE_SUBSTITUTE };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    pack_write(packed, MANY);
    for (uint64_t i = 20; i < 83; i++)
        pack_flip_byte(packed, i);
    CHECK(run(packed, &o) == 0, "63 in a row: %s", err.message);
    pack_flip_byte(packed, 83);
    CHECK(run(packed, &o) == SLUICE_ECORRUPT && strstr(err.message, "sample 20,") &&
              strstr(err.message, "so are those behind it"),
          "64 in a row: %s", err.message);
    o.subset = some;
    o.subset_count = 3;
    CHECK(run(packed, &o) == SLUICE_ECORRUPT && strstr(err.message, "sample 40,"),
          "all are damaged: %s", err.message);
    pack_flip_byte(packed, 60);
    ld = open_with(packed, &o);
    REQUIRE(sluice_loader_next(ld, &b, &err) == 3, "%s", err.message);
    for (int i = 0; i < 3; i++)
        CHECK(b->ids[i] == 60, "sample %d for sample %d", (int)b->ids[i], (int)some[i]);
    sluice_loader_close(ld);
    pack_flip_byte(packed, 80);
    ld = open_with(packed, &o);
    REQUIRE(sluice_loader_next(ld, &b, &err) == 3, "%s", err.message);
    CHECK(b->ids[0] == 60 && b->ids[2] == 80, "samples %d and %d for 40 and 80",
          (int)b->ids[0], (int)b->ids[2]);
    sluice_loader_close(ld);
}

static int refuse(const void *arg, const struct sluice_image *in, void *out,
                  struct sluice_error *e)
{
    (void)arg, (void)out;
    return in->id == 5 ? sluice_fail(e, SLUICE_ECORRUPT, "not this one") : 0;
}

static void not_damage(enum sluice_io io)
{
    struct sluice_loader_options o = {
        .batch_size = 8,
        .threads = 2,
        .io = io,
        .on_error = SLUICE_SKIP,
        .transform = { refuse, NULL, { 1, 1, 1, SLUICE_U8, SLUICE_NHWC } },
    };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int n;
    pack_write(packed, 60);
    CHECK(run(packed, &o) == SLUICE_ECORRUPT && strstr(err.message, "not this one"),
          "a transform's error: %s", err.message);
    o.transform = (struct sluice_transform){ 0 };
    o.order = SLUICE_SEQUENTIAL;
    o.batches = 2;
    ld = open_with(packed, &o);
    REQUIRE(truncate(packed, 3 * 4096 + 20 * PACK_BYTES + 9) == 0, "truncate");
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        CHECK(b->count == (b->number == 7 ? 4 : 8), "a short batch");
        sluice_loader_release(ld, b);
    }
    /* Memory may have had it all before. */
    CHECK(n == SLUICE_ECORRUPT || (n == 0 && io == SLUICE_IO_RESIDENT),
          "a file that was cut: %d, %s", n, err.message);
    sluice_loader_close(ld);
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(clean, sizeof(clean), "%s/clean.sluice", folder);
    snprintf(bad, sizeof(bad), "%s/bad.sluice", folder);
    snprintf(packed, sizeof(packed), "%s/packed.sluice", folder);
    write_pictures(clean, false);
    write_pictures(bad, true);
    learn_pixels();
    for (int i = 0; i < 4; i++) {
        pack_write(packed, 1);
        if (!pack_readable(packed, pack_backends[i]))
            continue;
        everywhere(pack_backends[i]);
        no_substitute(pack_backends[i]);
        not_damage(pack_backends[i]);
    }
    raised();
    folder_remove(folder);
    return check_done();
}
