/* memory.c -- a loader tells at open how much memory it comes to hold, keeps to it with
 * every backend on large and small, plain and progressive pictures, and is not opened
 * where a limit is lower. */
#include <pthread.h>

#include "pack.h"
#include "support/heap.h"
#include "support/jpegs.h"

enum { SAMPLES = 20, BATCH = 4 };

static char pictures[128], packed[128], large[128], frames[128], coefficients[128];
static char learnt[128]; /* frames with a dictionary */
static struct sluice_error err;

static void write_pictures(const char *path)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } },
    };
    struct sluice_writer *w;
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 1 },
                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        const struct jpeg_make m = { 60 + i * 27, 700 - i * 24,    3, 1 + i % 2,  1,
                                     i % 3 == 0,  i % 4 ? 85 : 98, 0, (uint32_t)i };
        size_t size;
        uint8_t *data = jpeg_make(&m, &size);
        const struct sluice_value v = { .data = data,
                                        .size = size,
                                        .codec = SLUICE_CODEC_JPEG,
                                        .height = (uint32_t)m.height,
                                        .width = (uint32_t)m.width,
                                        .channels = 3 };
        REQUIRE(sluice_writer_append(w, &v, &err) == 0, "%s", err.message);
        free(data);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

/* So large that what a worker needs for one is beyond any allowance for small things.
 */
