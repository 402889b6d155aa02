/* views.c -- lists, folds and weights: which samples are in use and how often they
 * come; the same epoch whatever the threads, the backend and the world, from any batch
 * on. */
#include <sluice/crc32c.h>

#include "draws.h"
#include "pack.h"

enum { SAMPLES = 1000, BATCH = 32 };

static char path[128], list[128];
static struct sluice_error err;

static struct sluice_loader *open_with(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

/* How often each sample comes in an epoch; returns the places. */
static uint64_t census(const struct sluice_loader_options *o, uint32_t epoch,
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

/* ---- lists ---- */

static void list_is(const char *text)
{
    file_write(list, text, strlen(text));
}

static void refuse(const struct sluice_loader_options *o, int code, const char *word)
{
    struct sluice_loader *ld;
    err.message[0] = 0;
    const int rc = sluice_loader_open(&ld, path, o, &err);
    CHECK(rc == code && !ld && strstr(err.message, word) && !strchr(err.message, '\n'),
          "expected %s: %d, %s", word, rc, err.message);
    sluice_loader_close(ld);
}

static void lists(void)
{
    const uint64_t two[2] = { 3, 7 };
    uint32_t times[SAMPLES];
    struct sluice_loader_options o = { .batch_size = BATCH, .subset_file = list };
    list_is("# of interest\n17 4,999\n\n 5 # and\r\n0");
    CHECK(census(&o, 0, times) == 5, "five numbers");
    CHECK(times[17] == 1 && times[4] == 1 && times[999] == 1 && times[5] == 1 &&
              times[0] == 1,
          "other numbers");
    list_is("1\n2\n3 x\n");
    refuse(&o, SLUICE_EINVAL, "line 3: expected a sample number");
    list_is("12\n-3\n");
    refuse(&o, SLUICE_EINVAL, "line 2");
    list_is("12a\n");
    refuse(&o, SLUICE_EINVAL, "line 1");
    list_is("99999999999999999999\n");
    refuse(&o, SLUICE_EINVAL, "line 1");
    list_is("1000\n");
    refuse(&o, SLUICE_EINVAL, "sample 1000 of 1000");
    list_is("# nothing\n");
    refuse(&o, SLUICE_EINVAL, "no samples");
    o.subset = two;
    o.subset_count = 2;
    refuse(&o, SLUICE_EINVAL, "a subset, and a file");
    o.subset = NULL;
    o.subset_file = "/nonexistent/list";
    refuse(&o, SLUICE_EIO, "/nonexistent/list");
}

/* ---- folds ---- */

static void folds(int count, bool stratified, const uint64_t *subset, uint64_t n)
{
    static uint32_t test[SAMPLES], train[SAMPLES], seen[SAMPLES], again[SAMPLES];
    uint64_t smallest = UINT64_MAX, largest = 0;
    memset(seen, 0, sizeof(seen));
    for (int f = 0; f < count; f++) {
        struct sluice_loader_options o = { .batch_size = BATCH,
                                           .folds = count,
                                           .fold = f,
                                           .fold_test = true,
                                           .stratified = stratified,
                                           .subset = subset,
                                           .subset_count = n };
        const uint64_t size = census(&o, 0, test);
        int classes[10] = { 0 };
        smallest = size < smallest ? size : smallest;
        largest = size > largest ? size : largest;
        o.seed = 99; /* of order and draws, not of folds */
        census(&o, 5, again);
        CHECK(memcmp(test, again, sizeof(test)) == 0, "the seed moves samples");
        o.fold_test = false;
        CHECK(census(&o, 0, train) + size == n, "parts of fold %d", f);
        for (int i = 0; i < SAMPLES; i++) {
            CHECK(test[i] + train[i] <= 1, "sample %d is in both parts", i);
            seen[i] += test[i];
            classes[i % 10] += (int)test[i];
        }
        for (int c = 1; c < 10 && stratified && !subset; c++)
            CHECK(abs(classes[c] - SAMPLES / 10 / count) <= 1,
                  "class %d: %d of fold %d", c, classes[c], f);
    }
    CHECK(largest - smallest <= 1, "folds of %d to %d", (int)smallest, (int)largest);
    for (uint64_t i = 0; i < n; i++)
        CHECK(seen[subset ? subset[i] : i] == 1, "sample %d tests %d times", (int)i,
              (int)seen[subset ? subset[i] : i]);
}

static void fold_seeds(void)
{
    static uint32_t a[SAMPLES], b[SAMPLES];
    struct sluice_loader_options o = { .batch_size = BATCH,
                                       .folds = 4,
                                       .fold_test = true };
    int common = 0, behind = 0;
    census(&o, 0, a);
    o.fold_seed = 1;
    census(&o, 0, b);
    for (int i = 0; i < SAMPLES; i++) {
        common += a[i] && b[i];
        behind += a[i] && i < SAMPLES / 2;
    }
    /* 250 of 1000 twice: 62.5 in common, deviation 5.9; halves alike: 125, 6.8. */
    CHECK(common > 32 && common < 93, "%d in common", common);
    CHECK(behind > 91 && behind < 159, "%d of the first half", behind);
}

/* ---- weights ---- */

/* |got - share of draws| in standard deviations. */
static double sigmas(double got, double draws, double share)
{
    return fabs(got - draws * share) / sqrt(draws * share * (1 - share));
}

/* 300 of class 0, 30 of class 1, 3 of class 2. */
static uint64_t few[333];
static const double class_size[3] = { 300, 30, 3 };

static void choose_few(void)
{
    static const int sizes[3] = { 300, 30, 3 };
    uint64_t at = 0;
    for (uint64_t c = 0; c < 3; c++)
        for (uint64_t i = 0; i < (uint64_t)sizes[c]; i++)
            few[at++] = i * 10 % SAMPLES + c; /* class 0 comes three times each */
}

static void classes(const struct sluice_loader_options *o, const double share[3])
{
    static uint32_t times[SAMPLES];
    const double draws = 200000;
    struct sluice_loader_options big = *o;
    double got[3] = { 0 };
    big.epoch_samples = (uint64_t)draws;
    CHECK(census(&big, 2, times) == 200000, "places");
    for (int i = 0; i < SAMPLES; i++)
        if (i % 10 < 3)
            got[i % 10] += times[i];
        else
            CHECK(times[i] == 0, "sample %d is not in use", i);
    for (int c = 0; c < 3; c++)
        CHECK(share[c] > 0 ? sigmas(got[c], draws, share[c]) < 5 : got[c] == 0,
              "class %d: %g of %g", c, got[c], draws * share[c]);
    for (uint64_t i = 0; i < 333; i++) {
        const int c = (int)(few[i] % 10);
        /* Those of class 0 stand in the list three times. */
        const double mine = share[c] / class_size[c] * (c ? 1 : 3);
        CHECK(mine == 0 || sigmas(times[few[i]], draws, mine) < 5,
              "sample %d: %d of %g", (int)few[i], (int)times[few[i]], draws * mine);
    }
}

static void weighted(void)
{
    static double each[SAMPLES];
    static uint32_t times[SAMPLES];
    const double even[3] = { 1 / 3.0, 1 / 3.0, 1 / 3.0 }, odd[3] = { 0.2, 0, 0.8 };
    const double by_class[3] = { 1, 0, 4 };
    struct sluice_loader_options o = { .batch_size = BATCH,
                                       .seed = 3,
                                       .subset = few,
                                       .subset_count = 333,
                                       .balanced = true };
    choose_few();
    CHECK(census(&o, 0, times) == 333, "as many as there are");
    classes(&o, even);
    o.balanced = false;
    o.class_weights = by_class;
    o.class_count = 3;
    classes(&o, odd);

    for (int i = 0; i < SAMPLES; i++)
        each[i] = i % 4;
    o = (struct sluice_loader_options){ .batch_size = BATCH,
                                        .sample_weights = each,
                                        .sample_weight_count = SAMPLES,
                                        .epoch_samples = 600000 };
    CHECK(census(&o, 1, times) == 600000, "places");
    for (int i = 0; i < SAMPLES; i++)
        CHECK(i % 4 == 0 ? times[i] == 0
                         : sigmas(times[i], 600000, each[i] / 1500) < 5.5,
              "sample %d of weight %g: %d times", i, each[i], (int)times[i]);
}

/* Whole weights 0, 1 and 2 of 3, and 5 samples behind the last. */
static void table(void)
{
    uint64_t edges[3] = { 0, 1, 3 }, first[4] = { 0, 0, 1, 6 };
    uint64_t members[6] = { 10, 11, 12, 13, 14, 15 };
    struct sluice_draws d = { .count = 3, .edges = edges };
    const double draws = 60000;
    double got[3] = { 0 }, of[16] = { 0 };
    for (uint64_t i = 0; i < 60000; i++)
        got[sluice_draws_at(&d, 1, 2, i)]++;
    CHECK(got[0] == 0 && sigmas(got[1], draws, 1 / 3.0) < 5, "%g, %g, %g", got[0],
          got[1], got[2]);
    d.first = first;
    d.members = members;
    for (uint64_t i = 0; i < 60000; i++)
        of[sluice_draws_at(&d, 1, 3, i)]++;
    for (int i = 10; i < 16; i++)
        CHECK(sigmas(of[i], draws, i == 10 ? 1 / 3.0 : 2 / 15.0) < 5, "%d: %g times", i,
              of[i]);
}

static void refused_weights(void)
{
    double bad[SAMPLES] = { 1, 2, -1 };
    struct sluice_loader_options o = { .sample_weights = bad,
                                       .sample_weight_count = SAMPLES };
    refuse(&o, SLUICE_EINVAL, "sample 2: weight -1");
    bad[2] = (double)NAN;
    refuse(&o, SLUICE_EINVAL, "sample 2: weight nan");
    o.sample_weight_count = 3;
    refuse(&o, SLUICE_EINVAL, "weights for 3 samples, it has 1000");
    o = (struct sluice_loader_options){ .class_weights = bad, .class_count = 2 };
    refuse(&o, SLUICE_EINVAL, "found weights for 2");
    bad[0] = bad[1] = 0;
    o.subset = few;
    o.subset_count = 100;
    refuse(&o, SLUICE_EINVAL, "their sum is 0");
    o.balanced = true;
    refuse(&o, SLUICE_EINVAL, "one of balanced");
    o = (struct sluice_loader_options){ .balanced = true, .class_field = "image" };
    refuse(&o, SLUICE_EINVAL, "no integer field image");
    o = (struct sluice_loader_options){ .balanced = true, .order = SLUICE_SEQUENTIAL };
    refuse(&o, SLUICE_EINVAL, "order");
    o = (struct sluice_loader_options){ .epoch_samples = 5 };
    refuse(&o, SLUICE_EINVAL, "epoch_samples");
    o = (struct sluice_loader_options){ .folds = 3, .fold = 3 };
    refuse(&o, SLUICE_EINVAL, "fold 3 of 3");
    o = (struct sluice_loader_options){ .fold = 1 };
    refuse(&o, SLUICE_EINVAL, "folds: expected 2 or more, found 0");
    o = (struct sluice_loader_options){ .rank = 2, .world = 2 };
    refuse(&o, SLUICE_EINVAL, "rank 2 of a world of 2: expected 0 to 1");
    o = (struct sluice_loader_options){ .channels = 2 };
    refuse(&o, SLUICE_EINVAL, "channels: expected 1 or 3, found 2");
    o = (struct sluice_loader_options){ .crop = { .size = 8 } };
    refuse(&o, SLUICE_EINVAL, "size 8: expected a crop");
    o = (struct sluice_loader_options){ .crop = { .scale = { 0.5, 1 } } };
    refuse(&o, SLUICE_EINVAL, "scale: expected the crop random, without which");
    o.crop = (struct sluice_crop){ SLUICE_CROP_CENTER, 8, .scale = { 0.5, 1 } };
    refuse(&o, SLUICE_EINVAL, "scale: expected the crop random");
    o.crop = (struct sluice_crop){ SLUICE_CROP_CENTER, 8, .ratio = { 1, 1 } };
    refuse(&o, SLUICE_EINVAL, "ratio: expected the crop random");
    o.crop = (struct sluice_crop){ SLUICE_CROP_RANDOM, 8, .share = 1 };
    refuse(&o, SLUICE_EINVAL, "share: expected the crop center");
    o = (struct sluice_loader_options){ .block = 8 };
    refuse(&o, SLUICE_EINVAL, "block: expected the order quasi_random");
    o = (struct sluice_loader_options){ .open_blocks = 8, .order = SLUICE_SEQUENTIAL };
    refuse(&o, SLUICE_EINVAL, "open_blocks: expected the order quasi_random");
    o = (struct sluice_loader_options){ .stratified = true };
    refuse(&o, SLUICE_EINVAL, "stratified: expected folds");
    o = (struct sluice_loader_options){ .fold_seed = 3 };
    refuse(&o, SLUICE_EINVAL, "fold_seed: expected folds");
    o = (struct sluice_loader_options){ .folds = 1 };
    refuse(&o, SLUICE_EINVAL, "folds: expected 2 or more, found 1");
    o = (struct sluice_loader_options){ .folds = 1001 };
    refuse(&o, SLUICE_EINVAL, "1001 folds of 1000 samples");
}

/* ---- which field is the class ---- */

enum { SECOND = 96 };

/* Samples of one parity, and of four classes, which have the names. */
static void write_second(const char *to)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { PACK_SIDE, PACK_SIDE, 3 } },
        { "parity", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    };
    const struct sluice_schema schema = { .fields = fields,
                                          .field_count = 3,
                                          .class_field = "label",
                                          .classes = names,
                                          .class_count = 4 };
    struct sluice_writer *w;
    uint8_t pixels[PACK_BYTES];
    REQUIRE(sluice_writer_begin(&w, to, &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < SECOND; i++) {
        const int label = i < 80 ? 0 : i % 4;
        const struct sluice_value v[3] = { { .data = pixels, .size = sizeof(pixels) },
                                           { .integer = i % 2 },
                                           { .integer = label } };
        pack_pixels((uint64_t)i, pixels);
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

/* Of the classes' last sixteen samples. */
static uint64_t late(const uint32_t times[SAMPLES])
{
    uint64_t sum = 0;
    for (int i = 80; i < SECOND; i++)
        sum += times[i];
    return sum;
}

static void class_field_is_the_named_one(void)
{
    static const double last[4] = { 0, 0, 0, 1 };
    static uint32_t times[SAMPLES];
    struct sluice_loader_options o = { .batch_size = BATCH,
                                       .balanced = true,
                                       .epoch_samples = 4000 };
    char first[sizeof(path)];
    memcpy(first, path, sizeof(path));
    memcpy(strrchr(path, '/'), "/b.sluice", sizeof("/b.sluice"));
    write_second(path);
    census(&o, 0, times);
    CHECK(late(times) > 2800, "balanced: %d of 4000", (int)late(times));
    o.class_field = "parity";
    census(&o, 0, times);
    CHECK(late(times) < 1000, "balanced by parity: %d of 4000", (int)late(times));
    o = (struct sluice_loader_options){ .batch_size = BATCH,
                                        .class_weights = last,
                                        .class_count = 4 };
    census(&o, 0, times);
    CHECK(times[83] + times[87] + times[91] + times[95] == SECOND, "class_weights");
    o = (struct sluice_loader_options){
        .batch_size = BATCH, .folds = 4, .fold_test = true, .stratified = true
    };
    census(&o, 0, times);
    CHECK(times[83] + times[87] + times[91] + times[95] == 1, "stratified");
    memcpy(path, first, sizeof(path));
}

/* ---- all together, delivered ---- */

/* A checksum for every batch of two epochs, by its place in the dealing out: the union
 * over ranks does not depend on their number. */
enum { PLACES = 128 };
static void deliver(const struct sluice_loader_options *o, uint64_t from,
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

static void delivered(struct sluice_loader_options o)
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

int main(void)
{
    static double each[SAMPLES];
    uint64_t odd[SAMPLES / 2];
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    snprintf(list, sizeof(list), "%s/list.txt", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < SAMPLES / 2; i++)
        odd[i] = 2 * (uint64_t)i + 1;
    for (int i = 0; i < SAMPLES; i++)
        each[i] = 1 + i % 7;
    lists();
    for (int k = 2; k <= 7; k++) {
        folds(k, false, NULL, SAMPLES);
        folds(k, true, NULL, SAMPLES);
        folds(k, k & 1, odd, SAMPLES / 2);
    }
    fold_seeds();
    weighted();
    table();
    refused_weights();
    class_field_is_the_named_one();
    delivered((struct sluice_loader_options){ .balanced = true, .seed = 1 });
    delivered((struct sluice_loader_options){ .sample_weights = each,
                                              .sample_weight_count = SAMPLES,
                                              .epoch_samples = 700,
                                              .subset = odd,
                                              .subset_count = SAMPLES / 2 });
    delivered((struct sluice_loader_options){ .folds = 3,
                                              .fold = 2,
                                              .stratified = true,
                                              .order = SLUICE_QUASI_RANDOM,
                                              .block = 9,
                                              .open_blocks = 8 });
    delivered((struct sluice_loader_options){ .folds = 3,
                                              .subset = odd,
                                              .subset_count = SAMPLES / 2,
                                              .balanced = true,
                                              .class_field = "label" });
    folder_remove(folder);
    return check_done();
}
