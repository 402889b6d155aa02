/* mnist.c -- MNIST and the sets that share its files: Fashion-MNIST, KMNIST, EMNIST.
 *
 * IDX files (http://yann.lecun.com/exdb/mnist/): big-endian magic 2051 = images with
 * count, rows, columns and then pixels; 2049 = labels with count and then bytes. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    size_t image_bytes;
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
    s->fields[1] =
        (struct sluice_field){ "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } };
    return 0;
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
    int rc = input_load(input, &s->images, 1, LIMIT, err);
    return rc < 0 ? rc : input_load(s->labels_path, &s->labels, 1, LIMIT, err);
}

static int open_mnist(struct source *src, const struct source_options *opt,
                      struct sluice_error *err)
{
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    s->images.name = opt->test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte";
    s->labels.name = opt->test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte";
    int rc;
    if (strstr(opt->input, "-ubyte")) {
        rc = load_pair(s, opt->input, err);
    } else {
        struct input_file both[2] = { s->images, s->labels };
        rc = input_load(opt->input, both, 2, LIMIT, err);
        s->images = both[0];
        s->labels = both[1];
    }
    if (rc == 0)
        rc = check_files(src, opt, err);
    if (rc < 0) {
        close_mnist(src);
        return rc;
    }
    struct input_file both[2] = { s->images, s->labels };
    src->schema = (struct sluice_schema){
        .fields = s->fields,
        .field_count = 2,
        .classes = opt->class_names,
        .class_count = opt->class_count,
        .class_field = "label",
        .provenance = input_provenance("mnist", opt->test ? "test" : "train", both, 2),
    };
    return 0;
}

static int read_mnist(struct source *src, uint64_t i, struct sluice_value *values,
                      struct sluice_error *err)
{
    const struct state *s = src->state;
    (void)err;
    values[0].data = s->images.data + IMAGES_HEADER + i * s->image_bytes;
    values[0].size = s->image_bytes;
    values[1].integer = s->labels.data[LABELS_HEADER + i];
    return 0;
}

const struct source_def source_mnist = {
    .name = "mnist",
    .help = "folder with MNIST's or Fashion-MNIST's IDX files (.gz or not), or an "
            "images file",
    .open = open_mnist,
    .read = read_mnist,
    .close = close_mnist,
};
