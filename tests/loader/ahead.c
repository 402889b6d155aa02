/* ahead.c -- QUASI_RANDOM through the page cache: nothing is read before the kernel was
 * told of its block, each block is told of once an epoch, and not sooner than a window
 * before it is wanted. */
#include "core.h"
#include "pack.h"

enum { SAMPLES = 1003, BLOCK = 20, OPEN = 6, BLOCKS = 51, BATCH = 32, EPOCHS = 3 };

static char path[128];
static struct sluice_error err;
static struct sluice_sys sys;
static uint64_t begin_of[SAMPLES];

/* By block: how often told of, samples delivered. */
static int told[BLOCKS], stray, early, untold, read_of[BLOCKS];

static int sample_at(uint64_t offset)
{
    for (int i = 0; i < SAMPLES; i++)
        if (begin_of[i] == offset)
            return i;
    return -1;
}

static void advise(int fd, uint64_t offset, uint64_t size)
{
    const int first = sample_at(offset);
    const int in_block = first + BLOCK > SAMPLES ? SAMPLES - first : BLOCK;
    (void)fd;
    stray += first < 0 || first % BLOCK || size != (uint64_t)in_block * PACK_BYTES;
    if (first >= 0)
        told[first / BLOCK]++;
    /* The window that is delivered, the one that was begun, and the next. */
    int waiting = 0;
    for (int b = 0; b < BLOCKS; b++)
        waiting += told[b] * BLOCK > read_of[b];
    early += waiting > 3 * OPEN + 1; /* the last block is short */
}

int main(void)
{
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .batches = 1,
                                             .threads = 1,
                                             .io = SLUICE_IO_PREAD,
                                             .order = SLUICE_QUASI_RANDOM,
                                             .block = BLOCK,
                                             .open_blocks = OPEN };
    const char *folder = folder_make();
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    struct memory_file f;
    struct sluice_dataset *ds;
    struct sluice_extent x;
    int n;
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    f.bytes = file_read(path, &f.size);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    for (uint64_t i = 0; i < SAMPLES; i++) {
        REQUIRE(sluice_dataset_locate(ds, 0, i, &x, &err) == 0, "%s", err.message);
        begin_of[i] = x.offset;
    }
    sys = sluice_sys_real;
    sys.advise = advise;
    REQUIRE(sluice_loader_open_with(&ld, path, &o, &sys, &err) == 0, "%s", err.message);
    for (uint32_t e = 0; e < EPOCHS; e++) {
        REQUIRE(sluice_loader_seek(ld, e, 0, &err) == 0, "%s", err.message);
        while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
            /* The worker has no other batch to go on with: it stands still. */
            for (int i = 0; i < n; i++) {
                const uint64_t block = b->ids[i] / BLOCK;
                untold += block < BLOCKS - 1 && told[block] * BLOCK <= read_of[block];
                read_of[block]++;
            }
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s", err.message);
    }
    sluice_loader_close(ld);
    CHECK(stray == 0, "%d times something else than a block is told of", stray);
    CHECK(untold == 0, "%d samples of blocks that nobody was told of", untold);
    CHECK(early == 0, "%d blocks are told of too early", early);
    for (int i = 0; i < BLOCKS; i++)
        CHECK(told[i] == EPOCHS || told[i] == EPOCHS + 1, "block %d: told %d times", i,
              told[i]);
    sluice_dataset_free(ds);
    free((void *)f.bytes);
    folder_remove(folder);
    return check_done();
}
