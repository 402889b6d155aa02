/* stream.c -- the batches are the same whatever delivers them: threads, backends, where
 * one begins; and each epoch visits each sample once. */
#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 1003, BATCH = 64, EPOCHS = 2 };

static char path[128];

/* One checksum of everything in the batches from (epoch 0, batch `first`) on. */
static uint32_t stream(struct sluice_loader_options opt, uint64_t first,
                       const char *what)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    struct sluice_error err = { 0 };
    uint8_t want[PACK_BYTES];
    uint32_t sum = 0;
    int n = sluice_loader_open(&ld, path, &opt, &err);
    REQUIRE(n == 0, "%s: %s", what, err.message);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        REQUIRE(sluice_loader_seek(ld, epoch, epoch ? 0 : first, &err) == 0, "%s",
                err.message);
        for (uint64_t number = epoch ? 0 : first;
             (n = sluice_loader_next(ld, &b, &err)) > 0; number++) {
            CHECK(b->number == number && b->epoch == epoch && b->count == n,
                  "%s: number", what);
            for (int i = 0; i < n; i++) {
                pack_pixels(b->ids[i], want);
                CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want,
                             PACK_BYTES) == 0,
                      "%s: pixels of sample %d", what, (int)b->ids[i]);
                CHECK(b->labels[2 * i] == (int64_t)(b->ids[i] % 10) &&
                          b->labels[2 * i + 1] == -(int64_t)b->ids[i],
                      "%s: labels of sample %d", what, (int)b->ids[i]);
            }
            sum = sluice_crc32c(sum, b->ids, (size_t)n * 8);
            sum = sluice_crc32c(sum, b->pixels, (size_t)n * PACK_BYTES);
            sum = sluice_crc32c(sum, b->labels, (size_t)n * 16);
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s: %s", what, err.message);
    }
    sluice_loader_close(ld);
    return sum;
}

static int available(enum sluice_io io)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    int rc = sluice_loader_open(&ld, path, &(struct sluice_loader_options){ .io = io },
                                &err);
    if (rc < 0)
        printf("%s: %s\n", sluice_io_name(io), err.message);
    sluice_loader_close(ld);
    CHECK(rc == 0 || rc == SLUICE_EUNBUILT, "%s", err.message);
    return rc == 0;
}

static void same_everywhere(enum sluice_order order)
{
    static const int threads[] = { 1, 2, 7, 64 };
    const struct sluice_loader_options plain = {
        .batch_size = BATCH,
        .seed = 5,
        .order = order,
        .block = order == SLUICE_QUASI_RANDOM ? 10 : 0,
        .open_blocks = order == SLUICE_QUASI_RANDOM ? 9 : 0,
        .threads = 1,
        .io = SLUICE_IO_PREAD
    };
    const uint32_t want = stream(plain, 0, "pread");
    const uint32_t late = stream(plain, 9, "pread from batch 9");
    CHECK(want != late, "the checksum sees nothing");
    for (int io = SLUICE_IO_AUTO; io <= SLUICE_IO_PREAD; io++) {
        if (!available(io))
            continue;
        for (int t = 0; t < 4; t++) {
            struct sluice_loader_options o = plain;
            o.threads = threads[t];
            o.io = io;
            o.batches = t + 1;
            CHECK(stream(o, 0, sluice_io_name(io)) == want, "%s with %d threads",
                  sluice_io_name(io), threads[t]);
            CHECK(stream(o, 9, sluice_io_name(io)) == late, "%s with %d threads, late",
                  sluice_io_name(io), threads[t]);
        }
    }
}

/* All ranks together visit what one alone does, batch by batch. */
static void worlds(int world, bool drop_last, const uint64_t *subset,
                   uint64_t subset_count)
{
    uint8_t seen[SAMPLES] = { 0 };
    uint64_t visited = 0, batches = 0;
    const uint64_t total = subset ? subset_count : SAMPLES;
    for (int rank = 0; rank < world; rank++) {
        struct sluice_loader *ld;
        const struct sluice_batch *b;
        struct sluice_error err = { 0 };
        const struct sluice_loader_options o = { .batch_size = BATCH,
                                                 .rank = rank,
                                                 .world = world,
                                                 .drop_last = drop_last,
                                                 .subset = subset,
                                                 .subset_count = subset_count };
        int n;
        uint64_t mine = 0;
        REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
        CHECK(!rank || sluice_loader_batches(ld) == batches,
              "ranks have unequal batches");
        batches = sluice_loader_batches(ld);
        while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
            CHECK(!drop_last || n == BATCH, "a short batch");
            for (int i = 0; i < n; i++)
                seen[b->ids[i]]++;
            mine += (uint64_t)n;
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s", err.message);
        CHECK(mine == sluice_loader_samples(ld), "samples of the epoch");
        visited += mine;
        sluice_loader_close(ld);
    }
    for (int i = 0; i < SAMPLES; i++)
        CHECK(seen[i] <= 1, "sample %d came %d times to world %d", i, seen[i], world);
    CHECK(visited ==
              (drop_last ? total / (uint64_t)(BATCH * world) * (uint64_t)(BATCH * world)
                         : total),
          "world %d visits %d of %d", world, (int)visited, (int)total);
    for (uint64_t i = 0; subset && !drop_last && i < subset_count; i++)
        CHECK(seen[subset[i]] == 1, "subset");
}

static void order_changes(void)
{
    const struct sluice_loader_options a = { .batch_size = BATCH,
                                             .seed = 1,
                                             .threads = 1 };
    struct sluice_loader_options b = a, c = a;
    b.seed = 2;
    c.order = SLUICE_SEQUENTIAL;
    const uint32_t one = stream(a, 0, "seed 1");
    CHECK(one != stream(b, 0, "seed 2"), "the seed changes nothing");
    CHECK(one != stream(c, 0, "sequential"), "random is sequential");
    CHECK(one == stream(a, 0, "seed 1"), "the same twice");
}

int main(void)
{
    uint64_t odd[SAMPLES / 2];
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < SAMPLES / 2; i++)
        odd[i] = (uint64_t)(2 * i + 1);
    same_everywhere(SLUICE_RANDOM);
    same_everywhere(SLUICE_SEQUENTIAL);
    same_everywhere(SLUICE_QUASI_RANDOM);
    order_changes();
    for (int world = 1; world <= 8; world *= 2) {
        worlds(world, false, NULL, 0);
        worlds(world, true, NULL, 0);
        worlds(world, false, odd, SAMPLES / 2);
    }
    folder_remove(folder);
    return check_done();
}
