/* augment_main.c -- `sluice augment`: what a pipeline makes of some images of a file,
 * as one picture. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <sluice/augment.h>
#include <sluice/loader.h>

#include "options.h"
#include "run_config.h"
#include "sheet.h"

static const char program[] = "sluice augment";

enum { ARGUMENTS = 64, SAMPLES_MOST = 512 };

struct arguments {
    const char *augment, *recipe, *out;
    int samples, variants, zoom, crop, size;
    uint64_t first, seed;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "augment", CLI_STRING, offsetof(struct arguments, augment), 0, 0, NULL, "a pipeline, as in flip,randaugment" },
    { "recipe", CLI_STRING, offsetof(struct arguments, recipe), 0, 0, NULL, "or that of a recipe, with its crop, seed, mean and std" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL, "the PNG file: sheet.png" },
    { "samples", CLI_INT, offsetof(struct arguments, samples), 1, SAMPLES_MOST, NULL, "rows: 8" },
    { "variants", CLI_INT, offsetof(struct arguments, variants), 1, 64, NULL, "columns, one an epoch: 8" },
    { "first", CLI_UINT64, offsetof(struct arguments, first), 0, 0, NULL, "number of the first sample: 0" },
    { "seed", CLI_UINT64, offsetof(struct arguments, seed), 0, 0, NULL, "of the draws, where no recipe says: 0" },
    { "zoom", CLI_INT, offsetof(struct arguments, zoom), 1, 64, NULL, "pixels per pixel: as many as make small images 64 wide" },
    { "crop", CLI_CHOICE, offsetof(struct arguments, crop), 0, 0, "none|random|center", "part of each image, where no recipe says: none" },
    { "size", CLI_INT, offsetof(struct arguments, size), 1, 4096, NULL, "height and width behind a crop: 224" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

/* What is to be shown, wherever it was said. */
struct request {
    const char *path, *pipeline;
    uint64_t seed;
    enum sluice_crop_kind crop;
    int size;
    const double *mean, *std; /* NULL: the file's */
};

static int from_recipe(struct request *q, struct config *cfg, const struct arguments *a,
                       const char **list, int count, struct sluice_error *err)
{
    const char *args[ARGUMENTS];
    char recipe[1100];
    int n = 0;
    if (!a->recipe && count > 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "'%.60s': key=value changes a recipe, and there is no "
                           "--recipe",
                           list[1]);
    if (!a->recipe == !a->augment)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected --augment=LIST or --recipe=NAME, found %s",
                           a->recipe ? "both" : "neither");
    if (!a->recipe)
        return 0;
    snprintf(recipe, sizeof(recipe), "recipe=%.1000s", a->recipe);
    args[n++] = recipe;
    for (int i = 1; i < count; i++)
        args[n++] = list[i];
    int rc = config_from_recipe(cfg, args, n, err);
    if (rc < 0)
        return rc;
    q->pipeline = cfg->data.augment;
    q->seed = cfg->seed;
    q->crop = (enum sluice_crop_kind)cfg->data.crop;
    q->size = cfg->data.size;
    q->mean = cfg->data.mean.count ? cfg->data.mean.at : NULL;
    q->std = cfg->data.std.count ? cfg->data.std.at : NULL;
    return 0;
}

struct show {
    struct sluice_loader *plain, *augmented;
    struct sluice_augment *augment;
    struct sheet sheet;
    uint64_t *ids;
    struct sluice_mix *mixes;
    float *mixed;
    uint8_t *bytes; /* one image of the result */
};

static int open_loader(struct sluice_loader **out, const struct request *q,
                       const struct arguments *a, const uint64_t *ids,
                       enum sluice_crop_kind crop, const struct sluice_augment *augment,
                       struct sluice_error *err)
{
    const struct sluice_loader_options o = {
        .batch_size = a->samples,
        .batches = 2,
        .seed = q->seed,
        .order = SLUICE_SEQUENTIAL,
        .io = SLUICE_IO_PREAD,
        .subset = ids,
        .subset_count = (uint64_t)a->samples,
        .crop = { .kind = crop, .size = crop == SLUICE_CROP_NONE ? 0 : q->size },
        .transform = augment ? sluice_augment_transform(augment)
                             : (struct sluice_transform){ 0 },
    };
    return sluice_loader_open(out, q->path, &o, err);
}

