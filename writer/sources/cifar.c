/* cifar.c -- CIFAR-10 and CIFAR-100, binary and Python versions.
 *
 * A record of the binary version is the label (CIFAR-100: the coarse, then the fine
 * one), then 32x32 red, green and blue values, plane by plane:
 * https://www.cs.toronto.edu/~kriz/cifar.html. The Python version is turned into such
 * records when it is opened, so that both give the same samples. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cifar_pickle.h"
#include "input.h"
#include "pickle.h"
#include "source.h"

enum {
    BATCHES = 5, /* at most, and a file of class names */
    FILES = BATCHES + 1,
    CLASSES_MAX = 256,
    LIMIT = 512 << 20,
};

/* How the files of a version are called. */
struct version {
    const char *train[FILES], *test[FILES]; /* NULL ends */
    const char *names;                      /* of the classes of field "label" */
    const char *folder;                     /* that the published archive unpacks to */
};

/* What differs between the two sets. */
struct variant {
    const char *name;
    struct version binary, python;
    struct cifar_label label[2]; /* of field "label", of the other */
    const char *names_key;       /* in the Python version */
};

static const struct variant cifar10 = {
    "cifar10",
    { { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
        "data_batch_5.bin" },
      { "test_batch.bin" },
      "batches.meta.txt",
      "cifar-10-batches-bin" },
    { { "data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
        "data_batch_5" },
      { "test_batch" },
      "batches.meta",
      "cifar-10-batches-py" },
    { { "labels", 10 } },
    "label_names",
};

static const struct variant cifar100 = {
    "cifar100",
    { { "train.bin" }, { "test.bin" }, "fine_label_names.txt", "cifar-100-binary" },
    { { "train" }, { "test" }, "meta", "cifar-100-python" },
    { { "fine_labels", 100 }, { "coarse_labels", 20 } },
    "fine_label_names",
};

static const char *const cifar10_names[] = { "airplane", "automobile", "bird", "cat",
                                             "deer",     "dog",        "frog", "horse",
                                             "ship",     "truck" };

struct state {
    const struct variant *variant;
    char input[PATH_MAX];           /* where the batches are */
    struct input_file files[FILES]; /* batches, then the names of classes */
    int batches, labels;            /* labels: of each record; 0 if it has none */
    uint64_t first[BATCHES];        /* number of each batch's first sample */
    struct sluice_field fields[3];
    const char *classes[CLASSES_MAX];
    uint8_t pixels[CIFAR_PIXELS];
};

static void close_cifar(struct source *src)
{
    struct state *s = src->state;
    if (!s)
        return;
    input_free(s->files, FILES);
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

/* The names that the input has, or else those that everyone knows. */
static void find_class_names(struct source *src, const struct source_options *opt)
{
    struct state *s = src->state;
    struct input_file *list = &s->files[s->batches];
    if (opt->class_names) { /* the writer refuses them where there are no labels */
        src->schema.classes = opt->class_names;
        src->schema.class_count = opt->class_count;
    } else if (s->labels == 0) {
        return;
    } else if (list->data && split_lines(list, s->classes, CLASSES_MAX) ==
                                 s->variant->label[0].classes) {
        src->schema.classes = s->classes;
        src->schema.class_count = s->variant->label[0].classes;
    } else if (s->variant == &cifar10) {
        src->schema.classes = cifar10_names;
        src->schema.class_count = 10;
    }
}

/* The last part of a path. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The input itself, or the folder in it that an archive was unpacked to, as torchvision
 * leaves it. */
static void find_input(struct state *s, const struct source_options *opt)
{
    const struct version *versions[2] = { &s->variant->binary, &s->variant->python };
    snprintf(s->input, sizeof(s->input), "%s", opt->input);
    if (!input_is_folder(opt->input))
        return;
    for (int v = 0; v < 2; v++)
        if (input_has(opt->input,
                      (opt->test ? versions[v]->test : versions[v]->train)[0]))
            return;
    for (int v = 0; v < 2; v++) {
        char below[PATH_MAX];
        const int n =
            snprintf(below, sizeof(below), "%s/%s", opt->input, versions[v]->folder);
        if (n < PATH_MAX && input_is_folder(below)) {
            memcpy(s->input, below, sizeof(below));
            return;
        }
    }
}

/* Load whichever version is there into s->files. */
static int load(struct state *s, const struct source_options *opt,
                struct sluice_error *err)
{
    const struct version *versions[2] = { &s->variant->binary, &s->variant->python };
    struct input_file files[2 * FILES] = { 0 };
    int count[2] = { 0 }, total = 0, found[2] = { 0 };
    for (int v = 0; v < 2; v++) {
        const char *const *names = opt->test ? versions[v]->test : versions[v]->train;
        for (; names[count[v]]; count[v]++)
            files[total++].name = names[count[v]];
        files[total++].name = versions[v]->names;
    }
    const int rc = input_load(s->input, files, total, LIMIT, err);
    for (int v = 0, at = 0; v < 2; at += count[v] + 1, v++)
        for (int i = 0; i < count[v]; i++)
            found[v] += files[at + i].data != NULL;
    const int chosen = found[1] && !found[0], at = chosen ? count[0] + 1 : 0;
    s->batches = count[chosen];
    memcpy(s->files, files + at, ((size_t)s->batches + 1) * sizeof(*files));
    memset(files + at, 0, ((size_t)s->batches + 1) * sizeof(*files));
    input_free(files, total);
    if (rc == 0 && input_is_plain(s->input)) { /* it is the only batch */
        s->files[0].name = last_part(s->input);
        s->files[1].name = s->variant->binary.names;
        s->batches = 1;
    }
    return rc;
}

/* Make records of what is pickled, and see that all have the same labels. */
static int unpickle(struct state *s, struct sluice_error *err)
{
    const int wanted = s->variant->label[1].key ? 2 : 1;
    for (int i = 0; i <= s->batches; i++) {
        struct input_file *f = &s->files[i];
        struct sluice_error inner = { 0 };
        int labels = wanted, rc = 0;
        if (f->data && pickle_recognise(f->data, f->size))
            rc = i < s->batches
                     ? cifar_unpickle(f, s->variant->label, &labels, &inner)
                     : cifar_unpickle_names(f, s->variant->names_key, &inner);
        if (rc < 0)
            return sluice_fail(err, (enum sluice_code)rc, "%.300s: %.60s: %s", s->input,
                               f->name, inner.message);
        if (i == 0)
            s->labels = labels;
        else if (i < s->batches && labels != s->labels)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%.300s: of %s and %s only one has labels", s->input,
                               s->files[0].name, f->name);
    }
    return 0;
}

