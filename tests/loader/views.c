/* views.c -- lists and folds: which samples are in use; the same epoch whatever the
 * threads, the backend and the world, from any batch on. */
#include "view_rig.h"

static char list[128];

static void list_is(const char *text)
{
    file_write(list, text, strlen(text));
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

static void refused(void)
{
    struct sluice_loader_options o = { .epoch_samples = 5 };
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

int main(void)
{
    uint64_t odd[SAMPLES / 2];
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    snprintf(list, sizeof(list), "%s/list.txt", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < SAMPLES / 2; i++)
        odd[i] = 2 * (uint64_t)i + 1;
    lists();
    for (int k = 2; k <= 7; k++) {
        folds(k, false, NULL, SAMPLES);
        folds(k, true, NULL, SAMPLES);
        folds(k, k & 1, odd, SAMPLES / 2);
    }
    fold_seeds();
    refused();
    delivered((struct sluice_loader_options){ .folds = 3,
                                              .fold = 2,
                                              .stratified = true,
                                              .order = SLUICE_QUASI_RANDOM,
                                              .block = 9,
                                              .open_blocks = 8 });
    folder_remove(folder);
    return check_done();
}
