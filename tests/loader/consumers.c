/* consumers.c -- what consumers may do: share an epoch among threads, seek anywhere at
 * any time, run on into the next epoch, read single samples, bring a transform and
 * memory of their own, ask for nonsense. */
#include <pthread.h>
#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 1000, BATCH = 32, BATCHES = 32, EPOCHS = 4 };

static char path[128];
static uint32_t expected[EPOCHS][BATCHES]; /* checksum of each batch's ids */

static struct sluice_loader *open_with(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

/* The batch is the one that its epoch and number promise. */
static void examine(const struct sluice_batch *b)
{
    uint8_t want[PACK_BYTES];
    REQUIRE(b->epoch < EPOCHS && b->number < BATCHES, "place");
    CHECK(sluice_crc32c(0, b->ids, (size_t)b->count * 8) ==
              expected[b->epoch][b->number],
          "ids of epoch %d, batch %d", (int)b->epoch, (int)b->number);
    for (int i = 0; i < b->count; i++) {
        pack_pixels(b->ids[i], want);
        CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want, PACK_BYTES) ==
                  0,
              "pixels");
    }
}

static void learn_expected(void)
{
    struct sluice_loader *ld =
        open_with(&(struct sluice_loader_options){ .batch_size = BATCH, .threads = 1 });
    const struct sluice_batch *b;
    CHECK(sluice_loader_batches(ld) == BATCHES, "batches");
    for (uint32_t e = 0; e < EPOCHS; e++) {
        REQUIRE(sluice_loader_seek(ld, e, 0, NULL) == 0, "seek");
        while (sluice_loader_next(ld, &b, NULL) > 0) {
            expected[e][b->number] = sluice_crc32c(0, b->ids, (size_t)b->count * 8);
            sluice_loader_release(ld, b);
        }
    }
    CHECK(expected[0][0] != expected[1][0] && expected[1][0] != expected[2][0],
          "epochs are alike");
    sluice_loader_close(ld);
}

/* ---- several consumers ---- */

struct crowd {
    struct sluice_loader *ld;
    _Atomic int seen[BATCHES];
};

static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER; /* CHECK counts */

static void *consume(void *arg)
{
    struct crowd *c = arg;
    const struct sluice_batch *b;
    struct sluice_error err;
    struct sluice_loader_stats stats;
    int n;
    /* Who waits holds none, so nobody is ever told that all are held. */
    while ((n = sluice_loader_next(c->ld, &b, &err)) > 0) {
        pthread_mutex_lock(&checking);
        examine(b);
        pthread_mutex_unlock(&checking);
        c->seen[b->number]++;
        sluice_loader_stats(c->ld, &stats);
        sluice_loader_release(c->ld, b);
    }
    pthread_mutex_lock(&checking);
    CHECK(n == 0, "%s", err.message);
    pthread_mutex_unlock(&checking);
    return NULL;
}

static void shared_epochs(enum sluice_io io, int crowd, int batches)
{
    enum { CROWD_MAX = 64 };
    struct crowd c = {
        .ld = open_with(&(struct sluice_loader_options){
            .batch_size = BATCH, .batches = batches, .threads = 3, .io = io })
    };
    for (uint32_t e = 0; e < EPOCHS; e++) {
        pthread_t threads[CROWD_MAX];
        for (int i = 0; i < BATCHES; i++)
            c.seen[i] = 0;
        REQUIRE(sluice_loader_seek(c.ld, e, 0, NULL) == 0, "seek");
        pthread_mutex_lock(&checking);
        for (int i = 0; i < crowd; i++)
            REQUIRE(pthread_create(&threads[i], NULL, consume, &c) == 0, "thread");
        pthread_mutex_unlock(&checking);
        for (int i = 0; i < crowd; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < BATCHES; i++)
            CHECK(c.seen[i] == 1, "batch %d came %d times", i, c.seen[i]);
    }
    sluice_loader_close(c.ld);
}

/* ---- seeking ---- */

static void jumps(enum sluice_io io)
{
    struct sluice_loader *ld = open_with(&(struct sluice_loader_options){
        .batch_size = BATCH, .batches = 3, .threads = 2, .io = io });
    const struct sluice_batch *b;
    struct sluice_error err = { 0 };
    uint32_t state = 12345;
    for (int i = 0; i < 150; i++) {
        state = state * 1664525 + 1013904223;
        const uint32_t epoch = state >> 30;
        const uint64_t batch = (state >> 8) % (BATCHES + 1);
        int n = 1, steps = (int)(state >> 24) % 5;
        REQUIRE(sluice_loader_seek(ld, epoch, batch, &err) == 0, "%s", err.message);
        for (uint64_t k = batch; k < batch + (uint64_t)steps && n > 0; k++) {
            n = sluice_loader_next(ld, &b, &err);
            CHECK(n >= 0 && (n > 0) == (k < BATCHES), "%s", err.message);
            if (n <= 0)
                break;
            CHECK(b->epoch == epoch && b->number == k, "elsewhere");
            examine(b);
            sluice_loader_release(ld, b);
        }
    }
    CHECK(sluice_loader_seek(ld, 0, BATCHES + 1, &err) == SLUICE_EINVAL, "behind");
    CHECK(sluice_loader_seek(ld, 0, BATCHES, &err) == 0 &&
              sluice_loader_next(ld, &b, &err) == 0 &&
              sluice_loader_next(ld, &b, &err) == 0,
          "the end is not the end");
    sluice_loader_close(ld);
}

