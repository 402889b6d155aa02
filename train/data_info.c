/* data_info.c -- files as a trainer sees them; see data_info.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/crc32c.h>
#include <sluice/loader.h>

#include "data_info.h"

struct source {
    int fd;
    const char *path;
};

static int read_at(void *ctx, void *buf, size_t size, uint64_t offset,
                   struct sluice_error *err)
{
    const struct source *s = ctx;
    for (size_t done = 0; done < size;) {
        ssize_t n =
            pread(s->fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n == 0)
            return sluice_fail(err, SLUICE_ECORRUPT, "%.300s: ends at %" PRIu64,
                               s->path, offset + done);
        if (n < 0 && errno != EINTR)
            return sluice_fail(err, SLUICE_EIO, "%.300s: %s", s->path, strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int open_dataset(struct data_info *info, const char *key,
                        struct sluice_error *err)
{
    struct source s = { open(info->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
                        info->path };
    struct stat st;
    int rc = 0;
    if (s.fd < 0 || fstat(s.fd, &st) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%s: %.300s: %s; say %s=FILE.sluice", key,
                         info->path, strerror(errno), key);
    else if (!S_ISREG(st.st_mode))
        rc = sluice_fail(err, SLUICE_EINVAL, "%.300s: not a regular file", info->path);
    else
        rc = sluice_dataset_open(&info->dataset, info->path, (uint64_t)st.st_size,
                                 read_at, &s, err);
    if (s.fd >= 0)
        close(s.fd);
    return rc;
}

static bool is_label(const struct sluice_field *f)
{
    return f->kind == SLUICE_KIND_SCALAR && f->dtype != SLUICE_F16 &&
           f->dtype != SLUICE_F32 && f->dtype != SLUICE_F64 && f->dtype != SLUICE_BF16;
}

static int refuse_label(const struct data_info *info, const char *label,
                        struct sluice_error *err)
{
    const struct sluice_dataset *ds = info->dataset;
    char names[200] = "";
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        const size_t n = strlen(names);
        if (is_label(f))
            snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", f->name);
    }
    return sluice_fail(
        err, SLUICE_EINVAL,
        "%.150s: data.label: expected one of the integer fields %s, found '%.60s'",
        info->path, *names ? names : "(there are none)", label);
}

/* Batches have one column for each integer scalar field, in the schema's order. */
static int find_label(struct data_info *info, const char *label,
                      struct sluice_error *err)
{
    const struct sluice_dataset *ds = info->dataset;
    const int field =
        *label ? sluice_dataset_find(ds, label) : sluice_dataset_find_label(ds);
    info->label_field = -1;
    if (field >= 0 && is_label(sluice_dataset_field(ds, field)))
        info->label_field = field;
    else if (*label)
        return refuse_label(info, label, err);
    for (int i = 0; i < info->label_field; i++)
        info->label_column += is_label(sluice_dataset_field(ds, i));
    return 0;
}

static int count_classes(struct data_info *info, struct sluice_error *err)
{
    int64_t most = -1;
    if (info->label_field < 0)
        return 0;
    info->classes = sluice_dataset_classes(info->dataset, info->label_field);
    if (info->classes)
        return 0;
    for (uint64_t i = 0; i < info->all; i++) {
        int64_t x = sluice_dataset_integer(info->dataset, info->label_field, i);
        most = x > most ? x : most;
    }
    if (most >= 1 << 20)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: label %" PRId64 ": expected classes below %d",
                           info->path, most, 1 << 20);
    info->classes = (int)most + 1;
    return 0;
}

/* "FIRST-LAST", both included. */
static int parse_range(struct data_info *info, const char *key, const char *range,
                       struct sluice_error *err)
{
    static const char *const digits = "0123456789";
    const size_t a = strspn(range, digits);
    const size_t b = range[a] == '-' ? strspn(range + a + 1, digits) : 0;
    info->count = info->used = info->all;
    if (!*range)
        return 0;
    /* Eighteen digits fit. */
    const bool good = a && b && a < 19 && b < 19 && !range[a + 1 + b];
    const uint64_t first = good ? strtoull(range, NULL, 10) : 0;
    const uint64_t last = good ? strtoull(range + a + 1, NULL, 10) : 0;
    if (!good || first > last || last >= info->all)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s_range: '%.40s': expected FIRST-LAST within 0-%" PRIu64
                           " of %.300s",
                           key, range, info->all - 1, info->path);
    info->first = first;
    info->count = info->used = last - first + 1;
    return 0;
}

int data_info_fold(struct data_info *info, const struct config *cfg, bool test,
                   struct sluice_error *err)
{
    const char *text = cfg->data.fold;
    char *slash = "", *end = "";
    if (!*text)
        return 0;
    const long fold = strtol(text, &slash, 10);
    const long folds = *slash == '/' ? strtol(slash + 1, &end, 10) : 0;
    if (*text < '0' || *text > '9' || *slash != '/' || slash[1] < '0' ||
        slash[1] > '9' || *end || folds < 2 || folds > 1 << 20 || fold < 1 ||
        fold > folds || (uint64_t)folds > info->count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.fold: '%.30s': expected PART/PARTS, as in 1/5, of the "
                           "%" PRIu64 " samples of %.300s",
                           text, info->count, info->path);
    const uint64_t k = (uint64_t)folds;
    /* They are dealt out in turn: the first ones may have one more. */
    const uint64_t held = info->count / k + ((uint64_t)fold <= info->count % k ? 1 : 0);
    info->folds = (int)folds;
    info->fold = (int)fold - 1;
    info->fold_test = test;
    info->used = test ? held : info->count - held;
    return 0;
}

