/* weights.c -- how often samples come: by their weights, by those of their classes, by
 * classes in equal shares, and which field the class is; delivered the same whatever
 * the threads, the backend and the world. */
#include "draws.h"
#include "view_rig.h"

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

int main(void)
{
    static double each[SAMPLES];
    uint64_t odd[SAMPLES / 2];
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < SAMPLES / 2; i++)
        odd[i] = 2 * (uint64_t)i + 1;
    for (int i = 0; i < SAMPLES; i++)
        each[i] = 1 + i % 7;
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
                                              .subset = odd,
                                              .subset_count = SAMPLES / 2,
                                              .balanced = true,
                                              .class_field = "label" });
    folder_remove(folder);
    return check_done();
}
