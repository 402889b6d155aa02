/* elastic.c -- a state taken in the middle of an epoch and given to other ranks, batch
 * sizes, threads and backends: together they deliver what is left, each sample once,
 * and the epochs behind it as ever. Its text comes back as it went, and nothing else
 * does. */
#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 1003, BATCH = 16, EPOCH = 2 };

static char path[128], other[128];
static struct sluice_error err;
static int available[SLUICE_IO_PREAD + 1];

/* What was delivered of an epoch: how often, and a checksum of pixels and labels that
 * does not depend on the order. */
struct census {
    uint8_t times[SAMPLES];
    uint32_t sum;
    uint64_t places;
};

static int same(const struct sluice_loader_state *a,
                const struct sluice_loader_state *b)
{
    return a->seed == b->seed && a->epoch == b->epoch && a->position == b->position &&
           a->samples == b->samples && a->view == b->view;
}

static struct sluice_loader *open_with(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

static void count(struct census *c, const struct sluice_batch *b)
{
    for (int i = 0; i < b->count; i++) {
        uint32_t sum = sluice_crc32c(b->epoch, &b->ids[i], 8);
        sum = sluice_crc32c(sum, &b->labels[2 * i], 16);
        sum = sluice_crc32c(sum, (uint8_t *)b->pixels + (size_t)i * PACK_BYTES,
                            PACK_BYTES);
        c->sum += sum;
        c->times[b->ids[i]]++;
        c->places++;
    }
}

/* The next `most` batches, or what the epoch still has. */
static uint64_t take(struct sluice_loader *ld, uint64_t most, struct census *c)
{
    const struct sluice_batch *b;
    uint64_t taken = 0;
    int n = 1;
    while (taken < most && (n = sluice_loader_next(ld, &b, &err)) > 0) {
        count(c, b);
        sluice_loader_release(ld, b);
        taken++;
    }
    CHECK(n >= 0, "%s", err.message);
    return taken;
}

static struct sluice_loader_options options(enum sluice_order order)
{
    return (struct sluice_loader_options){ .batch_size = BATCH,
                                           .seed = 8,
                                           .order = order,
                                           .block =
                                               order == SLUICE_QUASI_RANDOM ? 20 : 0,
                                           .open_blocks =
                                               order == SLUICE_QUASI_RANDOM ? 9 : 0,
                                           .threads = 2,
                                           .io = SLUICE_IO_PREAD };
}

static void whole(const struct sluice_loader_options *o, uint32_t epoch,
                  struct census *c)
{
    struct sluice_loader *ld = open_with(o);
    *c = (struct census){ .sum = 0 };
    REQUIRE(sluice_loader_seek(ld, epoch, 0, &err) == 0, "%s", err.message);
    take(ld, UINT64_MAX, c);
    sluice_loader_close(ld);
}

/* The state of `world` ranks that took `batches` each. */
static struct sluice_loader_state leave(const struct sluice_loader_options *plain,
                                        int world, uint64_t batches, struct census *c)
{
    struct sluice_loader_state state = { .seed = 0 }, s;
    for (int rank = 0; rank < world; rank++) {
        struct sluice_loader_options o = *plain;
        o.rank = rank;
        o.world = world;
        struct sluice_loader *ld = open_with(&o);
        REQUIRE(sluice_loader_seek(ld, EPOCH, 0, &err) == 0, "%s", err.message);
        take(ld, batches, c);
        REQUIRE(sluice_loader_get_state(ld, &s, &err) == 0, "%s", err.message);
        CHECK(rank == 0 || same(&s, &state), "ranks differ");
        state = s;
        sluice_loader_close(ld);
    }
    return state;
}

/* `plain` ranks leave, `next` ones come; all epochs from there on are as `want`. */
static void change(const struct sluice_loader_options *plain, int world,
                   uint64_t batches, const struct sluice_loader_options *next,
                   int next_world, const struct census want[2])
{
    struct census got[2] = { { .sum = 0 }, { .sum = 0 } };
    char text[SLUICE_LOADER_STATE_TEXT];
    struct sluice_loader_state state = leave(plain, world, batches, &got[0]), read;
    uint64_t each = 0;
    REQUIRE(sluice_loader_state_print(&state, text, sizeof(text)) < (int)sizeof(text) &&
                sluice_loader_state_parse(&read, text, &err) == 0 &&
                same(&read, &state),
            "%s: %s", text, err.message);
    for (int rank = 0; rank < next_world; rank++) {
        struct sluice_loader_options o = *next;
        o.rank = rank;
        o.world = next_world;
        struct sluice_loader *ld = open_with(&o);
        REQUIRE(sluice_loader_set_state(ld, &read, &err) == 0, "%s", err.message);
        const uint64_t taken = take(ld, UINT64_MAX, &got[0]);
        CHECK(rank == 0 || taken == each, "ranks take %d and %d batches", (int)taken,
              (int)each);
        each = taken;
        REQUIRE(sluice_loader_seek(ld, EPOCH + 1, 0, &err) == 0, "%s", err.message);
        take(ld, UINT64_MAX, &got[1]);
        sluice_loader_close(ld);
    }
    for (int e = 0; e < 2; e++)
        CHECK(got[e].places == want[e].places && got[e].sum == want[e].sum &&
                  memcmp(got[e].times, want[e].times, SAMPLES) == 0,
              "world %d, %d batches, then world %d of %d with %d threads by %s: epoch "
              "%d has %d places of %d",
              world, (int)batches, next_world, next->batch_size, next->threads,
              sluice_io_name(next->io), e, (int)got[e].places, (int)want[e].places);
}

static void changes(enum sluice_order order)
{
    static const int worlds[] = { 1, 2, 8 }, threads[] = { 1, 2, 7, 64 };
    const struct sluice_loader_options plain = options(order);
    struct census want[2];
    whole(&plain, EPOCH, &want[0]);
    whole(&plain, EPOCH + 1, &want[1]);
    for (int i = 0; i < SAMPLES; i++)
        REQUIRE(want[0].times[i] == 1, "sample %d comes %d times", i, want[0].times[i]);
    CHECK(want[0].sum != want[1].sum, "the checksum sees nothing");
    for (int w = 0; w < 3; w++) {
        const uint64_t rounds = (SAMPLES - 1) / (BATCH * (uint64_t)worlds[w]) + 1;
        const uint64_t points[] = { 0, 1, 3, rounds - 1, rounds };
        for (int k = 0; k < 5; k++)
            for (int v = 0; v < 3; v++) {
                struct sluice_loader_options next = plain;
                next.batch_size = k == 1 ? 24 : BATCH;
                change(&plain, worlds[w], points[k], &next, worlds[v], want);
            }
    }
    for (int io = SLUICE_IO_RESIDENT; io <= SLUICE_IO_PREAD; io++)
        for (int t = 0; t < 4 && available[io]; t++) {
            struct sluice_loader_options next = plain;
            next.io = (enum sluice_io)io;
            next.threads = threads[t];
            change(&plain, worlds[t % 3], 3, &next, worlds[(t + 1) % 3], want);
            change(&next, worlds[(t + 2) % 3], 2, &plain, worlds[t % 3], want);
        }
}

/* With the same world, resuming gives the very batches of an unbroken epoch. */
static void same_batches(int world)
{
    struct sluice_loader_options o = options(SLUICE_RANDOM);
    const struct sluice_batch *b;
    struct sluice_loader_state state;
    uint64_t ids[BATCH];
    o.world = world;
    o.rank = world - 1;
    struct sluice_loader *first = open_with(&o), *second = open_with(&o);
    for (uint64_t k = 0; k <= sluice_loader_batches(first); k += 3) {
        int n;
        REQUIRE(sluice_loader_seek(first, EPOCH, k, &err) == 0 &&
                    sluice_loader_get_state(first, &state, &err) == 0 &&
                    sluice_loader_set_state(second, &state, &err) == 0,
                "%s", err.message);
        for (uint64_t number = k; (n = sluice_loader_next(second, &b, &err)) > 0;
             number++) {
            CHECK(b->number == number && b->epoch == EPOCH, "batch %d of epoch %d",
                  (int)b->number, (int)b->epoch);
            CHECK(sluice_loader_ids(first, EPOCH, number, ids, BATCH, &err) == n &&
                      memcmp(ids, b->ids, (size_t)n * 8) == 0,
                  "other samples in batch %d", (int)number);
            sluice_loader_release(second, b);
        }
        CHECK(n == 0, "%s", err.message);
    }
    sluice_loader_close(first);
    sluice_loader_close(second);
}

/* A shifted epoch is taken up again from within; seeking into it forgets the shift. */
static void shifted_twice(void)
{
    struct sluice_loader_options o = options(SLUICE_RANDOM);
    struct census want, got = { .sum = 0 }, rest;
    struct sluice_loader_state state;
    const struct sluice_batch *b;
    uint64_t ids[BATCH];
    whole(&o, EPOCH, &want);
    state = leave(&o, 1, 3, &got); /* place 48 of rounds of 32 */
    for (int step = 0; step < 2; step++) {
        struct sluice_loader_state behind = state;
        for (int rank = 0; rank < 2; rank++) {
            o.world = 2;
            o.rank = rank;
            struct sluice_loader *ld = open_with(&o);
            REQUIRE(sluice_loader_set_state(ld, &state, &err) == 0, "%s", err.message);
            CHECK(take(ld, 4, &got) == 4, "four batches");
            REQUIRE(sluice_loader_get_state(ld, &behind, &err) == 0, "%s", err.message);
            CHECK(behind.position == state.position + 4 * 2 * BATCH, "place %d",
                  (int)behind.position);
            /* What it would be by number, and is after a seek. */
            REQUIRE(sluice_loader_seek(ld, EPOCH, 5, &err) == 0 &&
                        sluice_loader_next(ld, &b, &err) == BATCH,
                    "%s", err.message);
            struct sluice_loader *fresh = open_with(&o);
            CHECK(sluice_loader_ids(fresh, EPOCH, 5, ids, BATCH, &err) == BATCH &&
                      memcmp(ids, b->ids, sizeof(ids)) == 0,
                  "a seek keeps the shift");
            sluice_loader_close(fresh);
            sluice_loader_release(ld, b);
            sluice_loader_close(ld);
        }
        state = behind;
    }
    o.world = 1;
    o.rank = 0;
    struct sluice_loader *ld = open_with(&o);
    REQUIRE(sluice_loader_set_state(ld, &state, &err) == 0, "%s", err.message);
    take(ld, UINT64_MAX, &got);
    CHECK(memcmp(got.times, want.times, SAMPLES) == 0 && got.sum == want.sum,
          "%d places of %d", (int)got.places, (int)want.places);
    rest = (struct census){ .sum = 0 };
    REQUIRE(sluice_loader_seek(ld, EPOCH, 0, &err) == 0, "%s", err.message);
    take(ld, UINT64_MAX, &rest);
    CHECK(memcmp(rest.times, want.times, SAMPLES) == 0, "the epoch once more");
    sluice_loader_close(ld);
}

/* ---- what is refused ---- */

static void refuse(struct sluice_loader *ld, const struct sluice_loader_state *s,
                   const char *word)
{
    const struct sluice_batch *b;
    CHECK(sluice_loader_set_state(ld, s, &err) == SLUICE_EINVAL &&
              strstr(err.message, word) && strstr(err.message, ".sluice"),
          "expected %s: %s", word, err.message);
    REQUIRE(sluice_loader_next(ld, &b, &err) > 0, "goes on: %s", err.message);
    sluice_loader_release(ld, b);
}

static void refused_states(void)
{
    struct sluice_loader_options o = options(SLUICE_QUASI_RANDOM);
    const uint64_t subset[2] = { 5, 6 };
    struct sluice_loader_state state, s;
    const struct sluice_batch *held, *again;
    struct sluice_loader *ld = open_with(&o), *elsewhere;
    REQUIRE(sluice_loader_get_state(ld, &state, &err) == 0, "%s", err.message);
    s = state;
    s.seed++;
    refuse(ld, &s, "seed 9");
    s = state;
    s.samples++;
    refuse(ld, &s, "1004 samples");
    s = state;
    s.position = SAMPLES + 1;
    refuse(ld, &s, "place 1004 of 1003");
    s = state;
    s.view ^= 1;
    refuse(ld, &s, "another file");
    REQUIRE(sluice_loader_get_state(ld, &s, &err) == 0, "%s", err.message);
    REQUIRE(sluice_loader_next(ld, &held, &err) > 0, "%s", err.message);
    CHECK(sluice_loader_set_state(ld, &s, &err) == 0, "%s", err.message);
    REQUIRE(sluice_loader_next(ld, &again, &err) == held->count, "%s", err.message);
    CHECK(again != held && again->number == held->number &&
              memcmp(again->ids, held->ids, sizeof(*held->ids) * (size_t)held->count) ==
                  0,
          "a batch is held, and comes again");
    sluice_loader_release(ld, held);
    sluice_loader_release(ld, again);
    sluice_loader_close(ld);

    o.open_blocks++;
    ld = open_with(&o);
    refuse(ld, &state, "another file, order");
    sluice_loader_close(ld);
    o.open_blocks--;
    REQUIRE(sluice_loader_open(&elsewhere, other, &o, &err) == 0, "%s", err.message);
    refuse(elsewhere, &state, "another file");
    sluice_loader_close(elsewhere);
    o.subset = subset;
    o.subset_count = 2;
    ld = open_with(&o);
    refuse(ld, &state, "epochs of 1003 samples, here they have 2");
    sluice_loader_close(ld);
}

static void texts(void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "{\"version\": 2, \"seed\": \"1\", \"epoch\": 0, \"position\": 0, \"samples\": "
        "9, "
        "\"view\": \"00000000\"}",
        "{\"version\": 1, \"seed\": \"1\", \"epoch\": 0, \"position\": 0, \"samples\": "
        "9}",
        "{\"version\": 1, \"seed\": \"18446744073709551616\", \"epoch\": 0, "
        "\"position\": "
        "0, \"samples\": 9, \"view\": \"00000000\"}",
        "{\"version\": 1, \"seed\": \"1\", \"epoch\": 4294967296, \"position\": 0, "
        "\"samples\": 9, \"view\": \"00000000\"}",
        "{\"version\": 1, \"seed\": \"1\", \"epoch\": -1, \"position\": 0, "
        "\"samples\": 9, "
        "\"view\": \"00000000\"}",
        "{\"version\": 1, \"seed\": \"1\", \"epoch\": 1, \"epoch\": 1, \"position\": "
        "0, "
        "\"samples\": 9, \"view\": \"00000000\"}",
        "{\"version\": 1, \"seed\": \"1\", \"epoch\": 1, \"position\": 0.5, "
        "\"samples\": "
        "9, \"view\": \"00000000\"}",
    };
    const struct sluice_loader_state most = { UINT64_MAX, UINT32_MAX, UINT64_MAX,
                                              UINT64_MAX, UINT32_MAX };
    struct sluice_loader_state s;
    char text[SLUICE_LOADER_STATE_TEXT], cut[SLUICE_LOADER_STATE_TEXT];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(sluice_loader_state_parse(&s, bad[i], &err) == SLUICE_EINVAL, "%s",
              bad[i]);
    const int n = sluice_loader_state_print(&most, text, sizeof(text));
    REQUIRE(n > 0 && n < (int)sizeof(text), "%d bytes", n);
    CHECK(sluice_loader_state_parse(&s, text, &err) == 0 && same(&s, &most), "%s: %s",
          text, err.message);
    for (int i = 0; i < n; i++) {
        memcpy(cut, text, sizeof(cut));
        cut[i] = 0;
        CHECK(sluice_loader_state_parse(&s, cut, &err) == SLUICE_EINVAL, "%s", cut);
    }
    CHECK(sluice_loader_state_parse(&s,
                                    " {\"view\":\"0000000a\" ,\"samples\": \"9\",\n"
                                    "\"position\":8,\"epoch\":7,\"seed\":6,"
                                    "\"version\":1} ",
                                    &err) == 0 &&
              s.view == 10 && s.samples == 9 && s.position == 8 && s.epoch == 7 &&
              s.seed == 6,
          "another order: %s", err.message);
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    snprintf(other, sizeof(other), "%s/b.sluice", folder);
    pack_write_from(other, SAMPLES, 1);
    pack_write(path, SAMPLES);
    for (int io = SLUICE_IO_RESIDENT; io <= SLUICE_IO_PREAD; io++) {
        struct sluice_loader *ld;
        const struct sluice_loader_options o = { .io = (enum sluice_io)io };
        available[io] = sluice_loader_open(&ld, path, &o, &err) == 0;
        if (!available[io])
            printf("%s: %s\n", sluice_io_name(o.io), err.message);
        sluice_loader_close(ld);
    }
    changes(SLUICE_RANDOM);
    changes(SLUICE_QUASI_RANDOM);
    same_batches(1);
    same_batches(3);
    shifted_twice();
    refused_states();
    texts();
    folder_remove(folder);
    return check_done();
}