/* Epochs so short that the workers run several ahead. */
static void short_epochs(void)
{
    struct sluice_loader *ld = open_with(&(struct sluice_loader_options){
        .batch_size = SAMPLES, .batches = 5, .threads = 2 });
    const struct sluice_batch *b;
    for (uint32_t e = 0; e < 20; e++) {
        REQUIRE(sluice_loader_seek(ld, e, 0, NULL) == 0, "seek");
        REQUIRE(sluice_loader_next(ld, &b, NULL) == SAMPLES && b->epoch == e, "epoch");
        sluice_loader_release(ld, b);
        CHECK(sluice_loader_next(ld, &b, NULL) == 0, "one batch");
    }
    sluice_loader_close(ld);
}

static void no_batches(void)
{
    struct sluice_loader *ld = open_with(&(struct sluice_loader_options){
        .batch_size = SAMPLES + 1, .drop_last = true });
    const struct sluice_batch *b;
    for (uint32_t e = 0; e < 3; e++) {
        CHECK(sluice_loader_seek(ld, e, 0, NULL) == 0, "seek");
        CHECK(sluice_loader_next(ld, &b, NULL) == 0 && !b, "a batch of nothing");
    }
    CHECK(sluice_loader_batches(ld) == 0 && sluice_loader_samples(ld) == 0, "lengths");
    sluice_loader_close(ld);
}

/* ---- transforms, memory ---- */

static int first_pixel(const void *arg, const struct sluice_image *in, void *out,
                       struct sluice_error *err)
{
    float *to = out;
    if (in->id == *(const uint64_t *)arg)
        return sluice_fail(err, SLUICE_EINVAL, "not this one");
    to[0] = in->pixels[0];
    to[1] = (float)in->id;
    to[2] = (float)in->epoch;
    return 0;
}

static void transformed(enum sluice_io io)
{
    uint64_t bad = UINT64_MAX;
    struct sluice_loader_options o = {
        .batch_size = BATCH,
        .threads = 2,
        .io = io,
        .transform = { first_pixel, &bad, { 1, 1, 3, SLUICE_F32, SLUICE_NCHW } },
    };
    struct sluice_loader *ld = open_with(&o);
    const struct sluice_batch *b;
    struct sluice_error err = { 0 };
    uint8_t want[PACK_BYTES];
    int n;
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        const float *p = b->pixels;
        CHECK(b->shape.dtype == SLUICE_F32 && b->shape.layout == SLUICE_NCHW, "shape");
        for (int i = 0; i < n; i++, p += 3) {
            pack_pixels(b->ids[i], want);
            CHECK(p[0] == want[0] && p[1] == (float)b->ids[i] && p[2] == 0, "values");
        }
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0, "%s", err.message);
    sluice_loader_close(ld);

    bad = 321;
    ld = open_with(&o);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    CHECK(n == SLUICE_EINVAL && strstr(err.message, "sample 321: ") &&
              strstr(err.message, "not this one"),
          "%d, %s", n, err.message);
    CHECK(sluice_loader_seek(ld, 0, 0, &err) < 0, "goes on after an error");
    sluice_loader_close(ld);
}

static size_t held;
static bool poor;

static void *lend(void *ctx, size_t size)
{
    CHECK(ctx == &held, "context");
    held += size;
    return poor ? NULL : aligned_alloc(64, (size + 63) / 64 * 64);
}

static void take_back(void *ctx, void *memory, size_t size)
{
    CHECK(ctx == &held, "context");
    held -= size;
    free(memory);
}

