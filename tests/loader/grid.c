/* grid.c -- one stream of samples for every number of threads, backend, world and place
 * to resume: the ranks' batches, put together round by round, are those of a single
 * rank, byte for byte. */
#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 603, BATCH = 16, EPOCH = 1, WORLD_MAX = 8 };

static char path[128];

/* Checksums of samples (id, labels, pixels) in the order in which they came. */
struct stream {
    uint32_t sum[2 * SAMPLES];
    int count;
};

static void add(struct stream *s, const struct sluice_batch *b, int i)
{
    const int64_t *labels = &b->labels[(size_t)i * (size_t)b->label_columns];
    uint32_t sum = sluice_crc32c(0, &b->ids[i], sizeof(b->ids[i]));
    sum = sluice_crc32c(sum, labels, (size_t)b->label_columns * sizeof(*labels));
    sum = sluice_crc32c(sum, (uint8_t *)b->pixels + (size_t)i * PACK_BYTES, PACK_BYTES);
    REQUIRE(s->count < 2 * SAMPLES, "more samples than there are");
    s->sum[s->count++] = sum;
}

/* What a rank delivers from batch `first` on, and how many of it in each batch. */
static int read_rank(const struct sluice_loader_options *o, uint64_t first,
                     struct stream *s, int sizes[SAMPLES])
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    struct sluice_error err = { 0 };
    int n, batches = 0;
    s->count = 0;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    REQUIRE(sluice_loader_seek(ld, EPOCH, first, &err) == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        CHECK(b->number == first + (uint64_t)batches, "batch %d", (int)b->number);
        for (int i = 0; i < n; i++)
            add(s, b, i);
        sizes[batches++] = n;
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0, "%s", err.message);
    sluice_loader_close(ld);
    return batches;
}

/* One checksum of what all ranks deliver from batch `first` on. */
static uint32_t read_world(struct sluice_loader_options o, int world, uint64_t first,
                           int *count)
{
    static struct stream rank[WORLD_MAX];
    static int sizes[WORLD_MAX][SAMPLES];
    int at[WORLD_MAX] = { 0 }, rounds = 0;
    uint32_t sum = 0;
    o.world = world;
    *count = 0;
    for (int r = 0; r < world; r++) {
        o.rank = r;
        const int batches = read_rank(&o, first, &rank[r], sizes[r]);
        CHECK(r == 0 || batches == rounds, "rank %d has %d batches, rank 0 %d", r,
              batches, rounds);
        rounds = batches;
    }
    for (int k = 0; k < rounds; k++)
        for (int r = 0; r < world; at[r] += sizes[r][k], *count += sizes[r][k], r++)
            sum = sluice_crc32c(sum, &rank[r].sum[at[r]],
                                (size_t)sizes[r][k] * sizeof(rank[r].sum[0]));
    return sum;
}

static bool available(enum sluice_io io)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    const int rc = sluice_loader_open(
        &ld, path, &(struct sluice_loader_options){ .io = io }, &err);
    sluice_loader_close(ld);
    CHECK(rc == 0 || rc == SLUICE_EUNBUILT, "%s", err.message);
    if (rc < 0)
        printf("%s: %s\n", sluice_io_name(io), err.message);
    return rc == 0;
}

static void grid(struct sluice_loader_options o, int most_threads, const char *what)
{
    static const int threads[] = { 1, 2, 7, 64 }, worlds[] = { 1, 2, 8 };
    static const int resume[] = { 0, 1, 4 }; /* the last round of a world of 8 */
    static struct stream plain;
    static int sizes[SAMPLES];
    o.threads = 1;
    o.io = SLUICE_IO_PREAD;
    o.world = 1;
    read_rank(&o, 0, &plain, sizes);
    REQUIRE(plain.count == SAMPLES, "%s: %d samples", what, plain.count);
    for (int io = SLUICE_IO_RESIDENT; io <= SLUICE_IO_PREAD; io++) {
        if (!available(io))
            continue;
        for (int cell = 0; cell < 4 * 3 * 3; cell++) {
            const int world = worlds[cell / 3 % 3], first = resume[cell % 3];
            const int behind = first * world * BATCH, left = SAMPLES - behind;
            const uint32_t want = sluice_crc32c(0, &plain.sum[behind],
                                                (size_t)left * sizeof(plain.sum[0]));
            int count;
            o.io = (enum sluice_io)io;
            o.threads = threads[cell / 9];
            if (o.threads > most_threads)
                break;
            CHECK(read_world(o, world, (uint64_t)first, &count) == want &&
                      count == left,
                  "%s: %s, %d threads, world %d, from batch %d: %d samples of %d", what,
                  sluice_io_name(io), o.threads, world, first, count, left);
        }
    }
}

int main(void)
{
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    struct sluice_loader_options o = { .batch_size = BATCH, .seed = 9 };
    grid(o, 64, "random");
    struct sluice_loader_options blocks = o;
    blocks.order = SLUICE_QUASI_RANDOM;
    blocks.block = 10;
    blocks.open_blocks = 9;
    grid(blocks, 7, "quasi_random");
    o.balanced = true;
    grid(o, 7, "balanced");
    folder_remove(folder);
    return check_done();
}