/* Rows for no more samples than the file has. */
static int fit_rows(const struct request *q, struct arguments *a,
                    enum sluice_crop_kind whole, struct sluice_error *err)
{
    struct arguments one = *a;
    struct sluice_loader *ld;
    one.samples = 1;
    const int rc = open_loader(&ld, q, &one, &(uint64_t){ 0 }, whole, NULL, err);
    if (rc < 0)
        return rc;
    const uint64_t count = sluice_dataset_count(sluice_loader_dataset(ld));
    sluice_loader_close(ld);
    if (a->first >= count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: --first=%" PRIu64
                           ": expected a number below %" PRIu64,
                           q->path, a->first, count);
    if ((uint64_t)a->samples > count - a->first)
        a->samples = (int)(count - a->first);
    return 0;
}

static int open_show(struct show *s, struct request *q, struct arguments *a,
                     struct sluice_error *err)
{
    const enum sluice_crop_kind whole =
        q->crop == SLUICE_CROP_NONE ? SLUICE_CROP_NONE : SLUICE_CROP_CENTER;
    int rc = fit_rows(q, a, whole, err);
    if (rc < 0)
        return rc;
    s->ids = calloc((size_t)a->samples, sizeof(*s->ids));
    for (int i = 0; s->ids && i < a->samples; i++)
        s->ids[i] = a->first + (uint64_t)i;
    if (!s->ids)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d numbers", a->samples);
    if ((rc = open_loader(&s->plain, q, a, s->ids, whole, NULL, err)) < 0)
        return rc;
    const struct sluice_dataset *ds = sluice_loader_dataset(s->plain);
    const struct sluice_augment_options o = {
        .source = sluice_loader_source(s->plain),
        .seed = q->seed,
        .dtype = SLUICE_F32,
        .mean = q->mean ? q->mean : sluice_dataset_mean(ds),
        .std = q->std ? q->std : sluice_dataset_std(ds),
        .mixes = 1,
    };
    if (o.source.channels != 1 && o.source.channels != 3)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected images of 1 or 3 channels, found %d",
                           q->path, o.source.channels);
    if ((rc = sluice_augment_create(&s->augment, q->pipeline, &o, err)) < 0 ||
        (rc = open_loader(&s->augmented, q, a, s->ids, q->crop, s->augment, err)) < 0)
        return rc;
    const struct sluice_shape shape = sluice_augment_shape(s->augment);
    const int height = shape.height > o.source.height ? shape.height : o.source.height;
    const int width = shape.width > o.source.width ? shape.width : o.source.width;
    const int zoom = a->zoom ? a->zoom : width < 64 ? 64 / width : 1;
    s->mixes = calloc((size_t)a->samples, sizeof(*s->mixes));
    s->mixed = malloc((size_t)a->samples * sluice_shape_bytes(&shape));
    s->bytes = malloc(sluice_shape_bytes(&shape) / sizeof(float));
    if (!s->mixes || !s->mixed || !s->bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d images", a->samples);
    return sheet_create(&s->sheet, a->samples, 1 + a->variants, height, width, zoom,
                        err);
}

static int next(struct sluice_loader *ld, const struct sluice_batch **b, uint32_t epoch,
                struct sluice_error *err)
{
    const int rc = sluice_loader_seek(ld, epoch, 0, err);
    return rc < 0 ? rc : sluice_loader_next(ld, b, err);
}

