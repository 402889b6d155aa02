/* export_main.c -- `sluice export`: a .sluice file back into what it was made from, the
 * publisher's binary files or folders of pictures. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

#include "options.h"
#include "packed.h"
#include "progress.h"
#include "stale.h"

static const char program[] = "sluice export";

enum format { AS_FOLDER, AS_CIFAR10, AS_CIFAR100, AS_MNIST };
enum { PATH_BYTES = 4096, LABELS_MAX = 2, BATCH = 10000 };

struct options {
    int format, split;
    bool quiet;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "as", CLI_CHOICE, offsetof(struct options, format), 0, 0, "folder|cifar10|cifar100|mnist",
      "what to write: folder (JPEGs as they are stored, pixels as PNG)" },
    { "split", CLI_CHOICE, offsetof(struct options, split), 0, 0, "train|test", "how the publisher's files are called: train" },
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct export
{
    struct packed in;
    const struct options *opt;
    char folder[PATH_BYTES]; /* under a temporary name */
    int image, labels[LABELS_MAX], label_count;
    FILE *images, *names;      /* that are being written; names: MNIST's labels */
    char path[2 * PATH_BYTES]; /* of what is written, for messages */
};

static int io_error(const struct export *e, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EIO, "%.400s: %s", e->path, strerror(errno));
}

static FILE *create(struct export *e, const char *name, struct sluice_error *err)
{
    snprintf(e->path, sizeof(e->path), "%s/%s", e->folder, name);
    FILE *f = fopen(e->path, "we");
    if (!f)
        io_error(e, err);
    return f;
}

static int finish(struct export *e, FILE **f, struct sluice_error *err)
{
    FILE *file = *f;
    *f = NULL;
    if (!file)
        return 0;
    /* What a flush in between lost is remembered, but not why. */
    const bool lost = ferror(file);
    const bool bad = fflush(file) != 0 || fsync(fileno(file)) < 0;
    if (lost && !bad)
        errno = EIO;
    const int rc = lost || bad ? io_error(e, err) : 0;
    return fclose(file) != 0 && rc == 0 ? io_error(e, err) : rc;
}

/* ---- the publishers' binary files ---- */

static void put_big_endian(FILE *f, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putc((int)(v >> shift & 0xff), f);
}

static int begin_mnist(struct export *e, struct sluice_error *err)
{
    const char *stem = e->opt->split ? "t10k" : "train";
    const struct sluice_field *f = sluice_dataset_field(e->in.dataset, e->image);
    const uint32_t count = (uint32_t)sluice_dataset_count(e->in.dataset);
    char name[64];
    snprintf(name, sizeof(name), "%s-labels-idx1-ubyte", stem);
    if (!(e->names = create(e, name, err)))
        return SLUICE_EIO;
    snprintf(name, sizeof(name), "%s-images-idx3-ubyte", stem);
    if (!(e->images = create(e, name, err)))
        return SLUICE_EIO;
    put_big_endian(e->names, 0x801);
    put_big_endian(e->names, count);
    put_big_endian(e->images, 0x803);
    put_big_endian(e->images, count);
    put_big_endian(e->images, f->shape[0]);
    put_big_endian(e->images, f->shape[1]);
    return 0;
}

/* The next of CIFAR's files, where sample `i` is the first of one. */
static int begin_cifar(struct export *e, uint64_t i, struct sluice_error *err)
{
    char name[64];
    if (e->opt->format == AS_CIFAR10 && !e->opt->split) {
        if (i % BATCH)
            return 0;
        snprintf(name, sizeof(name), "data_batch_%d.bin", (int)(i / BATCH) + 1);
    } else if (i) {
        return 0;
    } else if (e->opt->format == AS_CIFAR10) {
        snprintf(name, sizeof(name), "test_batch.bin");
    } else {
        snprintf(name, sizeof(name), "%s.bin", e->opt->split ? "test" : "train");
    }
    const int rc = finish(e, &e->images, err);
    return rc < 0 ? rc : (e->images = create(e, name, err)) ? 0 : SLUICE_EIO;
}

static int put_labels(struct export *e, FILE *f, uint64_t i,
                      const struct sluice_value *values, struct sluice_error *err)
{
    for (int k = e->label_count - 1; k >= 0; k--) {
        const int64_t label = values[e->labels[k]].integer;
        if (label < 0 || label > 255)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: sample %" PRIu64 ": label %" PRId64
                               " does not fit a byte",
                               e->in.path, i, label);
        putc((int)label, f);
    }
    return 0;
}

static int put_cifar(struct export *e, uint64_t i, const struct sluice_value *values,
                     struct sluice_error *err)
{
    const uint8_t *pixels = values[e->image].data;
    const size_t size = values[e->image].size;
    int rc = begin_cifar(e, i, err);
    if (rc == 0)
        rc = put_labels(e, e->images, i, values, err);
    for (size_t c = 0; c < 3 && rc == 0; c++)
        for (size_t at = c; at < size; at += 3)
            putc(pixels[at], e->images);
    return rc == 0 && ferror(e->images) ? io_error(e, err) : rc;
}

