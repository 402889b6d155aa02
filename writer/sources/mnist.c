/* mnist.c -- MNIST and the sets that share its files: Fashion-MNIST, KMNIST, EMNIST.
 *
 * IDX files (http://yann.lecun.com/exdb/mnist/): big-endian magic 2051 = images with
 * count, rows, columns and then pixels; 2049 = labels with count and then bytes.
 *
 * EMNIST's pictures lie in its files with rows and columns exchanged. Here they are
 * turned upright, as MNIST's are, unless that is not wanted. Its "letters" are labelled
 * from 1; here from 0, as all sets are. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emnist.h"
#include "input.h"
#include "source.h"

enum {
    IMAGES_MAGIC = 2051,
    LABELS_MAGIC = 2049,
    IMAGES_HEADER = 16,
    LABELS_HEADER = 8,
    SIDE_MAX = 4096,
};
#define LIMIT ((size_t)4 << 30)

struct state {
    struct input_file images, labels;
    char labels_path[PATH_MAX];
    char images_name[64], labels_name[64];
    uint32_t rows, columns; /* as they lie in the file */
    size_t image_bytes;
    const struct emnist *emnist; /* NULL: it is another set */
    bool turn;                   /* exchange rows and columns */
    uint8_t *turned;             /* the present image */
    char class_texts[EMNIST_CLASSES_MAX][2];
    const char *classes[EMNIST_CLASSES_MAX];
    struct sluice_field fields[2];
};

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void close_mnist(struct source *src)
{
    struct state *s = src->state;
    if (!s)
        return;
    input_free(&s->images, 1);
    input_free(&s->labels, 1);
    free(s->turned);
    free((char *)src->schema.provenance);
    free(s);
    src->state = NULL;
}

static int check_idx(const struct input_file *f, const char *input, uint32_t magic,
                     size_t header, size_t item, struct sluice_error *err)
{
    if (!f->data)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: neither %s nor %s.gz is in it",
                           input, f->name, f->name);
    if (f->size < header || big_endian(f->data) != magic)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: %s: starts with %u, expected %u: not an IDX file of %s",
                           input, f->name, f->size < 4 ? 0 : big_endian(f->data), magic,
                           magic == IMAGES_MAGIC ? "images" : "labels");
    if (item && f->size - header != item * (size_t)big_endian(f->data + 4))
        return sluice_fail(
            err, SLUICE_ECORRUPT,
            "%s: %s: %zu bytes after the header, expected %u items of %zu: "
            "truncated or damaged",
            input, f->name, f->size - header, big_endian(f->data + 4), item);
    return 0;
}

static int check_files(struct source *src, const struct source_options *opt,
                       struct sluice_error *err)
{
    struct state *s = src->state;
    int rc = check_idx(&s->images, opt->input, IMAGES_MAGIC, IMAGES_HEADER, 0, err);
    if (rc < 0)
        return rc;
    const uint32_t rows = big_endian(s->images.data + 8);
    const uint32_t columns = big_endian(s->images.data + 12);
    if (!rows || !columns || rows > SIDE_MAX || columns > SIDE_MAX)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: %s: images of %ux%u", opt->input,
                           s->images.name, rows, columns);
    s->rows = rows;
    s->columns = columns;
    s->image_bytes = (size_t)rows * columns;
    rc = check_idx(&s->images, opt->input, IMAGES_MAGIC, IMAGES_HEADER, s->image_bytes,
                   err);
    if (rc == 0)
        rc = check_idx(&s->labels, opt->input, LABELS_MAGIC, LABELS_HEADER, 1, err);
    if (rc < 0)
        return rc;
    src->count = big_endian(s->images.data + 4);
    if (big_endian(s->labels.data + 4) != src->count)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: %" PRIu64 " images but %u labels",
                           opt->input, src->count, big_endian(s->labels.data + 4));
    s->fields[0] = (struct sluice_field){
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { rows, columns, 1 }
    };
    if (s->turn) {
        s->fields[0].shape[0] = columns;
        s->fields[0].shape[1] = rows;
    }
    s->fields[1] =
        (struct sluice_field){ "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } };
    return 0;
}

/* The file's own name, without the .gz. */
static void name_unpacked(char name[64], const char *path)
{
    const char *slash = strrchr(path, '/'), *own = slash ? slash + 1 : path;
    const size_t n = strlen(own);
    const bool packed = n > 3 && strcmp(own + n - 3, ".gz") == 0;
    snprintf(name, 64, "%.*s", (int)(packed ? n - 3 : n), own);
}

/* INPUT is an images file: the labels lie beside it, with the parts of the name that
 * say so exchanged. */