static int put_originals(struct show *s, struct sluice_error *err)
{
    const struct sluice_batch *b;
    const int n = next(s->plain, &b, 0, err);
    for (int i = 0; i < n; i++) {
        const struct sluice_image image = {
            .pixels =
                (const uint8_t *)b->pixels + (size_t)i * sluice_shape_bytes(&b->shape),
            .height = b->shape.height,
            .width = b->shape.width,
            .channels = b->shape.channels,
        };
        sheet_put(&s->sheet, i, 0, &image);
    }
    if (n > 0)
        sluice_loader_release(s->plain, b);
    return n < 0 ? n : 0;
}

/* Back from what a network reads to bytes. */
static void put_numbers(struct show *s, int row, int column, const float *v)
{
    const struct sluice_shape shape = sluice_augment_shape(s->augment);
    const int n = shape.channels, elements = shape.height * shape.width * n;
    for (int i = 0; i < elements; i++) {
        float gain, bias;
        sluice_augment_scale(s->augment, i % n, &gain, &bias);
        s->bytes[i] = (uint8_t)rintf(fminf(fmaxf((v[i] - bias) / gain, 0), 255));
    }
    const struct sluice_image image = {
        .pixels = s->bytes, .height = shape.height, .width = shape.width, .channels = n
    };
    sheet_put(&s->sheet, row, column, &image);
}

static int put_variants(struct show *s, int epoch, struct sluice_error *err)
{
    const struct sluice_batch *b;
    const int n = next(s->augmented, &b, (uint32_t)epoch, err);
    if (n < 0)
        return n;
    const size_t each = sluice_shape_bytes(&b->shape) / sizeof(float);
    const int rc = sluice_augment_mix(s->augment, b, s->mixed, s->mixes, err);
    for (int i = 0; rc == 0 && i < n; i++)
        put_numbers(s, i, 1 + epoch, s->mixed + (size_t)i * each);
    sluice_loader_release(s->augmented, b);
    return rc;
}

static int run(struct show *s, struct request *q, struct arguments *a,
               struct sluice_error *err)
{
    int rc = open_show(s, q, a, err);
    if (rc == 0)
        rc = put_originals(s, err);
    for (int epoch = 0; rc == 0 && epoch < a->variants; epoch++)
        rc = cli_interrupted()
                 ? sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written")
                 : put_variants(s, epoch, err);
    if (rc < 0 || (rc = sheet_write(&s->sheet, a->out, err)) < 0)
        return rc;
    printf("%s  %dx%d: samples %" PRIu64 " to %" PRIu64
           ", %d variants each, seed %" PRIu64 "\naugment %s\n",
           a->out, s->sheet.sheet_width, s->sheet.sheet_height, a->first,
           a->first + (uint64_t)a->samples - 1, a->variants, q->seed,
           sluice_augment_describe(s->augment));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE [key=value ...]",
        .summary =
            "Show what a pipeline makes of some images: a sheet with the originals "
            "on the left.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS - 1,
        .epilogue =
            "examples:\n"
            "  sluice augment train.sluice --augment=flip,randaugment,cutmix\n"
            "  sluice augment train.sluice --recipe=resnet9_ffcv --out=r9.png\n",
    };
    static struct config cfg;
    struct arguments a = {
        .out = "sheet.png", .samples = 8, .variants = 8, .size = 224
    };
    struct show s = { 0 };
    struct sluice_error err = { 0 };
    const char *list[ARGUMENTS];
    const int count = cli_parse(&spec, argc, argv, &a, list);
    struct request q = { .path = list[0],
                         .pipeline = a.augment,
                         .seed = a.seed,
                         .crop = (enum sluice_crop_kind)a.crop,
                         .size = a.size };
    cli_catch_signals();
    int rc = from_recipe(&q, &cfg, &a, list, count, &err);
    if (rc == 0)
        rc = run(&s, &q, &a, &err);
    sheet_free(&s.sheet);
    sluice_loader_close(s.plain);
    sluice_loader_close(s.augmented);
    sluice_augment_free(s.augment);
    free(s.ids);
    free(s.mixes);
    free(s.mixed);
    free(s.bytes);
    return rc < 0 ? cli_report(program, &err) : cli_finish(program, CLI_OK);
}