/* A file that leaves the size of images open may still have but one: the loader knows.
 */
static int find_shape(struct data_info *info, const struct config *cfg,
                      const struct sluice_field *image, struct sluice_error *err)
{
    const struct sluice_loader_options look = {
        .threads = 1,
        .batches = 1,
        .batch_size = 1,
        .io = SLUICE_IO_PREAD,
        .on_error = (enum sluice_on_error)cfg->data.on_error,
    };
    struct sluice_loader *ld;
    if (cfg->data.crop != SLUICE_CROP_NONE)
        info->source = (struct sluice_shape){ cfg->data.size, cfg->data.size, 3,
                                              SLUICE_U8, SLUICE_NHWC };
    else
        info->source =
            (struct sluice_shape){ (int)image->shape[0], (int)image->shape[1],
                                   (int)image->shape[2], SLUICE_U8, SLUICE_NHWC };
    if (info->source.height && info->source.width && info->source.channels)
        return 0;
    int rc = sluice_loader_open(&ld, info->path, &look, err);
    if (rc == SLUICE_EINVAL) {
        const struct sluice_error told = *err;
        sluice_fail(err, rc, "%.400s (data.crop=random or center)", told.message);
    }
    if (rc == 0)
        info->source = sluice_loader_source(ld);
    sluice_loader_close(ld);
    return rc;
}

int data_info_open(struct data_info *info, const char *key, const char *path,
                   const char *range, const struct config *cfg,
                   struct sluice_error *err)
{
    int field, rc;
    *info = (struct data_info){ .path = path, .label_field = -1 };
    if ((rc = open_dataset(info, key, err)) < 0)
        return rc;
    info->all = sluice_dataset_count(info->dataset);
    field = sluice_dataset_find_kind(info->dataset, SLUICE_KIND_IMAGE);
    if (field < 0 || info->all == 0)
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: %s", path,
                           field < 0 ? "no image field" : "no samples");
    if ((rc = parse_range(info, key, range, err)) < 0 ||
        (rc = find_label(info, cfg->data.label, err)) < 0 ||
        (rc = count_classes(info, err)) < 0)
        return rc;
    return find_shape(info, cfg, sluice_dataset_field(info->dataset, field), err);
}

void data_info_close(struct data_info *info)
{
    sluice_dataset_free(info->dataset);
    info->dataset = NULL;
}

int data_info_check_labels(const struct data_info *info, int classes,
                           struct sluice_error *err)
{
    if (info->label_field < 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: no labels: expected an integer field", info->path);
    for (uint64_t i = info->first; i < info->first + info->count; i++) {
        int64_t x = sluice_dataset_integer(info->dataset, info->label_field, i);
        if (x < 0 || x >= classes)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: sample %" PRIu64
                               ": expected a label from 0 to %d, found %" PRId64,
                               info->path, i, classes - 1, x);
    }
    return 0;
}

const char *data_info_class(char buf[32], const struct data_info *info, int label)
{
    const char *name = NULL;
    if (info->label_field >= 0 &&
        label < sluice_dataset_classes(info->dataset, info->label_field))
        name = sluice_dataset_class_name(info->dataset, info->label_field, label);
    if (!name)
        snprintf(buf, 32, "%d", label);
    return name ? name : buf;
}

uint32_t data_info_names(const struct data_info *info)
{
    const int n = info->label_field < 0
                      ? 0
                      : sluice_dataset_classes(info->dataset, info->label_field);
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) {
        const char *name =
            sluice_dataset_class_name(info->dataset, info->label_field, i);
        sum = sluice_crc32c(sum, name, strlen(name) + 1);
    }
    return sum;
}

int data_info_check_match(const struct data_info *train, const struct data_info *test,
                          struct sluice_error *err)
{
    const struct sluice_shape *a = &train->source, *b = &test->source;
    char x[32], y[32];
    if (a->height != b->height || a->width != b->width || a->channels != b->channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.180s: expected images of %dx%dx%d as in %.180s, found "
                           "%dx%dx%d",
                           test->path, a->height, a->width, a->channels, train->path,
                           b->height, b->width, b->channels);
    if (train->label_field < 0 || test->label_field < 0)
        return 0;
    const int n = sluice_dataset_classes(train->dataset, train->label_field);
    const int m = sluice_dataset_classes(test->dataset, test->label_field);
    if (n && m && n != m)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.180s: expected the %d classes of %.180s, found %d",
                           test->path, n, train->path, m);
    for (int i = 0; m && i < n; i++) {
        const char *name = data_info_class(x, train, i);
        const char *other = data_info_class(y, test, i);
        if (strcmp(name, other) != 0)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.180s: expected the %d classes of %.180s; class %d is "
                               "'%.20s' there and '%.20s' here",
                               test->path, n, train->path, i, name, other);
    }
    return 0;
}