static void write_large(const char *path)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 800, 700, 3 } },
    };
    static uint8_t pixels[800 * 700 * 3];
    struct sluice_writer *w;
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 1 },
                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < 16; i++) {
        const struct sluice_value v = { .data = pixels, .size = sizeof(pixels) };
        pixels[i] = 1;
        REQUIRE(sluice_writer_append(w, &v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

/* Small in the file and large once decoded, so that what the decoder takes is most of
 * all that is held: even pictures, as zstd frames, by a dictionary of so many bytes, or
 * as progressive JPEGs. */
static void write_even(const char *path, bool jpegs, size_t dictionary_size)
{
    enum { SIDE = 1200, COUNT = 24 };
    static uint8_t dictionary[1 << 20];
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } },
    };
    const struct sluice_schema schema = { .fields = fields,
                                          .field_count = 1,
                                          .zstd_level = 1,
                                          .dictionary = dictionary,
                                          .dictionary_size = dictionary_size };
    static uint8_t pixels[SIDE * SIDE * 3];
    const struct jpeg_make m = { SIDE, SIDE, 3, 1, 1, 1, 1, 0, 1 };
    struct sluice_writer *w;
    size_t size = sizeof(pixels);
    uint8_t *jpeg = jpegs ? jpeg_make(&m, &size) : NULL;
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < COUNT; i++) {
        const struct sluice_value v = { .data = jpegs ? jpeg : pixels,
                                        .size = size,
                                        .codec = jpegs ? SLUICE_CODEC_JPEG
                                                       : SLUICE_CODEC_RAW,
                                        .height = SIDE,
                                        .width = SIDE,
                                        .channels = 3 };
        REQUIRE(sluice_writer_append(w, &v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    free(jpeg);
}

/* The most that was on the heap, looked at without pause. */
struct watch {
    _Atomic size_t most;
    _Atomic bool stop;
};

static void *watch(void *arg)
{
    struct watch *w = arg;
    const struct timespec pause = { .tv_nsec = 200000 };
    while (!w->stop) {
        const size_t now = heap_bytes();
        w->most = now > w->most ? now : w->most;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* The most that the heap grew by while an epoch was read. */
static size_t growth(const char *path, const struct sluice_loader_options *o,
                     struct sluice_loader_stats *stats)
{
    struct watch w = { .most = heap_bytes() };
    const size_t before = w.most;
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    pthread_t watcher;
    int n;
    REQUIRE(pthread_create(&watcher, NULL, watch, &w) == 0, "thread");
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    CHECK(n == 0, "%s", err.message);
    sluice_loader_stats(ld, stats);
    w.stop = true;
    pthread_join(watcher, NULL);
    const size_t now = heap_bytes(), most = now > w.most ? now : w.most;
    sluice_loader_close(ld);
    return most - before;
}

static void kept(const char *path, struct sluice_loader_options o)
{
    struct sluice_loader_stats stats;
    const size_t most = growth(path, &o, &stats);
    CHECK(most <= stats.memory_bound, "%s, %d threads: %zu bytes, announced %zu",
          sluice_io_name(stats.io), o.threads, most, stats.memory_bound);
    /* A bound of ten times the need would be none. */
    const size_t payload = stats.io == SLUICE_IO_RESIDENT ? stats.memory : 0;
    CHECK(stats.memory_bound < 10 * most + payload + (24 << 20),
          "%s, %d threads: %zu bytes, announced %zu", sluice_io_name(stats.io),
          o.threads, most, stats.memory_bound);
    CHECK(stats.memory <= stats.memory_bound, "%zu held, announced %zu", stats.memory,
          stats.memory_bound);
}

static void limits(const char *path, struct sluice_loader_options o)
{
    struct sluice_loader_stats stats;
    struct sluice_loader *ld;
    o.io = SLUICE_IO_PREAD;
    growth(path, &o, &stats);
    /* Not yet knowing the backend, open counts with the hungriest, and says so. */
    size_t need = 0;
    o.memory_limit = 1;
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_ENOMEM && !ld, "%s",
          err.message);
    const char *found = strstr(err.message, "found a need of ");
    REQUIRE(found && sscanf(found, "found a need of %zu", &need) == 1, "%s",
            err.message);
    o.memory_limit = need;
    CHECK(need >= stats.memory_bound && need < stats.memory_bound + (4 << 20),
          "a need of %zu", need);
    o.memory_limit = need;
    CHECK(growth(path, &o, &stats) <= need && stats.memory_bound <= need,
          "just enough: %zu of %zu", stats.memory_bound, need);
    o.memory_limit = need - 1;
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_ENOMEM && !ld &&
              strstr(err.message, "memory_limit"),
          "too little: %s", err.message);
    /* AUTO keeps the payload only where the limit has room for it too. */
    o.io = SLUICE_IO_AUTO;
    o.memory_limit = need + 4096;
    growth(path, &o, &stats);
    CHECK(stats.io != SLUICE_IO_RESIDENT, "resident beyond the limit");
    o.memory_limit = need + (64 << 20);
    growth(path, &o, &stats);
    CHECK(stats.io == SLUICE_IO_RESIDENT && stats.memory_bound <= o.memory_limit, "%s",
          sluice_io_name(stats.io));
    o.io = SLUICE_IO_RESIDENT;
    o.memory_limit = need + 4096;
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_ENOMEM && !ld, "%s",
          err.message);
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(pictures, sizeof(pictures), "%s/pictures.sluice", folder);
    snprintf(packed, sizeof(packed), "%s/packed.sluice", folder);
    write_pictures(pictures);
    pack_write(packed, 2000);
    snprintf(large, sizeof(large), "%s/large.sluice", folder);
    write_large(large);
    snprintf(frames, sizeof(frames), "%s/frames.sluice", folder);
    snprintf(coefficients, sizeof(coefficients), "%s/coefficients.sluice", folder);
    snprintf(learnt, sizeof(learnt), "%s/learnt.sluice", folder);
    write_even(frames, false, 0);
    write_even(learnt, false, 1 << 20);
    write_even(coefficients, true, 0);
    const struct sluice_loader_options cropped = {
        .batch_size = BATCH, .crop = { .kind = SLUICE_CROP_RANDOM, .size = 96 }
    };
    const struct sluice_loader_options plain = { .batch_size = 100 };
    for (int io = SLUICE_IO_RESIDENT; io <= SLUICE_IO_PREAD; io++) {
        struct sluice_loader *ld;
        struct sluice_loader_options o = plain;
        o.io = (enum sluice_io)io;
        const int rc = sluice_loader_open(&ld, packed, &o, &err);
        sluice_loader_close(ld);
        if (rc < 0) {
            printf("%s: %s\n", sluice_io_name(o.io), err.message);
            continue;
        }
        for (int threads = 1; threads <= 6; threads += 5) {
            struct sluice_loader_options p = cropped;
            o.batch_size = plain.batch_size;
            o.batches = 0;
            o.threads = p.threads = threads;
            p.io = o.io;
            kept(packed, o);
            kept(pictures, p);
            p.batch_size = o.batch_size = 4;
            p.batches = o.batches = 8;
            p.crop = (struct sluice_crop){ .kind = SLUICE_CROP_CENTER,
                                           .share = 1,
                                           .size = 600 };
            kept(large, o);
            kept(large, p);
        }
    }
    /* One term of the decoder's at a time is more than all allowances. */
    struct sluice_loader_options even = {
        .batch_size = 3,
        .threads = 3,
        .io = SLUICE_IO_PREAD,
        .crop = { .kind = SLUICE_CROP_CENTER, .share = 1, .size = 16 }
    };
    kept(frames, even);
    kept(coefficients, even);
    even.crop.size = 1100; /* the scaled picture, and the one of that width alone */
    even.batches = 1;
    even.batch_size = 1;
    even.threads = 6;
    kept(frames, even);
    even.crop.size = 16; /* every worker's copy of the dictionary */
    even.batches = 8;
    even.io = SLUICE_IO_RESIDENT; /* whose bound has no room for reads to hide it */
    kept(learnt, even);
    limits(packed, plain);
    limits(pictures, cropped);
    folder_remove(folder);
    return check_done();
}
