/* python_options.c -- texts into options, by table; see python_options.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "python_options.h"

enum kind {
    FLAG,   /* bool: True or False, 1 or 0 */
    INT,    /* int */
    UINT64, /* uint64_t */
    SIZE,   /* size_t; accepts K, M, G (powers of 1024) */
    REAL,   /* double */
    PAIR,   /* double[2]: two numbers joined by a comma */
    TEXT,   /* const char *, borrowed */
    CHOICE, /* int: position in `choices`, names joined by '|' */
    IDS,    /* struct python_list of uint64_t, joined by commas */
    REALS,  /* struct python_list of double, likewise */
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset;       /* in struct python_options */
    double min, max;     /* numbers; both 0: no bounds */
    const char *choices; /* CHOICE */
    const char *help;    /* with the default in words */
};

/* clang-format off */
#define AT(field) offsetof(struct python_options, field)
static const struct option option_table[] = {
    { "batch_size", INT, AT(loader.batch_size), 1, 1e6, NULL, "images per batch: 256" },
    { "batches", INT, AT(loader.batches), 2, 1e4, NULL, "batches in existence, held ones included: 4" },
    { "threads", INT, AT(loader.threads), 1, 1024, NULL, "worker threads: one per CPU" },
    { "seed", UINT64, AT(loader.seed), 0, 0, NULL, "of order and draws: 0" },
    { "order", CHOICE, AT(loader.order), 0, 0, "random|sequential|quasi_random", "order of samples: random" },
    { "block", UINT64, AT(loader.block), 1, 1e12, NULL, "quasi_random: samples of a block: about 1 MiB" },
    { "open_blocks", UINT64, AT(loader.open_blocks), 1, 1e12, NULL, "quasi_random: blocks shuffled among each other: 256" },
    { "drop_last", FLAG, AT(loader.drop_last), 0, 0, NULL, "leave out a short last batch: keep it" },
    { "rank", INT, AT(loader.rank), 0, 1e6, NULL, "of this process: 0" },
    { "world", INT, AT(loader.world), 1, 1e6, NULL, "processes that share every epoch: 1" },
    { "io", CHOICE, AT(loader.io), 0, 0, "auto|resident|uring|direct|pread", "backend: auto" },
    { "queue_depth", INT, AT(loader.queue_depth), 1, 4096, NULL, "reads in flight, of all threads together: 64" },
    { "memory_budget", SIZE, AT(loader.memory_budget), 1, 1e15, NULL, "bytes that `resident` may hold, for this loader: a quarter of free memory, divided by world" },
    { "memory_limit", SIZE, AT(loader.memory_limit), 1, 1e15, NULL, "bytes that the loader may hold in all: no limit" },
    { "on_error", CHOICE, AT(loader.on_error), 0, 0, "raise|skip|substitute", "damaged samples: raise" },
    { "subset", IDS, AT(subset), 0, 0, NULL, "sample numbers to use: all" },
    { "subset_file", TEXT, AT(loader.subset_file), 0, 0, NULL, "a text file of them: none" },
    { "folds", INT, AT(loader.folds), 2, 1e6, NULL, "leave out one fold of so many: none" },
    { "fold", INT, AT(loader.fold), 0, 1e6, NULL, "which: 0" },
    { "fold_test", FLAG, AT(loader.fold_test), 0, 0, NULL, "use that fold, not the others" },
    { "stratified", FLAG, AT(loader.stratified), 0, 0, NULL, "every class in equal shares over the folds: chance" },
    { "fold_seed", UINT64, AT(loader.fold_seed), 0, 0, NULL, "of the folds alone: 0" },
    { "balanced", FLAG, AT(loader.balanced), 0, 0, NULL, "draw with replacement, classes equally likely" },
    { "class_weights", REALS, AT(class_weights), 0, 0, NULL, "draw with replacement, classes with these likelihoods" },
    { "sample_weights", REALS, AT(sample_weights), 0, 0, NULL, "draw with replacement, one for each sample of the file" },
    { "epoch_samples", UINT64, AT(loader.epoch_samples), 1, 1e15, NULL, "draws of an epoch: as many as samples in use" },
    { "class_field", TEXT, AT(loader.class_field), 0, 0, NULL, "the integer field that is the class: the one with class names, else the first" },
    { "image_field", TEXT, AT(loader.image_field), 0, 0, NULL, "the field of the images: the first" },
    { "crop", CHOICE, AT(loader.crop.kind), 0, 0, "none|random|center", "RandomResizedCrop, or the square in the middle: none" },
    { "size", INT, AT(loader.crop.size), 1, 16384, NULL, "height and width behind a crop: 224" },
    { "scale", PAIR, AT(loader.crop.scale), 0, 1, NULL, "crop=random: share of the area: 0.08, 1" },
    { "ratio", PAIR, AT(loader.crop.ratio), 0.001, 1000, NULL, "crop=random: width / height: 3/4, 4/3" },
    { "share", REAL, AT(loader.crop.share), 0.001, 1, NULL, "crop=center: of the shorter side: 224/256" },
    { "jpeg", CHOICE, AT(loader.jpeg), 0, 0, "auto|libjpeg|plain|avx2|avx512", "what decodes JPEGs: auto" },
    { "channels", INT, AT(loader.channels), 1, 3, NULL, "1 or 3: what all images have, if none is a JPEG, else 3" },
    { "augment", TEXT, AT(augment), 0, 0, NULL, "a pipeline, as in flip,translate:pad=4,normalize: none" },
    { "dtype", CHOICE, AT(dtype), 0, 0, "f32|bf16|f16|u8", "of images: f32 behind a pipeline, else u8" },
    { "layout", CHOICE, AT(layout), 0, 0, "nhwc|nchw", "of images: nhwc" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};
/* clang-format on */

/* The choice that is spelled otherwise: in capitals, behind the name of an enum. */
static const char *meant_choice(const struct option *o, const char *text, size_t *size)
{
    const char *dot = strrchr(text, '.');
    text = dot ? dot + 1 : text;
    for (const char *c = o->choices; c;
         c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        *size = strcspn(c, "|");
        if (strlen(text) == *size && strncasecmp(c, text, *size) == 0)
            return c;
    }
    return NULL;
}

/* What values that are right elsewhere would be here. */
static const char *hint(const struct option *o, const char *text)
{
    static const char *const hints[][3] = {
        { "threads", "0", " (leave it out for one per CPU)" },
        { "batches", "1", " (a loop holds one while it asks for the next)" },
    };
    for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
        if (strcmp(hints[i][0], o->name) == 0 && strcmp(hints[i][1], text) == 0)
            return hints[i][2];
    return "";
}

static int refuse_choice(const struct option *o, const char *text,
                         struct sluice_error *err)
{
    size_t size = 0;
    const char *meant = meant_choice(o, text, &size);
    if (meant)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected one of %s, found %.80s (%.*s is meant?)",
                           o->name, o->choices, text, (int)size, meant);
    return sluice_fail(err, SLUICE_EINVAL, "%s: expected one of %s, found %.80s",
                       o->name, o->choices, text);
}