static int put_mnist(struct export *e, uint64_t i, const struct sluice_value *values,
                     struct sluice_error *err)
{
    int rc = i ? 0 : begin_mnist(e, err);
    if (rc == 0)
        rc = put_labels(e, e->names, i, values, err);
    if (rc == 0 && fwrite(values[e->image].data, 1, values[e->image].size, e->images) !=
                       values[e->image].size)
        rc = io_error(e, err);
    return rc;
}

/* CIFAR's readers take the names from a file beside the data. */
static int put_class_names(struct export *e, struct sluice_error *err)
{
    const struct sluice_dataset *ds = e->in.dataset;
    const int field = e->labels[0], count = sluice_dataset_classes(ds, field);
    if (!count)
        return 0;
    FILE *f = create(
        e, e->opt->format == AS_CIFAR10 ? "batches.meta.txt" : "fine_label_names.txt",
        err);
    if (!f)
        return SLUICE_EIO;
    for (int i = 0; i < count; i++)
        fprintf(f, "%s\n", sluice_dataset_class_name(ds, field, i));
    putc('\n', f);
    return finish(e, &f, err);
}

/* ---- folders of pictures ---- */

/* The folder of the sample's class, made if need be; "" without labels. */
static int class_folder(struct export *e, const struct sluice_value *values,
                        char folder[256], struct sluice_error *err)
{
    const char *name = NULL;
    char text[32];
    *folder = 0;
    if (!e->label_count)
        return 0;
    const int64_t label = values[e->labels[0]].integer;
    if (label >= 0 && label < sluice_dataset_classes(e->in.dataset, e->labels[0]))
        name = sluice_dataset_class_name(e->in.dataset, e->labels[0], (int)label);
    if (!name) {
        snprintf(text, sizeof(text), "%" PRId64, label);
        name = text;
    }
    if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > 200)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: class '%.100s' cannot be the name of a folder",
                           e->in.path, name);
    snprintf(folder, 256, "%s/", name);
    snprintf(e->path, sizeof(e->path), "%s/%s", e->folder, name);
    return mkdir(e->path, 0777) == 0 || errno == EEXIST ? 0 : io_error(e, err);
}

/* What PNG cannot hold is said of the sample: the picture's file will be gone. */
static int put_png(struct export *e, FILE *f, uint64_t i, const struct sluice_value *x,
                   struct sluice_error *err)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .height = x->height,
                        .width = x->width,
                        .format = x->channels == 1   ? PNG_FORMAT_GRAY
                                  : x->channels == 4 ? PNG_FORMAT_RGBA
                                                     : PNG_FORMAT_RGB };
    if (x->channels != 1 && x->channels != 3 && x->channels != 4)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "%.300s: sample %" PRIu64
                           ": %u channels, a PNG has 1, 3 or 4",
                           e->in.path, i, x->channels);
    if (png_image_write_to_stdio(&image, f, 0, x->data, 0, NULL))
        return 0;
    return ferror(f)
               ? sluice_fail(err, SLUICE_EIO, "%.400s: %s", e->path, image.message)
               : sluice_fail(err, SLUICE_EUNBUILT,
                             "%.300s: sample %" PRIu64
                             ": a picture of %ux%u, as PNG: %s",
                             e->in.path, i, x->height, x->width, image.message);
}

static int put_picture(struct export *e, uint64_t i, const struct sluice_value *values,
                       struct sluice_error *err)
{
    char folder[256], name[320];
    const struct sluice_value *x = &values[e->image];
    int rc = class_folder(e, values, folder, err);
    if (rc < 0)
        return rc;
    const bool jpeg = x->codec == SLUICE_CODEC_JPEG;
    snprintf(name, sizeof(name), "%s%08" PRIu64 ".%s", folder, i, jpeg ? "jpg" : "png");
    FILE *f = create(e, name, err);
    if (!f)
        return SLUICE_EIO;
    if (!jpeg)
        rc = put_png(e, f, i, x, err);
    else if (fwrite(x->data, 1, x->size, f) != x->size)
        rc = io_error(e, err);
    if (fclose(f) != 0 && rc == 0)
        rc = io_error(e, err);
    return rc;
}

/* ---- all of it ---- */

