/* cifar_pickle.c -- batches of CIFAR's Python versions: a dictionary of an array of
 * images and lists of labels; see cifar_pickle.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cifar_pickle.h"
#include "pickle.h"

struct batch {
    const struct pickle_value *images;
    const struct pickle_value *labels[2];
    int label_count;
    uint64_t count;
    bool planes; /* images are planes, as in the records */
};

static const struct pickle_value *find_images(const struct pickle_value *root)
{
    const struct pickle_value *found = pickle_find(root, "data");
    if (!found)
        found = pickle_find(root, "images");
    for (size_t i = 1; !found && root->kind == PICKLE_DICT && i < root->count; i += 2)
        if (root->items[i]->kind == PICKLE_ARRAY)
            found = root->items[i];
    return !found && root->kind == PICKLE_ARRAY ? root : found;
}

static bool has_shape(const struct pickle_array *a, int rank, uint64_t x, uint64_t y,
                      uint64_t z)
{
    return a->rank == rank && a->shape[1] == x &&
           (rank < 4 || (a->shape[2] == y && a->shape[3] == z));
}

static int check_images(struct batch *b, struct sluice_error *err)
{
    const struct pickle_value *v = b->images;
    if (!v)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "expected images under the key data, found none");
    const struct pickle_array *a = v->kind == PICKLE_ARRAY ? v->array : NULL;
    b->planes = a && (has_shape(a, 2, CIFAR_PIXELS, 0, 0) ||
                      has_shape(a, 4, 3, CIFAR_SIDE, CIFAR_SIDE));
    if (!a || a->dtype.letter != 'u' || a->dtype.size != 1 || a->columns_first ||
        (!b->planes && !has_shape(a, 4, CIFAR_SIDE, CIFAR_SIDE, 3)))
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "images: expected an array of u8, n x 3072, n x 3 x 32 x 32 "
                           "or n x 32 x 32 x 3, row-major; found something else");
    b->count = a->shape[0];
    return b->count ? 0 : sluice_fail(err, SLUICE_ECORRUPT, "no images");
}

static int find_labels(struct batch *b, const struct pickle_value *root,
                       const struct cifar_label label[2], struct sluice_error *err)
{
    const char *missing = NULL;
    int wanted = 0;
    for (; wanted < 2 && label[wanted].key; wanted++) {
        const struct pickle_value *v = pickle_find(root, label[wanted].key);
        b->labels[wanted] = v;
        if (!v)
            missing = label[wanted].key;
        else if (pickle_length(v) != b->count)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: expected %" PRIu64 " labels, found %zu",
                               label[wanted].key, b->count, pickle_length(v));
        b->label_count += v != NULL;
    }
    return b->label_count && b->label_count < wanted
               ? sluice_fail(err, SLUICE_ECORRUPT, "labels, but no %s", missing)
               : 0;
}

static int put_labels(const struct batch *b, uint64_t i,
                      const struct cifar_label label[2], uint8_t *record,
                      struct sluice_error *err)
{
    for (int k = 0; k < b->label_count; k++) {
        int64_t v;
        if (!pickle_integer(b->labels[k], i, &v) || v < 0 || v >= label[k].classes)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: image %" PRIu64
                               ": expected a label from 0 to %d, found another",
                               label[k].key, i, label[k].classes - 1);
        record[b->label_count - 1 - k] = (uint8_t)v;
    }
    return 0;
}

static void put_image(const struct batch *b, uint64_t i, uint8_t *record)
{
    const uint8_t *from = b->images->bytes + i * CIFAR_PIXELS;
    if (b->planes) {
        memcpy(record, from, CIFAR_PIXELS);
        return;
    }
    for (int p = 0; p < CIFAR_PLANE; p++)
        for (int c = 0; c < 3; c++)
            record[c * CIFAR_PLANE + p] = from[3 * p + c];
}

static int make_records(const struct batch *b, const struct cifar_label label[2],
                        struct input_file *f, struct sluice_error *err)
{
    const size_t record = (size_t)b->label_count + CIFAR_PIXELS;
    uint8_t *out = malloc(b->count * record + 1);
    int rc = out ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " images",
                               b->count);
    for (uint64_t i = 0; i < b->count && rc == 0; i++) {
        rc = put_labels(b, i, label, out + i * record, err);
        put_image(b, i, out + i * record + b->label_count);
    }
    if (rc < 0) {
        free(out);
        return rc;
    }
    free(f->data); /* the batch's values pointed into it */
    f->data = out;
    f->size = b->count * record;
    return 0;
}

int cifar_unpickle(struct input_file *f, const struct cifar_label label[2], int *labels,
                   struct sluice_error *err)
{
    struct pickle *p;
    int rc = pickle_parse(&p, f->data, f->size, err);
    if (rc < 0)
        return rc;
    struct batch b = { .images = find_images(pickle_root(p)) };
    if ((rc = check_images(&b, err)) == 0 &&
        (rc = find_labels(&b, pickle_root(p), label, err)) == 0)
        rc = make_records(&b, label, f, err);
    *labels = b.label_count;
    pickle_free(p);
    return rc;
}

int cifar_unpickle_names(struct input_file *f, const char *key,
                         struct sluice_error *err)
{
    struct pickle *p;
    int rc = pickle_parse(&p, f->data, f->size, err);
    if (rc < 0)
        return rc;
    const struct pickle_value *names = pickle_find(pickle_root(p), key);
    const size_t count = names && names->kind == PICKLE_LIST ? names->count : 0;
    size_t room = 1, at = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        room += names->items[i]->size + 1;
        if (names->items[i]->kind != PICKLE_STRING || room > f->size + 2)
            rc = sluice_fail(err, SLUICE_ECORRUPT, "%s: expected a list of names", key);
    }
    uint8_t *out = rc < 0 ? NULL : malloc(room);
    if (rc == 0 && !out)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu names", count);
    for (size_t i = 0; out && i < count; i++) {
        memcpy(out + at, names->items[i]->bytes, names->items[i]->size);
        at += names->items[i]->size;
        out[at++] = '\n';
    }
    pickle_free(p); /* the names were in f->data */
    if (rc < 0)
        return rc;
    free(f->data);
    f->data = out;
    f->size = at;
    return 0;
}
