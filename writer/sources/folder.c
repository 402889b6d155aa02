/* folder.c -- JPEG and PNG pictures of class folders, or of a list. Threads prepare
 * pictures ahead of the one that is written, at most AHEAD of them, and deliver them in
 * order, so that the file does not depend on how many threads there are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_list.h"
#include "input.h"
#include "options.h"
#include "source.h"

enum {
    AHEAD = 64,
    THREADS_MAX = 256,
    FILE_MAX_BYTES = 1 << 30,
};

struct slot {
    bool ready;
    int rc;
    struct picture picture;
    struct sluice_error err;
};

struct state {
    const char *root;
    struct folder_list list;
    struct sluice_field fields[2];
    struct picture_options options;
    char *provenance;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    uint64_t next, delivered; /* sample to prepare, to deliver */
    bool stop;
    struct slot slots[AHEAD];
    pthread_t threads[THREADS_MAX];
    int thread_count;
};

/* The whole file, to be freed. */
static int read_file(const char *path, uint8_t **bytes, size_t *size,
                     struct sluice_error *err)
{
    struct stat st;
    /* A pipe that nobody writes to would let it wait for ever. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    *bytes = NULL;
    if (!f || fstat(fd, &st) < 0) {
        const int why = errno;
        if (f)
            fclose(f);
        else if (fd >= 0)
            close(fd);
        return sluice_fail(err, SLUICE_EIO, "%s", strerror(why));
    }
    if (!S_ISREG(st.st_mode)) {
        fclose(f);
        return sluice_fail(err, SLUICE_EINVAL, "not a regular file");
    }
    if (st.st_size > FILE_MAX_BYTES) {
        fclose(f);
        return sluice_fail(err, SLUICE_ECORRUPT, "%lld bytes, expected at most %d",
                           (long long)st.st_size, FILE_MAX_BYTES);
    }
    *size = (size_t)st.st_size;
    *bytes = malloc(*size ? *size : 1);
    const size_t got = *bytes ? fread(*bytes, 1, *size, f) : 0;
    fclose(f);
    if (*bytes && got == *size)
        return 0;
    const bool memory = !*bytes;
    free(*bytes);
    *bytes = NULL;
    return memory ? sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", *size)
                  : sluice_fail(err, SLUICE_EIO, "expected %zu bytes, found %zu", *size,
                                got);
}

/* At most `most` bytes of a path, the last ones: they say which file it is. */
static const char *end_of(char *out, size_t most, const char *path)
{
    const size_t n = strlen(path);
    snprintf(out, most + 1, "%s%s", n > most ? "..." : "",
             n > most ? path + n - (most - 3) : path);
    return out;
}

/* The error of a picture, with the name of its file, and its line of a list. */
static int name_file(const struct state *s, const struct folder_file *f, int rc,
                     struct sluice_error *err)
{
    const struct sluice_error inner = *err;
    char path[261];
    if (f->line)
        return sluice_fail(err, (enum sluice_code)rc,
                           "%.100s: line %" PRIu64 ": %s: %.180s", s->root, f->line,
                           end_of(path, 160, f->path), inner.message);
    return sluice_fail(err, (enum sluice_code)rc, "%s: %.200s",
                       end_of(path, 260, f->path), inner.message);
}

static void prepare(struct state *s, struct picture_work *work, uint64_t i,
                    struct slot *out)
{
    const char *path = s->list.files[i].path;
    uint8_t *bytes;
    size_t size;
    out->rc = read_file(path, &bytes, &size, &out->err);
    if (out->rc == 0)
        out->rc =
            picture_make(&out->picture, work, bytes, size, i, &s->options, &out->err);
    if (out->rc < 0) {
        free(bytes);
        name_file(s, &s->list.files[i], out->rc, &out->err);
    }
}

static void *run(void *arg)
{
    struct state *s = arg;
    struct picture_work work = { 0 };
    pthread_mutex_lock(&s->lock);
    while (!s->stop && s->next < s->list.count) {
        if (s->next >= s->delivered + AHEAD) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        const uint64_t i = s->next++;
        struct slot made = { .ready = true };
        pthread_mutex_unlock(&s->lock);
        prepare(s, &work, i, &made);
        pthread_mutex_lock(&s->lock);
        s->slots[i % AHEAD] = made;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    picture_work_free(&work);
    return NULL;
}

static void stop(struct state *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->thread_count; i++)
        pthread_join(s->threads[i], NULL);
    for (int i = 0; i < AHEAD; i++)
        free(s->slots[i].picture.data);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

static void close_folder(struct source *src)
{
    struct state *s = src->state;
    stop(s);
    folder_list_free(&s->list);
    free(s->provenance);
    free(s);
}

/* Pixels of one size get a store of one stride. Files that cannot be measured do not
 * decide: they fail when it is their turn. */
static int measure_all(struct state *s, uint64_t limit, uint32_t shape[4],
                       struct sluice_error *err)
{
    const size_t count = limit && limit < s->list.count ? limit : s->list.count;
    struct picture_work work = { 0 };
    bool same = true, grey = true, first = true;
    uint32_t h = 0, w = 0, h0 = 0, w0 = 0, c;
    for (size_t i = 0; i < count && !cli_interrupted(); i++) {
        uint8_t *bytes;
        size_t size;
        if (read_file(s->list.files[i].path, &bytes, &size, NULL) < 0)
            continue;
        const int rc =
            picture_measure(&work, bytes, size, &s->options, &h, &w, &c, NULL);
        free(bytes);
        if (rc < 0)
            continue;
        grey &= c == 1;
        same &= first || (h == h0 && w == w0);
        first = false;
        h0 = h;
        w0 = w;
    }
    picture_work_free(&work);
    if (cli_interrupted())
        return sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
    const uint32_t max = s->options.max_side;
    s->options.channels = grey ? 1 : 3;
    if (!first && same && !(max && (h0 > max || w0 > max))) {
        shape[0] = h0;
        shape[1] = w0;
        shape[2] = (uint32_t)s->options.channels;
    }
    return 0;
}

static int start(struct state *s, int threads, struct sluice_error *err)
{
    for (int i = 0; i < threads && i < THREADS_MAX; i++) {
        const int why = pthread_create(&s->threads[i], NULL, run, s);
        if (why && i == 0)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no thread: %s", s->root,
                               strerror(why));
        if (why)
            break;
        s->thread_count++;
    }
    return 0;
}

/* Whether the class folders are what lies one above class folders: ImageNet's tree,
 * say, not its folder train. */
static bool holds_parts(const struct folder_list *l)
{
    static const char *const parts[] = { "train",      "training", "val",     "valid",
                                         "validation", "test",     "testing", NULL };
    for (int i = 0; i < l->class_count; i++) {
        const char *const *part = parts;
        while (*part && strcmp(*part, l->classes[i]) != 0)
            part++;
        if (!*part)
            return false;
    }
    return l->class_count > 0;
}

static int list_pictures(struct state *s, const struct source_options *opt,
                         struct sluice_error *err)
{
    if (input_is_plain(opt->input))
        return folder_list_csv(&s->list, opt->input, opt->root, opt->class_names,
                               opt->class_count, err);
    if (!input_is_folder(opt->input))
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s: expected a folder of pictures or a list of them (.csv), "
            "found an archive: unpack it",
            opt->input);
    return folder_list(&s->list, opt->input, opt->class_names, opt->class_count, err);
}