static int check_schema(struct export *e, struct sluice_error *err)
{
    const struct sluice_dataset *ds = e->in.dataset;
    static const struct {
        const char *what;
        int labels;
        uint32_t channels, side; /* 0: any */
    } wants[] = { { "pictures", -1, 0, 0 },
                  { "32x32x3 pixels and one label", 1, 3, 32 },
                  { "32x32x3 pixels and two labels", 2, 3, 32 },
                  { "grey pixels of one size and one label", 1, 1, 0 } };
    e->image = sluice_dataset_find_kind(ds, SLUICE_KIND_IMAGE);
    int labels = 0;
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        if (f->kind == SLUICE_KIND_SCALAR && f->dtype <= SLUICE_I64 &&
            labels++ < LABELS_MAX)
            e->labels[e->label_count++] = i;
    }
    const struct sluice_field *f =
        e->image < 0 ? NULL : sluice_dataset_field(ds, e->image);
    const uint32_t side = wants[e->opt->format].side;
    const uint32_t channels = wants[e->opt->format].channels;
    if (!f || (channels && (f->shape[2] != channels || !f->shape[0])) ||
        (side && (f->shape[0] != side || f->shape[1] != side)) ||
        (wants[e->opt->format].labels >= 0 && labels != wants[e->opt->format].labels))
        return sluice_fail(err, SLUICE_EINVAL, "%s: expected %s for this format",
                           e->in.path, wants[e->opt->format].what);
    return 0;
}

static int write_all(struct export *e, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    struct progress progress;
    const uint64_t count = sluice_dataset_count(e->in.dataset);
    int rc = 0;
    progress_begin(&progress, "exporting", "samples", count, e->opt->quiet);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        if ((rc = packed_read(&e->in, i, values, err)) == 0)
            rc = e->opt->format == AS_FOLDER  ? put_picture(e, i, values, err)
                 : e->opt->format == AS_MNIST ? put_mnist(e, i, values, err)
                                              : put_cifar(e, i, values, err);
        progress_update(&progress, i, NULL);
        if (rc == 0 && cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
    }
    progress_end(&progress);
    struct sluice_error ignored;
    const int first = finish(e, &e->images, rc < 0 ? &ignored : err);
    const int second = finish(e, &e->names, rc < 0 || first < 0 ? &ignored : err);
    rc = rc < 0 ? rc : first < 0 ? first : second;
    if (rc == 0 && (e->opt->format == AS_CIFAR10 || e->opt->format == AS_CIFAR100))
        rc = put_class_names(e, err);
    return rc;
}

/* The folder that is written to, beside the target; held as long as *held is open. */
static int make_folder(struct export *e, const char *target, DIR **held,
                       struct sluice_error *err)
{
    sluice_stale_remove(target);
    for (int attempt = 0; attempt < 100; attempt++) {
        sluice_stale_name(e->folder, sizeof(e->folder), target, attempt);
        if (mkdir(e->folder, 0777) == 0) {
            *held = opendir(e->folder);
            if (*held && sluice_stale_hold(dirfd(*held), e->folder))
                return 0;
            if (*held)
                closedir(*held);
        } else if (errno != EEXIST) {
            break;
        }
    }
    snprintf(e->path, sizeof(e->path), "%s", target);
    return io_error(e, err);
}

/* Everything appears at once: it is written beside the target and renamed. */
static int export(const char *const *paths, const struct options *opt,
                  uint64_t *samples, struct sluice_error *err)
{
    static struct export e;
    e = (struct export){ .opt = opt };
    int rc = packed_open(&e.in, paths[0], err);
    if (rc < 0)
        return rc;
    cli_warn_slot(program, e.in.dataset);
    char target[4001];
    DIR *held = NULL;
    size_t length = strlen(paths[1]);
    while (length > 1 && paths[1][length - 1] == '/')
        length--;
    snprintf(target, sizeof(target), "%.*s", (int)(length < 4000 ? length : 4000),
             paths[1]);
    *samples = sluice_dataset_count(e.in.dataset);
    rc = check_schema(&e, err);
    if (rc == 0 && access(paths[1], F_OK) == 0)
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: exists already", paths[1]);
    if (rc == 0)
        rc = make_folder(&e, target, &held, err);
    if (rc < 0) {
        packed_close(&e.in);
        return rc;
    }
    rc = write_all(&e, err);
    snprintf(e.path, sizeof(e.path), "%.4000s", paths[1]);
    if (rc == 0 && rename(e.folder, paths[1]) < 0)
        rc = io_error(&e, err);
    closedir(held);
    if (rc < 0)
        sluice_stale_remove(target);
    packed_close(&e.in);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE FOLDER",
        .summary =
            "Write the samples of a .sluice file as files of their own, or in the\n"
            "binary form of a publisher, byte for byte. FOLDER must not exist.\n",
        .options = option_table,
        .arguments_min = 2,
        .arguments_max = 2,
        .epilogue = "examples:\n"
                    "  sluice export train.sluice cifar-10-batches-bin --as=cifar10\n"
                    "  sluice export photos.sluice photos\n",
    };
    struct options opt = { .format = AS_FOLDER };
    struct sluice_error err;
    const char *paths[2];
    uint64_t samples = 0;
    char count[32];
    cli_parse(&spec, argc, argv, &opt, paths);
    cli_catch_signals();
    if (export(paths, &opt, &samples, &err) < 0)
        return cli_report(program, &err);
    if (!opt.quiet)
        printf("%s: %s samples\n", paths[1], text_count(count, samples));
    return cli_finish(program, CLI_OK);
}
