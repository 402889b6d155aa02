/* svhn.c -- Street View House Numbers, cropped digits: MATLAB files of version 5 with
 * X (32, 32, 3, n), u8, in MATLAB's order of memory (first axis fastest), and y (n, 1),
 * where the digit 0 has label 10. http://ufldl.stanford.edu/housenumbers/ */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"
#include "mat_check.h"
#include "source.h"

#ifdef SLUICE_HAVE_MATIO
#include <matio.h>

enum { SIDE = 32, CHANNELS = 3, PIXELS = SIDE * SIDE * CHANNELS, RATIO_MAX = 1100 };

struct state {
    char path[4096];
    matvar_t *images, *labels;
    struct sluice_field fields[2];
    char *provenance;
    uint8_t pixels[PIXELS];
};

static void close_svhn(struct source *src)
{
    struct state *s = src->state;
    Mat_VarFree(s->images);
    Mat_VarFree(s->labels);
    free(s->provenance);
    free(s);
}

static const char *find_file(struct state *s, const struct source_options *opt)
{
    struct stat st;
    if (stat(opt->input, &st) == 0 && S_ISDIR(st.st_mode))
        snprintf(s->path, sizeof(s->path), "%.4000s/%s_32x32.mat", opt->input,
                 opt->test ? "test" : "train");
    else
        snprintf(s->path, sizeof(s->path), "%.4095s", opt->input);
    return s->path;
}

/* Elements are read only if the file can hold them: zlib makes nothing smaller than a
 * thousandth. */
static int read_variable(const struct state *s, mat_t *file, const char *name,
                         uint64_t file_size, matvar_t **out, struct sluice_error *err)
{
    const uint64_t most = RATIO_MAX * file_size;
    uint64_t elements = 1;
    matvar_t *v = *out = Mat_VarReadInfo(file, name);
    for (int i = 0; v && i < v->rank; i++) {
        if (v->dims[i] && elements > most / v->dims[i])
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%.300s: %s: more elements than the file can hold",
                               s->path, name);
        elements *= v->dims[i];
    }
    return v && Mat_VarReadDataAll(file, v) == 0
               ? 0
               : sluice_fail(err, SLUICE_ECORRUPT,
                             "%.300s: no variable %s in it, or the file is truncated",
                             s->path, name);
}

static int load(struct state *s, struct sluice_error *err)
{
    struct stat st;
    if (stat(s->path, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: No such file or directory",
                           s->path);
    int rc = mat_check(s->path, err);
    if (rc < 0)
        return rc;
    /* libmatio prints nothing as long as nobody asks it to keep a log. */
    mat_t *file = Mat_Open(s->path, MAT_ACC_RDONLY);
    if (!file)
        return sluice_fail(err, SLUICE_ECORRUPT, "%.300s: expected a MATLAB file",
                           s->path);
    rc = read_variable(s, file, "X", (uint64_t)st.st_size, &s->images, err);
    if (rc == 0)
        rc = read_variable(s, file, "y", (uint64_t)st.st_size, &s->labels, err);
    Mat_Close(file);
    return rc;
}

static int check(const struct state *s, uint64_t *count, struct sluice_error *err)
{
    const matvar_t *x = s->images, *y = s->labels;
    if (x->rank != 4 || x->dims[0] != SIDE || x->dims[1] != SIDE ||
        x->dims[2] != CHANNELS || x->class_type != MAT_C_UINT8 || !x->data ||
        x->isComplex || x->nbytes / PIXELS != x->dims[3])
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: X: expected u8 of 32x32x3xn, found something else, "
                           "or the file is truncated",
                           s->path);
    *count = x->dims[3];
    const bool bytes = y->class_type == MAT_C_UINT8;
    const size_t size = bytes ? 1 : sizeof(double);
    if (y->rank != 2 || y->dims[0] != *count || y->dims[1] != 1 || !y->data ||
        y->isComplex || (!bytes && y->class_type != MAT_C_DOUBLE) ||
        y->nbytes != size * *count)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: y: expected %" PRIu64
                           " labels, found something else",
                           s->path, *count);
    return *count ? 0 : sluice_fail(err, SLUICE_ECORRUPT, "%.300s: no images", s->path);
}

static int open_svhn(struct source *src, const struct source_options *opt,
                     struct sluice_error *err)
{
    static const char *const digits[] = { "0", "1", "2", "3", "4",
                                          "5", "6", "7", "8", "9" };
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    find_file(s, opt);
    int rc = load(s, err);
    if (rc == 0)
        rc = check(s, &src->count, err);
    if (rc < 0) {
        close_svhn(src);
        return rc;
    }
    s->fields[0] = (struct sluice_field){
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { SIDE, SIDE, CHANNELS }
    };
    s->fields[1] =
        (struct sluice_field){ "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } };
    const char *name = strrchr(s->path, '/');
    const struct input_file file = { name ? name + 1 : s->path, s->images->data,
                                     s->images->nbytes };
    s->provenance = input_provenance("svhn", opt, &file, 1);
    src->schema = (struct sluice_schema){
        .fields = s->fields,
        .field_count = 2,
        .classes = opt->class_count ? opt->class_names : digits,
        .class_count = opt->class_count ? opt->class_count : 10,
        .class_field = "label",
        .provenance = s->provenance,
    };
    return 0;
}

static int read_svhn(struct source *src, uint64_t i, struct sluice_value *values,
                     struct sluice_error *err)
{
    struct state *s = src->state;
    const uint8_t *image = (const uint8_t *)s->images->data + i * PIXELS;
    const double label = s->labels->class_type == MAT_C_UINT8
                             ? ((const uint8_t *)s->labels->data)[i]
                             : ((const double *)s->labels->data)[i];
    if (!(label >= 0 && label <= 10) || label != (int)label)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: image %" PRIu64 ": label %g, expected 1 to 10",
                           s->path, i, label);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++)
                s->pixels[(y * SIDE + x) * CHANNELS + c] =
                    image[y + SIDE * (x + SIDE * c)];
    values[0].data = s->pixels;
    values[0].size = PIXELS;
    values[1].integer = (int)label % 10;
    return 0;
}
#else
static int open_svhn(struct source *src, const struct source_options *opt,
                     struct sluice_error *err)
{
    (void)src;
    return sluice_fail(err, SLUICE_EUNBUILT, "%s: this build lacks libmatio",
                       opt->input);
}

static int read_svhn(struct source *src, uint64_t i, struct sluice_value *values,
                     struct sluice_error *err)
{
    (void)src, (void)i, (void)values;
    return sluice_fail(err, SLUICE_EUNBUILT, "this build lacks libmatio");
}

static void close_svhn(struct source *src)
{
    (void)src;
}
#endif

const struct source_def source_svhn = {
    .name = "svhn",
    .help = "train_32x32.mat, test_32x32.mat or extra_32x32.mat, or their folder",
    .options = "split",
    .open = open_svhn,
    .read = read_svhn,
    .close = close_svhn,
};
