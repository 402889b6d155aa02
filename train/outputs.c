/* outputs.c -- the tree around runs; see outputs.h. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "outputs.h"

/* The folder of training_runs, and the run's own name in there. */
static int find_tree(const struct run_dir *run, char root[PATH_MAX],
                     char stamp[NAME_MAX + 1], struct sluice_error *err)
{
    char *slash;
    if (!realpath(run->path, root))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", run->path, strerror(errno));
    slash = strrchr(root, '/');
    snprintf(stamp, NAME_MAX + 1, "%s", slash + 1);
    *slash = 0;
    slash = strrchr(root, '/');
    if (!slash)
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: expected a folder above it",
                           run->path);
    *slash = 0;
    return 0;
}

/* The new name stands under another until it is whole. */
static int give_name(const char *file, const char *relative, const char *name,
                     struct sluice_error *err)
{
    char temporary[PATH_MAX + 544];
    int rc = 0;
    snprintf(temporary, sizeof(temporary), "%s.%ld", name, (long)getpid());
    if ((link(file, temporary) < 0 && symlink(relative, temporary) < 0) ||
        rename(temporary, name) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", name, strerror(errno));
    /* Two names of one file: rename leaves both. */
    unlink(temporary);
    return rc;
}

int outputs_publish(const struct run_dir *run, const char *kind, const char *name,
                    const char *checkpoint, struct sluice_error *err)
{
    char root[PATH_MAX], stamp[NAME_MAX + 1], file[RUN_PATH];
    char folder[PATH_MAX + 32], relative[NAME_MAX + 128], model[PATH_MAX + 512];
    int rc;
    if (run->layout != RUN_OUTPUTS)
        return 0;
    if ((rc = find_tree(run, root, stamp, err)) < 0)
        return rc;
    snprintf(folder, sizeof(folder), "%s/%s_models", root, kind);
    snprintf(model, sizeof(model), "%s/%s_%s.safetensors", folder, name, kind);
    snprintf(relative, sizeof(relative),
             "../training_runs/%s/checkpoints/%s.safetensors", stamp, checkpoint);
    snprintf(file, sizeof(file), "%s/checkpoints/%s.safetensors", run->path,
             checkpoint);
    if (strlen(model) >= PATH_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "%.100s...: path too long", model);
    if ((rc = make_folder(folder, err)) < 0)
        return rc;
    return give_name(file, relative, model, err);
}

const char *outputs_model(char buf[RUN_PATH], const struct run_dir *run,
                          const char *kind, const char *name)
{
    char root[PATH_MAX], stamp[NAME_MAX + 1];
    *buf = 0;
    if (run->layout == RUN_OUTPUTS && find_tree(run, root, stamp, NULL) == 0)
        snprintf(buf, RUN_PATH, "%.1400s/%s_models/%.300s_%s.safetensors", root, kind,
                 name, kind);
    return buf;
}

/* The first name that is free. */
static int make_unique(struct run_dir *out, const char *path, struct sluice_error *err)
{
    for (int i = 1; i < 1000; i++) {
        snprintf(out->path, sizeof(out->path), i == 1 ? "%.1380s" : "%.1380s-%d", path,
                 i);
        if (mkdir(out->path, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", out->path, strerror(errno));
}

/* A checkpoint of a run beside the evaluation is reached from there, so that the tree
 * may be moved; any other by its full path. */
static int link_model(const struct run_dir *out, const char *root,
                      const char *checkpoint, struct sluice_error *err)
{
    char full[PATH_MAX], target[PATH_MAX + 16], name[RUN_PATH];
    const size_t n = strlen(root);
    if (!realpath(checkpoint, full))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", checkpoint, strerror(errno));
    if (strncmp(full, root, n) == 0 && full[n] == '/')
        snprintf(target, sizeof(target), "../../%s", full + n + 1);
    else
        snprintf(target, sizeof(target), "%s", full);
    snprintf(name, sizeof(name), "%s/model.safetensors", out->path);
    if (symlink(target, name) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", name, strerror(errno));
    return 0;
}

int outputs_evaluation(struct run_dir *out, const struct run_dir *run, const char *name,
                       double accuracy, const char *checkpoint,
                       struct sluice_error *err)
{
    char root[PATH_MAX], stamp[NAME_MAX + 1], folder[PATH_MAX + 32];
    char percent[32] = "unknown", date[64], path[PATH_MAX + 512];
    const time_t now = time(NULL);
    struct tm tm;
    int rc = find_tree(run, root, stamp, err);
    if (rc < 0)
        return rc;
    *out = (struct run_dir){ .layout = RUN_PLAIN };
    localtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y_%m_%d_%H_%M", &tm);
    if (isfinite(accuracy))
        snprintf(percent, sizeof(percent), "%.2f", 100 * accuracy);
    snprintf(folder, sizeof(folder), "%s/evaluations", root);
    snprintf(path, sizeof(path), "%s/%s_val_acc_%s_%s", folder, name, percent, date);
    if (strlen(path) > 1380)
        return sluice_fail(err, SLUICE_EINVAL, "%.100s...: path too long", path);
    if ((rc = make_folder(folder, err)) < 0 || (rc = make_unique(out, path, err)) < 0)
        return rc;
    return link_model(out, root, checkpoint, err);
}