static int load_pair(struct state *s, const char *input, struct sluice_error *err)
{
    const char *at = strstr(input, "images-idx3"), *next;
    while (at && (next = strstr(at + 1, "images-idx3")))
        at = next;
    if (!at)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s: expected a folder, or a file called *images-idx3-ubyte[.gz]", input);
    snprintf(s->labels_path, sizeof(s->labels_path), "%.*slabels-idx1%s",
             (int)(at - input), input, at + strlen("images-idx3"));
    name_unpacked(s->images_name, input);
    name_unpacked(s->labels_name, s->labels_path);
    int rc = input_load(input, &s->images, 1, LIMIT, err);
    return rc < 0 ? rc : input_load(s->labels_path, &s->labels, 1, LIMIT, err);
}

/* Which files, by their names; then their bytes. */
static int load(struct state *s, const struct source_options *opt,
                struct sluice_error *err)
{
    const char *stem = opt->test ? "t10k" : "train";
    snprintf(s->images_name, sizeof(s->images_name), "%s-images-idx3-ubyte", stem);
    snprintf(s->labels_name, sizeof(s->labels_name), "%s-labels-idx1-ubyte", stem);
    s->images.name = s->images_name;
    s->labels.name = s->labels_name;
    if (input_is_plain(opt->input) && strstr(opt->input, "-ubyte")) {
        s->emnist = emnist_of_file(opt->input);
        return load_pair(s, opt->input, err);
    }
    if (opt->variant || !input_has(opt->input, s->images_name)) {
        const int rc =
            emnist_of_folder(&s->emnist, opt->input, opt->test, opt->variant, err);
        if (rc < 0)
            return rc;
    }
    if (s->emnist)
        emnist_file_names(s->emnist, opt->test, s->images_name, s->labels_name);
    struct input_file both[2] = { s->images, s->labels };
    const int rc = input_load(opt->input, both, 2, LIMIT, err);
    s->images = both[0];
    s->labels = both[1];
    return rc;
}

static void find_class_names(struct source *src, const struct source_options *opt)
{
    struct state *s = src->state;
    src->schema.classes = opt->class_names;
    src->schema.class_count = opt->class_count;
    if (opt->class_count || !s->emnist)
        return;
    const int n = (int)strlen(s->emnist->classes);
    for (int i = 0; i < n; i++) {
        s->class_texts[i][0] = s->emnist->classes[i];
        s->classes[i] = s->class_texts[i];
    }
    src->schema.classes = s->classes;
    src->schema.class_count = n;
}

static int open_mnist(struct source *src, const struct source_options *opt,
                      struct sluice_error *err)
{
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    int rc = load(s, opt, err);
    s->turn = s->emnist && !opt->transposed;
    if (rc == 0)
        rc = check_files(src, opt, err);
    if (rc == 0 && s->turn && !(s->turned = malloc(s->image_bytes)))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    if (rc < 0) {
        close_mnist(src);
        return rc;
    }
    struct input_file both[2] = { s->images, s->labels };
    src->schema = (struct sluice_schema){
        .fields = s->fields,
        .field_count = 2,
        .class_field = "label",
        .provenance = input_provenance("mnist", opt, both, 2),
    };
    find_class_names(src, opt);
    return 0;
}

static int read_mnist(struct source *src, uint64_t i, struct sluice_value *values,
                      struct sluice_error *err)
{
    const struct state *s = src->state;
    const uint8_t *image = s->images.data + IMAGES_HEADER + i * s->image_bytes;
    const int label = s->labels.data[LABELS_HEADER + i];
    const int first = s->emnist ? s->emnist->first : 0;
    if (s->emnist &&
        (label < first || label >= first + (int)strlen(s->emnist->classes)))
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: item %" PRIu64 ": label %d, expected %d to %d",
                           s->labels.name, i, label, first,
                           first + (int)strlen(s->emnist->classes) - 1);
    for (uint32_t r = 0; s->turn && r < s->rows; r++)
        for (uint32_t c = 0; c < s->columns; c++)
            s->turned[(size_t)c * s->rows + r] = image[(size_t)r * s->columns + c];
    values[0].data = s->turn ? s->turned : image;
    values[0].size = s->image_bytes;
    values[1].integer = label - first;
    return 0;
}

const struct source_def source_mnist = {
    .name = "mnist",
    .help = "folder or archive with IDX files of MNIST, Fashion-MNIST, KMNIST or "
            "EMNIST (.gz or not), or an images file",
    .options = "split variant transposed",
    .open = open_mnist,
    .read = read_mnist,
    .close = close_mnist,
};