static int check_batches(struct source *src, struct sluice_error *err)
{
    struct state *s = src->state;
    const size_t record = (size_t)s->labels + CIFAR_PIXELS;
    for (int i = 0; i < s->batches; i++) {
        const struct input_file *f = &s->files[i];
        if (!f->data)
            return sluice_fail(err, SLUICE_ECORRUPT, "%.300s: %s is not in it",
                               s->input, f->name);
        if (f->size == 0 || f->size % record != 0)
            return sluice_fail(
                err, SLUICE_ECORRUPT,
                "%.300s: %s: %zu bytes, expected a multiple of %zu (one record): "
                "truncated, or not %s",
                s->input, f->name, f->size, record, s->variant->name);
        s->first[i] = src->count;
        src->count += f->size / record;
    }
    return 0;
}

static void describe(struct source *src, const struct source_options *opt)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { CIFAR_SIDE, CIFAR_SIDE, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "coarse_label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    };
    struct state *s = src->state;
    memcpy(s->fields, fields, sizeof(fields));
    src->schema.fields = s->fields;
    src->schema.field_count = 1 + s->labels;
    if (s->labels)
        src->schema.class_field = "label";
    else
        snprintf(src->note, sizeof(src->note),
                 "it has no labels: the samples are images alone");
    find_class_names(src, opt);
}

static int open_cifar(struct source *src, const struct source_options *opt,
                      const struct variant *variant, struct sluice_error *err)
{
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    s->variant = variant;
    find_input(s, opt);
    int rc = load(s, opt, err);
    if (rc == 0) /* of the files as they were published */
        src->schema.provenance =
            input_provenance(variant->name, opt, s->files, s->batches);
    if (rc == 0)
        rc = unpickle(s, err);
    if (rc == 0)
        rc = check_batches(src, err);
    if (rc == 0)
        describe(src, opt);
    else
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
    const int labels = s->labels;
    int b = s->batches - 1;
    while (i < s->first[b])
        b--;
    const uint64_t within = i - s->first[b];
    const uint8_t *record =
        s->files[b].data + within * ((uint64_t)labels + CIFAR_PIXELS);
    const uint8_t *planes = record + labels;
    for (int k = 0; k < labels; k++) {
        const int label = record[labels - 1 - k],
                  classes = s->variant->label[k].classes;
        if (label >= classes)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%.300s: %.100s: record %" PRIu64
                               ": label %d, expected 0 to %d",
                               s->input, s->files[b].name, within, label, classes - 1);
        values[1 + k].integer = label;
    }
    for (int p = 0; p < CIFAR_PLANE; p++) {
        s->pixels[3 * p] = planes[p];
        s->pixels[3 * p + 1] = planes[CIFAR_PLANE + p];
        s->pixels[3 * p + 2] = planes[2 * CIFAR_PLANE + p];
    }
    values[0].data = s->pixels;
    values[0].size = CIFAR_PIXELS;
    return 0;
}

const struct source_def source_cifar10 = {
    .name = "cifar10",
    .help = "cifar-10-binary.tar.gz or -python, its folder, or one of its files",
    .options = "split",
    .open = open_cifar10,
    .read = read_cifar,
    .close = close_cifar,
};

const struct source_def source_cifar100 = {
    .name = "cifar100",
    .help = "cifar-100-binary.tar.gz or -python, its folder, or one of its files",
    .options = "split",
    .open = open_cifar100,
    .read = read_cifar,
    .close = close_cifar,
};