static int refuse(const struct option *o, const char *text, struct sluice_error *err)
{
    static const char *const wanted[] = {
        [FLAG] = "True or False",
        [INT] = "a whole number",
        [UINT64] = "a whole number from 0",
        [SIZE] = "a number of bytes, as in 2000000 or \"2M\"",
        [REAL] = "a number",
        [PAIR] = "two numbers",
        [TEXT] = "text",
        [IDS] = "sample numbers",
        [REALS] = "numbers from 0",
    };
    if (o->kind == CHOICE)
        return refuse_choice(o, text, err);
    if (o->min != 0 || o->max != 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected %s, %.15g to %.15g, found %.80s%s", o->name,
                           wanted[o->kind == UINT64 ? INT : o->kind], o->min, o->max,
                           text, hint(o, text));
    return sluice_fail(err, SLUICE_EINVAL, "%s: expected %s, found %.80s", o->name,
                       wanted[o->kind], text);
}

static bool within(const struct option *o, double n)
{
    return isfinite(n) &&
           ((o->min == 0 && o->max == 0) || (n >= o->min && n <= o->max));
}

/* ---- one value ---- */

/* The number at *at, which is moved behind it. */
static bool take_u64(const char **at, uint64_t *out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

static bool take_real(const char **at, double *out)
{
    char *end;
    *out = strtod(*at, &end);
    const bool found = end != *at;
    *at = end;
    return found;
}

static bool set_size(const char *text, size_t *out)
{
    uint64_t n;
    if (!take_u64(&text, &n))
        return false;
    const char *suffix = *text ? strchr("KMG", *text) : NULL;
    const uint64_t scale = suffix ? (uint64_t)1 << 10 * (suffix - "KMG" + 1) : 1;
    if (*text && (!suffix || text[1]))
        return false;
    return !__builtin_mul_overflow(n, scale, out);
}

static bool set_pair(const struct option *o, const char *text, double out[2])
{
    return take_real(&text, &out[0]) && *text++ == ',' && take_real(&text, &out[1]) &&
           !*text && within(o, out[0]) && within(o, out[1]);
}

static bool set_choice(const char *choices, const char *text, int *out)
{
    const size_t n = strlen(text);
    *out = 0;
    for (const char *c = choices; c; (*out)++) {
        const char *bar = strchr(c, '|');
        if (n == (bar ? (size_t)(bar - c) : strlen(c)) && strncmp(c, text, n) == 0)
            return true;
        c = bar ? bar + 1 : NULL;
    }
    return false;
}

/* Items of both lists have 8 bytes. False: not a list; `out` is to be freed always. */
static bool set_list(const struct option *o, const char *text, struct python_list *out)
{
    uint64_t room = 1, *ids;
    for (const char *c = text; *c; c++)
        room += *c == ',';
    free(out->items);
    out->count = 0;
    ids = out->items = calloc(room, sizeof(*ids));
    double *reals = out->items;
    for (; out->items && out->count < room; out->count++) {
        if (!(o->kind == IDS ? take_u64(&text, &ids[out->count])
                             : take_real(&text, &reals[out->count])) ||
            *text != (out->count + 1 < room ? ',' : 0))
            return false;
        text++;
    }
    return out->items != NULL;
}

static int set_value(const struct option *o, struct python_options *options,
                     const char *text, struct sluice_error *err)
{
    void *slot = (char *)options + o->offset;
    const char *at = text;
    uint64_t n = 0;
    double real = 0;
    int choice = 0;
    bool good = true;
    switch (o->kind) {
    case FLAG:
        good = set_choice("False|True|0|1", text, &choice);
        *(bool *)slot = choice % 2;
        break;
    case INT:
        good = take_u64(&at, &n) && !*at && within(o, (double)n);
        *(int *)slot = (int)n;
        break;
    case UINT64:
        good = take_u64(&at, &n) && !*at && within(o, (double)n);
        *(uint64_t *)slot = n;
        break;
    case SIZE:
        good = set_size(text, slot) && within(o, (double)*(size_t *)slot);
        break;
    case REAL:
        good = take_real(&at, &real) && !*at && within(o, real);
        *(double *)slot = real;
        break;
    case PAIR:
        good = set_pair(o, text, slot) && ((const double *)slot)[1] > 0;
        break;
    case TEXT:
        *(const char **)slot = text;
        break;
    case CHOICE:
        good = set_choice(o->choices, text, slot);
        break;
    case IDS:
    case REALS:
        good = set_list(o, text, slot);
        break;
    }
    return good ? 0 : refuse(o, text, err);
}

/* ---- all of them ---- */

/* What others call it. */
static const char *const foreign[][2] = {
    { "num_workers", "threads" },        { "shuffle", "order" },
    { "sampler", "sample_weights" },     { "indices", "subset" },
    { "prefetch_factor", "batches" },    { "batches_ahead", "batches" },
    { "transform", "augment" },          { "pipelines", "augment" },
    { "distributed", "rank and world" }, { "os_cache", "io" },
};

static int unknown(const char *name, struct sluice_error *err)
{
    char all[440] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
        if (strcmp(foreign[i][0], name) == 0)
            return sluice_fail(err, SLUICE_EINVAL, "%s: no such option; here it is %s",
                               name, foreign[i][1]);
    for (const struct option *o = option_table; o->name && n < sizeof(all); o++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", o->name);
    return sluice_fail(err, SLUICE_EINVAL, "%.30s: no such option; there are%s", name,
                       all);
}

static int set_by_name(struct python_options *options, const char *name,
                       const char *text, struct sluice_error *err)
{
    const struct option *o = option_table;
    while (o->name && strcmp(o->name, name) != 0)
        o++;
    if (!o->name)
        return unknown(name, err);
    return text ? set_value(o, options, text, err) : 0;
}

int python_options_parse(struct python_options *out, const char *const *names,
                         const char *const *values, int count, struct sluice_error *err)
{
    int rc = 0;
    *out = (struct python_options){ .loader.batches = 4, .dtype = -1, .layout = -1 };
    for (int i = 0; i < count && rc == 0; i++)
        rc = set_by_name(out, names[i], values[i], err);
    if (rc == 0 && out->loader.crop.kind && !out->loader.crop.size)
        out->loader.crop.size = 224;
    out->loader.subset = out->subset.items;
    out->loader.subset_count = out->subset.count;
    out->loader.class_weights = out->class_weights.items;
    out->loader.class_count = (int)out->class_weights.count;
    out->loader.sample_weights = out->sample_weights.items;
    out->loader.sample_weight_count = out->sample_weights.count;
    if (rc < 0)
        python_options_free(out);
    return rc;
}

void python_options_free(struct python_options *o)
{
    free(o->subset.items);
    free(o->class_weights.items);
    free(o->sample_weights.items);
    *o = (struct python_options){ 0 };
}

bool python_options_augmented(const struct python_options *o)
{
    return o->augment || o->dtype >= 0 || o->layout >= 0;
}

enum sluice_dtype python_options_dtype(const struct python_options *o)
{
    static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16, SLUICE_F16,
                                                SLUICE_U8 };
    return o->dtype >= 0 ? dtypes[o->dtype] : o->augment ? SLUICE_F32 : SLUICE_U8;
}

enum sluice_layout python_options_layout(const struct python_options *o)
{
    return o->layout == 1 ? SLUICE_NCHW : SLUICE_NHWC;
}

const char *python_options_name(int i, const char **help)
{
    *help = option_table[i].help;
    return option_table[i].name;
}
