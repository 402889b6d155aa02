/* folder_list.c -- walking a folder; see folder_list.h. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "folder_list.h"
#include "options.h"

/* The folders that we are in, so that a link to one of them is seen. */
struct trail {
    const struct trail *up;
    dev_t device;
    ino_t inode;
};

static int no_memory(const char *path, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
}

static bool is_picture(const char *name)
{
    static const char *const ends[] = { ".jpg", ".jpeg", ".png" };
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

int folder_list_add(struct folder_list *list, const char *path, int32_t label,
                    struct sluice_error *err)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 1024;
        struct folder_file *more = realloc(list->files, room * sizeof(*more));
        if (!more)
            return no_memory(path, err);
        list->files = more;
        list->room = room;
    }
    struct folder_file *f = &list->files[list->count];
    *f = (struct folder_file){ .label = label };
    if (!(f->path = strdup(path)))
        return no_memory(path, err);
    list->count++;
    return 0;
}

int folder_list_add_class(struct folder_list *list, const char *name,
                          struct sluice_error *err)
{
    if (list->class_count == list->class_room) {
        const int room = list->class_room ? 2 * list->class_room : 64;
        char **more = realloc(list->classes, (size_t)room * sizeof(*more));
        if (!more)
            return no_memory(name, err);
        list->classes = more;
        list->class_room = room;
    }
    if (!(list->classes[list->class_count] = strdup(name)))
        return no_memory(name, err);
    list->class_count++;
    return 0;
}

bool folder_label_number(const char *label, int32_t *out)
{
    const bool minus = *label == '-';
    int64_t v = 0;
    label += *label == '-' || *label == '+';
    const char *digits = label;
    for (; *label >= '0' && *label <= '9'; label++)
        if (v <= INT32_MAX)
            v = 10 * v + *label - '0';
    const bool whole = label > digits && !*label;
    *out = !whole || v > INT32_MAX || (minus && v) ? -1 : (int32_t)v;
    return whole;
}

int32_t folder_label_match(const char *label, const char *const *names, int count)
{
    int32_t number;
    for (int k = 0; k < count; k++)
        if (strcmp(names[k], label) == 0)
            return k;
    return folder_label_number(label, &number) && number < count ? number : -1;
}

/* Bytes, not the language of the user, decide. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static bool in_trail(const struct trail *t, const struct stat *st)
{
    for (; t; t = t->up)
        if (t->device == st->st_dev && t->inode == st->st_ino)
            return true;
    return false;
}

static int walk(struct folder_list *list, const char *path, int label,
                const struct trail *up, bool top, struct sluice_error *err);

/* One name in a folder. At the top, the first round takes the folders as classes and
 * the second, if there were none, the files. */
static int visit(struct folder_list *list, const char *path, const char *name,
                 int label, const struct trail *here, bool top,
                 struct sluice_error *err)
{
    struct stat st = { .st_mode = S_IFREG };
    /* A link to nothing is a file that cannot be read: the sample's own fault. */
    if (stat(path, &st) < 0 && errno != ENOENT && errno != ELOOP)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        if (in_trail(here, &st))
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: a link to a folder that contains it", path);
        const int rc = top ? folder_list_add_class(list, name, err) : 0;
        return rc < 0 ? rc
                      : walk(list, path, top ? list->class_count - 1 : label, here,
                             false, err);
    }
    if (top || !S_ISREG(st.st_mode) || !is_picture(name)) {
        list->ignored++;
        return 0;
    }
    return folder_list_add(list, path, label, err);
}

static int walk(struct folder_list *list, const char *path, int label,
                const struct trail *up, bool top, struct sluice_error *err)
{
    struct dirent **names;
    struct stat st;
    int rc = 0;
    if (stat(path, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    const struct trail here = { up, st.st_dev, st.st_ino };
    const int n = scandir(path, &names, visible, by_bytes);
    if (n < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *full = NULL;
        if (rc == 0 && cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
        if (rc == 0 && asprintf(&full, "%s/%s", path, names[i]->d_name) < 0)
            rc = no_memory(path, err);
        else if (rc == 0)
            rc = visit(list, full, names[i]->d_name, label, &here, top, err);
        free(full);
        free(names[i]);
    }
    free(names);
    return rc;
}

/* Numbers of folders become those of the given names. */
static int match_names(struct folder_list *list, const char *root,
                       const char *const *names, int count, struct sluice_error *err)
{
    int32_t *label = malloc(((size_t)list->class_count + 1) * sizeof(*label));
    int rc = label ? 0 : no_memory(root, err);
    for (int i = 0; i < list->class_count && rc == 0; i++) {
        label[i] = folder_label_match(list->classes[i], names, count);
        if (label[i] < 0)
            rc = sluice_fail(err, SLUICE_EINVAL,
                             "%.300s: not one of the class names: %.80s", root,
                             list->classes[i]);
    }
    for (size_t i = 0; i < list->count && rc == 0; i++)
        list->files[i].label = label[list->files[i].label];
    free(label);
    return rc;
}

int folder_list(struct folder_list *out, const char *root, const char *const *names,
                int name_count, struct sluice_error *err)
{
    *out = (struct folder_list){ 0 };
    int rc = walk(out, root, -1, NULL, true, err);
    if (rc == 0 && !out->class_count) {
        out->ignored = 0;
        rc = walk(out, root, -1, NULL, false, err);
    }
    if (rc == 0 && !out->count)
        rc = sluice_fail(err, SLUICE_ECORRUPT,
                         "%s: expected folders of pictures (.jpg, .jpeg, .png), found "
                         "none; %llu other files",
                         root, (unsigned long long)out->ignored);
    out->labelled = out->class_count > 0;
    if (rc == 0 && out->labelled && name_count)
        rc = match_names(out, root, names, name_count, err);
    if (rc < 0)
        folder_list_free(out);
    return rc;
}

void folder_list_free(struct folder_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].path);
    for (int i = 0; i < list->class_count; i++)
        free(list->classes[i]);
    free(list->files);
    free(list->classes);
    *list = (struct folder_list){ 0 };
}
