/* cifar.c -- CIFAR-10 and CIFAR-100, binary versions.
 *
 * A record is the label (CIFAR-100: the coarse, then the fine one), then 32x32 red,
 * green and blue values, plane by plane: https://www.cs.toronto.edu/~kriz/cifar.html.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "source.h"

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    PIXELS = 3 * PLANE,
    FILES = 7, /* at most: five batches and two lists of names */
    CLASSES_MAX = 256,
    LIMIT = 512 << 20,
};

/* What differs between the two. */
struct variant {
    const char *name;
    int labels;                     /* bytes of a record before its pixels */
    const char *train[6], *test[6]; /* NULL ends */
    const char *names[2]; /* lists of class names: of field "label", of the other */
    int classes[2];
};

static const struct variant cifar10 = {
    "cifar10",
    1,
    { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin", NULL },
    { "test_batch.bin", NULL },
    { "batches.meta.txt", NULL },
    { 10, 0 },
};

static const struct variant cifar100 = {
    "cifar100",
    2,
    { "train.bin", NULL },
    { "test.bin", NULL },
    { "fine_label_names.txt", "coarse_label_names.txt" },
    { 100, 20 },
};

static const char *const cifar10_names[] = { "airplane", "automobile", "bird", "cat",
                                             "deer",     "dog",        "frog", "horse",
                                             "ship",     "truck" };

struct state {
    const struct variant *variant;
    struct input_file files[FILES];
    int file_count, batches;
    uint64_t first[FILES]; /* number of each batch's first sample */
    struct sluice_field fields[3];
    const char *classes[CLASSES_MAX];
    uint8_t pixels[PIXELS];
};

static void close_cifar(struct source *src)
{
    struct state *s = src->state;
    if (!s)
        return;
    input_free(s->files, s->file_count);
    free((char *)src->schema.provenance);
    free(s);
    src->state = NULL;
}

/* Lines of a list of names, which is cut up in place. */
static int split_lines(struct input_file *f, const char **lines, int most)
{
    int n = 0;
    uint8_t *more = realloc(f->data, f->size + 1);
    if (!more)
        return 0;
    f->data = more;
    f->data[f->size] = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)f->data, "\r\n", &rest); line && n < most;
         line = strtok_r(NULL, "\r\n", &rest))
        lines[n++] = line;
    return n;
}

static void find_class_names(struct source *src, const struct source_options *opt)
{
    struct state *s = src->state;
    struct input_file *list = &s->files[s->batches];
    if (opt->class_names) {
        src->schema.classes = opt->class_names;
        src->schema.class_count = opt->class_count;
    } else if (list->data &&
               split_lines(list, s->classes, CLASSES_MAX) == s->variant->classes[0]) {
        src->schema.classes = s->classes;
        src->schema.class_count = s->variant->classes[0];
    } else if (s->variant == &cifar10) {
        src->schema.classes = cifar10_names;
        src->schema.class_count = 10;
    }
}

static int check_batches(struct source *src, const struct source_options *opt,
                         struct sluice_error *err)
{
    struct state *s = src->state;
    const size_t record = (size_t)s->variant->labels + PIXELS;
    for (int i = 0; i < s->batches; i++) {
        const struct input_file *f = &s->files[i];
        if (!f->data)
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: %s is not in it", opt->input,
                               f->name);
        if (f->size == 0 || f->size % record != 0)
            return sluice_fail(
                err, SLUICE_ECORRUPT,
                "%s: %s: %zu bytes, expected a multiple of %zu (one record): "
                "truncated, or not %s in its binary version",
                opt->input, f->name, f->size, record, s->variant->name);
        s->first[i] = src->count;
        src->count += f->size / record;
    }
    return 0;
}

static int open_cifar(struct source *src, const struct source_options *opt,
                      const struct variant *variant, struct sluice_error *err)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { SIDE, SIDE, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "coarse_label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    };
    const char *const *names = opt->test ? variant->test : variant->train;
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    s->variant = variant;
    while (names[s->batches])
        s->files[s->file_count++].name = names[s->batches++];
    s->files[s->file_count++].name = variant->names[0];
    int rc = input_load(opt->input, s->files, s->file_count, LIMIT, err);
    /* A single .bin file is taken as the only batch. */
    if (rc == 0 && s->batches > 1 && !s->files[1].data && strstr(opt->input, ".bin")) {
        s->files[1].name = variant->names[0];
        s->batches = 1;
        s->file_count = 2;
    }
    if (rc == 0)
        rc = check_batches(src, opt, err);
    if (rc == 0) {
        memcpy(s->fields, fields, sizeof(fields));
        src->schema.fields = s->fields;
        src->schema.field_count = 1 + variant->labels;
        src->schema.class_field = "label";
        src->schema.provenance = input_provenance(
            variant->name, opt->test ? "test" : "train", s->files, s->batches);
        find_class_names(src, opt);
    }
    if (rc < 0)
        close_cifar(src);
    return rc;
}

static int open_cifar10(struct source *src, const struct source_options *opt,
                        struct sluice_error *err)
{
    return open_cifar(src, opt, &cifar10, err);
}

static int open_cifar100(struct source *src, const struct source_options *opt,
                         struct sluice_error *err)
{
    return open_cifar(src, opt, &cifar100, err);
}

static int read_cifar(struct source *src, uint64_t i, struct sluice_value *values,
                      struct sluice_error *err)
{
    struct state *s = src->state;
    const int labels = s->variant->labels;
    int b = s->batches - 1;
    while (i < s->first[b])
        b--;
    const uint64_t within = i - s->first[b];
    const uint8_t *record = s->files[b].data + within * ((uint64_t)labels + PIXELS);
    const uint8_t *planes = record + labels;
    for (int k = 0; k < labels; k++) {
        const int label = record[labels - 1 - k], classes = s->variant->classes[k];
        if (label >= classes)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: record %" PRIu64 ": label %d, expected 0 to %d",
                               s->files[b].name, within, label, classes - 1);
        values[1 + k].integer = label;
    }
    for (int p = 0; p < PLANE; p++) {
        s->pixels[3 * p] = planes[p];
        s->pixels[3 * p + 1] = planes[PLANE + p];
        s->pixels[3 * p + 2] = planes[2 * PLANE + p];
    }
    values[0].data = s->pixels;
    values[0].size = PIXELS;
    return 0;
}

const struct source_def source_cifar10 = {
    .name = "cifar10",
    .help = "cifar-10-binary.tar.gz, its folder, or one of its .bin files",
    .open = open_cifar10,
    .read = read_cifar,
    .close = close_cifar,
};

const struct source_def source_cifar100 = {
    .name = "cifar100",
    .help = "cifar-100-binary.tar.gz, its folder, or one of its .bin files",
    .open = open_cifar100,
    .read = read_cifar,
    .close = close_cifar,
};