static void own_memory(void)
{
    const struct sluice_loader_options o = { .batch_size = 7,
                                             .allocator = { lend, take_back, &held } };
    struct sluice_loader *ld = open_with(&o);
    const struct sluice_batch *b;
    struct sluice_error err;
    CHECK(held >= 4 * 7 * PACK_BYTES, "%zu bytes lent", held);
    REQUIRE(sluice_loader_next(ld, &b, &err) == 7, "%s", err.message);
    CHECK((uintptr_t)b->pixels % 64 == 0, "alignment");
    sluice_loader_release(ld, b);
    REQUIRE(sluice_loader_next(ld, &b, &err) == 7, "%s", err.message);
    CHECK((uintptr_t)b->pixels % 64 == 0, "alignment of the second");
    sluice_loader_close(ld);
    CHECK(held == 0, "%zu bytes not given back", held);
    poor = true;
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_ENOMEM && !ld, "%s",
          err.message);
}

/* ---- single samples, nonsense ---- */

struct reader {
    struct sluice_loader *ld;
    int bad; /* samples that are not what was written */
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint8_t got[PACK_BYTES], want[PACK_BYTES];
    struct sluice_image image;
    struct sluice_error err;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        const int rc = sluice_loader_read(r->ld, i, got, sizeof(got), &image, &err);
        pack_pixels(i, want);
        r->bad += rc < 0 || memcmp(got, want, PACK_BYTES) != 0 || image.id != i;
    }
    return NULL;
}

static void single(enum sluice_io io)
{
    struct sluice_loader *ld =
        open_with(&(struct sluice_loader_options){ .batch_size = BATCH, .io = io });
    uint8_t got[PACK_BYTES], want[PACK_BYTES];
    struct sluice_image image;
    struct sluice_error err;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        REQUIRE(sluice_loader_read(ld, i, got, sizeof(got), &image, &err) == 0, "%s",
                err.message);
        pack_pixels(i, want);
        CHECK(memcmp(got, want, PACK_BYTES) == 0, "sample %d", (int)i);
        CHECK(image.pixels == got && image.id == i && image.width == PACK_SIDE,
              "image");
    }
    sluice_loader_close(ld);
    ld = open_with(&(struct sluice_loader_options){ .batch_size = BATCH, .io = io });
    struct reader readers[3] = { { ld, 0 }, { ld, 0 }, { ld, 0 } };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, read_all, &readers[i]) == 0,
                "thread");
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK(readers[i].bad == 0, "%d samples differ", readers[i].bad);
    }
    CHECK(sluice_loader_read(ld, 0, got, sizeof(got) - 1, NULL, &err) == SLUICE_EINVAL,
          "too little room");
    CHECK(sluice_loader_read(ld, SAMPLES, got, sizeof(got), NULL, &err) ==
              SLUICE_EINVAL,
          "a sample too many");
    sluice_loader_close(ld);
}

static void refuse(const struct sluice_loader_options *o, int code, const char *what)
{
    struct sluice_loader *ld;
    struct sluice_error err = { 0 };
    const int rc = sluice_loader_open(&ld, path, o, &err);
    CHECK(rc == code && !ld && strstr(err.message, path), "%s: %d, %s", what, rc,
          err.message);
    sluice_loader_close(ld);
}

static void nonsense(void)
{
    const uint64_t beyond = SAMPLES;
    refuse(&(struct sluice_loader_options){ .batch_size = -1 }, SLUICE_EINVAL, "size");
    refuse(&(struct sluice_loader_options){ .rank = 2, .world = 2 }, SLUICE_EINVAL,
           "rank");
    refuse(&(struct sluice_loader_options){ .rank = 1 }, SLUICE_EINVAL, "rank alone");
    refuse(&(struct sluice_loader_options){ .image_field = "label" }, SLUICE_EINVAL,
           "a label as image");
    refuse(&(struct sluice_loader_options){ .subset = &beyond, .subset_count = 1 },
           SLUICE_EINVAL, "subset");
    refuse(&(struct sluice_loader_options){ .subset = &beyond, .subset_count = 0 },
           SLUICE_EINVAL, "empty subset");
    refuse(&(struct sluice_loader_options){ .io = SLUICE_IO_RESIDENT,
                                            .memory_budget = 1000 },
           SLUICE_ENOMEM, "budget");
    refuse(&(struct sluice_loader_options){ .batch_size = INT32_MAX,
                                            .batches = INT32_MAX },
           SLUICE_EINVAL, "more than there are addresses");
    refuse(&(struct sluice_loader_options){ .jpeg = SLUICE_JPEG_AVX512 + 1,
                                            .on_error = SLUICE_SKIP },
           SLUICE_EUNBUILT, "a decoder that is not there");
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    learn_expected();
    for (int i = 0; i < 4; i++)
        if (pack_readable(path, pack_backends[i])) {
            shared_epochs(pack_backends[i], 4, 6);
            shared_epochs(pack_backends[i], 64, 3);
            jumps(pack_backends[i]);
            transformed(pack_backends[i]);
            single(pack_backends[i]);
        }
    short_epochs();
    no_batches();
    own_memory();
    nonsense();
    folder_remove(folder);
    return check_done();
}
