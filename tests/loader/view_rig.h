/* view_rig.h -- a file of SAMPLES images of ten classes, what loaders make of it under
 * given options, and what they refuse. */
#ifndef SLUICE_TESTS_VIEW_RIG_H
#define SLUICE_TESTS_VIEW_RIG_H

#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 1000, BATCH = 32 };

static char path[128];
static struct sluice_error err;

static inline struct sluice_loader *open_with(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

/* How often each sample comes in an epoch; returns the places. */
static inline uint64_t census(const struct sluice_loader_options *o, uint32_t epoch,
                              uint32_t times[SAMPLES])
{
    struct sluice_loader *ld = open_with(o);
    uint64_t ids[BATCH], total = 0;
    memset(times, 0, SAMPLES * sizeof(*times));
    for (uint64_t b = 0; b < sluice_loader_batches(ld); b++) {
        const int n = sluice_loader_ids(ld, epoch, b, ids, BATCH, &err);
        REQUIRE(n > 0, "%s", err.message);
        for (int i = 0; i < n; i++)
            times[ids[i]]++;
        total += (uint64_t)n;
    }
    CHECK(total == sluice_loader_samples(ld), "%d places of %d", (int)total,
          (int)sluice_loader_samples(ld));
    sluice_loader_close(ld);
    return total;
}

static inline void refuse(const struct sluice_loader_options *o, int code,
                          const char *word)
{
    struct sluice_loader *ld;
    err.message[0] = 0;
    const int rc = sluice_loader_open(&ld, path, o, &err);
    CHECK(rc == code && !ld && strstr(err.message, word) && !strchr(err.message, '\n'),
          "expected %s: %d, %s", word, rc, err.message);
    sluice_loader_close(ld);
}

/* A checksum for every batch of two epochs, by its place in the dealing out: the union
 * over ranks does not depend on their number. */
enum { PLACES = 128 };
static inline void deliver(const struct sluice_loader_options *o, uint64_t from,
                           uint32_t sums[2][PLACES])
{
    const uint64_t world = o->world ? (uint64_t)o->world : 1;
    for (uint64_t rank = 0; rank < world; rank++) {
        struct sluice_loader_options mine = *o;
        const struct sluice_batch *b;
        mine.rank = (int)rank;
        struct sluice_loader *ld = open_with(&mine);
        for (uint32_t e = 0; e < 2; e++) {
            int n;
            REQUIRE(sluice_loader_seek(ld, e, from, &err) == 0, "%s", err.message);
            while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
                uint32_t sum = sluice_crc32c(0, b->ids, (size_t)n * 8);
                sum = sluice_crc32c(sum, b->labels, (size_t)n * 16);
                sum = sluice_crc32c(sum, b->pixels, (size_t)n * PACK_BYTES);
                REQUIRE(b->number * world + rank < PLACES, "places");
                sums[e][b->number * world + rank] = sum;
                sluice_loader_release(ld, b);
            }
            CHECK(n == 0, "%s", err.message);
        }
        sluice_loader_close(ld);
    }
}

/* The same batches whatever the threads, the backend and the world, from any batch on.
 */
static inline void delivered(struct sluice_loader_options o)
{
    static const enum sluice_io backends[] = { SLUICE_IO_RESIDENT, SLUICE_IO_URING,
                                               SLUICE_IO_DIRECT, SLUICE_IO_PREAD };
    static const int threads[] = { 1, 2, 7 };
    uint32_t want[2][PLACES] = { { 0 } };
    o.batch_size = BATCH;
    o.drop_last = true; /* what is left is split otherwise for other worlds */
    deliver(&o, 0, want);
    CHECK(want[0][0] && want[0][0] != want[1][0] && want[0][0] != want[0][1],
          "epochs and batches are alike");
    for (int i = 0; i < 4; i++)
        for (int world = 1; world <= 4; world *= 2)
            for (uint64_t from = 0; from < 3; from += 2) {
                uint32_t got[2][PLACES] = { { 0 } };
                struct sluice_loader *ld;
                o.io = backends[i];
                o.threads = threads[i % 3];
                o.world = world;
                o.rank = 0;
                if (sluice_loader_open(&ld, path, &o, &err) == SLUICE_EUNBUILT)
                    break;
                const uint64_t end = sluice_loader_batches(ld) * (uint64_t)world;
                sluice_loader_close(ld);
                deliver(&o, from, got);
                for (uint32_t e = 0; e < 2; e++)
                    for (uint64_t p = from * (uint64_t)world; p < end; p++)
                        CHECK(got[e][p] == want[e][p],
                              "%s, world %d, from %d: epoch %d, place %d",
                              sluice_io_name(backends[i]), world, (int)from, (int)e,
                              (int)p);
            }
}

#endif