static int open_folder(struct source *src, const struct source_options *opt,
                       struct sluice_error *err)
{
    struct state *s = src->state = calloc(1, sizeof(*s));
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->root = opt->input;
    s->options = opt->picture;
    int rc = list_pictures(s, opt, err);
    s->fields[0] =
        (struct sluice_field){ "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } };
    s->fields[1] =
        (struct sluice_field){ "label", SLUICE_KIND_SCALAR, SLUICE_I32, 0, { 0 } };
    if (rc == 0 && s->options.mode == PICTURE_RAW)
        rc = measure_all(s, opt->limit, s->fields[0].shape, err);
    if (rc == 0)
        rc = start(s, opt->threads, err);
    s->provenance = input_provenance_pictures("folder", opt->input, s->list.count);
    if (rc < 0) {
        close_folder(src);
        return rc;
    }
    const bool named = s->list.class_count && !opt->class_count;
    src->count = s->list.count;
    src->schema = (struct sluice_schema){
        .fields = s->fields,
        .field_count = s->list.labelled ? 2 : 1,
        .classes = named ? (const char *const *)s->list.classes : opt->class_names,
        .class_count = named ? s->list.class_count : opt->class_count,
        .class_field = s->list.labelled ? "label" : NULL,
        .provenance = s->provenance,
    };
    const char *lacks = input_is_plain(opt->input) ? "labels" : "class folders";
    int n = 0;
    if (!s->list.labelled)
        n = snprintf(src->note, sizeof(src->note),
                     "no %s: the samples are images alone%s", lacks,
                     s->list.ignored ? "; " : "");
    if (holds_parts(&s->list))
        n = snprintf(src->note, sizeof(src->note),
                     "the classes are now called %s%s: if these are parts of a set, "
                     "write each folder by itself%s",
                     s->list.classes[0], s->list.class_count > 1 ? ", ..." : "",
                     s->list.ignored ? "; " : "");
    if (s->list.ignored)
        snprintf(src->note + n, sizeof(src->note) - (size_t)n,
                 "%" PRIu64 " files that are not called .jpg, .jpeg or .png, or lie "
                 "beside the class folders, were left out",
                 s->list.ignored);
    return 0;
}

static int read_folder(struct source *src, uint64_t i, struct sluice_value *values,
                       struct sluice_error *err)
{
    struct state *s = src->state;
    struct slot *slot = &s->slots[i % AHEAD];
    pthread_mutex_lock(&s->lock);
    if (i) { /* the last one has been written */
        struct slot *last = &s->slots[(i - 1) % AHEAD];
        free(last->picture.data);
        *last = (struct slot){ 0 };
    }
    s->delivered = i;
    pthread_cond_broadcast(&s->changed);
    while (!slot->ready)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    if (slot->rc < 0) {
        if (err)
            *err = slot->err;
        return slot->rc;
    }
    const struct picture *p = &slot->picture;
    values[0].data = p->data;
    values[0].size = p->size;
    values[0].codec = p->codec;
    values[0].height = p->height;
    values[0].width = p->width;
    values[0].channels = p->channels;
    values[0].sums = p->sums.channels ? &p->sums : NULL;
    values[1].integer = s->list.files[i].label;
    return 0;
}

const struct source_def source_folder = {
    .name = "folder",
    .help = "folders of JPEG and PNG pictures, one for each class, or a list.csv",
    .options =
        "root mode quality max-side smart-threshold jpeg-probability trust orient",
    .open = open_folder,
    .read = read_folder,
    .close = close_folder,
};
