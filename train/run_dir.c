/* run_dir.c -- the folder of a run; see run_dir.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run_dir.h"

enum {
    DATED = 15, /* bytes that the date takes in the name of a run, at least */
};

int make_folder(const char *path, struct sluice_error *err)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
}

int make_folder_path(const char *path, struct sluice_error *err)
{
    char part[RUN_PATH];
    int rc = 0;
    snprintf(part, sizeof(part), "%s", path);
    for (char *p = part + 1; *p && rc == 0; p++)
        if (*p == '/') {
            *p = 0;
            rc = make_folder(part, err);
            *p = '/';
        }
    return rc < 0 ? rc : make_folder(part, err);
}

/* Best effort: some file systems have no links, and a run works without. */
static void point_latest(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    char link[RUN_PATH], temporary[RUN_PATH + 32];
    snprintf(link, sizeof(link), "%.*slatest", (int)(name - path), path);
    snprintf(temporary, sizeof(temporary), "%s.%ld", link, (long)getpid());
    if (symlink(name, temporary) < 0 || rename(temporary, link) < 0)
        unlink(temporary);
}

static const char *place(const struct run_dir *run, const char *file)
{
    static const char *const moved[][2] = {
        { "metrics.csv", "logs/metrics.csv" },
        { "steps.csv", "logs/steps.csv" },
        { "config.json", "logs/config.json" },
        { "profile.json", "logs/profile.json" },
        { "log.txt", "logs/training.log" },
        { "plots", "logs/figures" },
        { "plots/loss.svg", "logs/figures/loss_plot.svg" },
        { "plots/accuracy.svg", "logs/figures/accuracy_plot.svg" },
        { "plots/learning_rate.svg", "logs/figures/learning_rate_plot.svg" },
    };
    for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++)
        if (run->layout == RUN_OUTPUTS && strcmp(moved[i][0], file) == 0)
            return moved[i][1];
    return file;
}

const char *run_file(char buf[RUN_PATH], const struct run_dir *run, const char *file)
{
    file = place(run, file);
    snprintf(buf, RUN_PATH, "%s/%s", run->path, file);
    return buf;
}

/* The first free name: two runs may begin within one second. */
static int make_unique(struct run_dir *run, const char *parent, const char *stamp,
                       struct sluice_error *err)
{
    char name[160];
    for (int i = 1; i < 1000; i++) {
        if (i == 1)
            snprintf(name, sizeof(name), "%s", stamp);
        else
            snprintf(name, sizeof(name), "%.140s-%d", stamp, i);
        snprintf(run->path, sizeof(run->path), "%s/%s", parent, name);
        if (mkdir(run->path, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", run->path, strerror(errno));
}

static int make_subfolders(const struct run_dir *run, struct sluice_error *err)
{
    char path[RUN_PATH];
    int rc = make_folder(run_file(path, run, "checkpoints"), err);
    return rc < 0 ? rc : make_folder_path(run_file(path, run, "plots"), err);
}

/* As far as nothing but run_dir_create and the configuration has come. */
static void remove_begun(const struct run_dir *run)
{
    static const char *const begun[] = { "config.yaml", "config.json", "checkpoints",
                                         "plots", "logs" };
    char path[RUN_PATH];
    for (size_t i = 0; i < sizeof(begun) / sizeof(*begun); i++)
        remove(run_file(path, run, begun[i]));
    rmdir(run->path);
}

int run_dir_create(struct run_dir *run, const char *parent, const char *name,
                   enum run_layout layout, struct sluice_error *err)
{
    char stamp[128], within[1200];
    struct tm tm;
    const time_t now = time(NULL);
    int rc;
    if (!*parent || strlen(parent) > 1100)
        return sluice_fail(err, SLUICE_EINVAL,
                           "run.dir: expected 1 to 1100 bytes, found %zu",
                           strlen(parent));
    if (strchr(name, '/'))
        return sluice_fail(err, SLUICE_EINVAL, "run.name: '%s' has a '/'", name);
    localtime_r(&now, &tm);
    snprintf(within, sizeof(within), "%s%s", parent,
             layout == RUN_OUTPUTS ? "/training_runs" : "");
    if (layout == RUN_OUTPUTS) {
        strftime(stamp, sizeof(stamp), "%Y_%m_%d_%H_%M", &tm);
    } else {
        const size_t n = strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S-", &tm);
        snprintf(stamp + n, sizeof(stamp) - n, "%s", name);
    }
    run->layout = layout;
    if ((rc = make_folder_path(within, err)) < 0 ||
        (rc = make_unique(run, within, stamp, err)) < 0)
        return rc;
    if ((rc = make_subfolders(run, err)) < 0)
        remove_begun(run);
    return rc;
}

int run_dir_settle(const struct run_dir *run, int rc)
{
    if (rc < 0)
        remove_begun(run);
    else
        point_latest(run->path);
    return rc;
}

static bool is_later(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* The folder, if it is that of a run. */
static bool is_run(struct run_dir *run, const char *parent, const char *name)
{
    char file[RUN_PATH];
    const int n = snprintf(run->path, sizeof(run->path), "%s%s", parent, name);
    run->layout = RUN_PLAIN;
    if ((size_t)n >= sizeof(run->path) ||
        access(run_file(file, run, "config.yaml"), R_OK) < 0)
        return false;
    if (access(run_file(file, run, "logs"), R_OK) == 0)
        run->layout = RUN_OUTPUTS;
    return true;
}

/* Of all runs in `parent` the one that began last: for file systems without links. */
static bool find_latest(struct run_dir *run, const char *parent)
{
    char path[RUN_PATH], name[NAME_MAX + 2] = "";
    struct timespec began = { 0 };
    struct stat st;
    snprintf(path, sizeof(path), "%.1400s/latest", parent);
    DIR *all = lstat(path, &st) < 0 && errno == ENOENT ? opendir(parent) : NULL;
    for (const struct dirent *e; all && (e = readdir(all));) {
        snprintf(path, sizeof(path), "%.1400s/%s/config.yaml", parent, e->d_name);
        if (strspn(e->d_name, "0123456789-_") < DATED || stat(path, &st) < 0 ||
            !is_later(st.st_mtim, began))
            continue;
        began = st.st_mtim;
        snprintf(name, sizeof(name), "/%s", e->d_name);
    }
    if (all)
        closedir(all);
    return *name && is_run(run, parent, name);
}

int run_dir_open(struct run_dir *run, const char *path, struct sluice_error *err)
{
    static const char *const parents[] = { "", "/training_runs" };
    char parent[sizeof(run->path)];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n + 24 >= sizeof(run->path))
        return sluice_fail(err, SLUICE_EINVAL, "%.100s...: path too long", path);
    snprintf(parent, sizeof(parent), "%.*s", (int)n, path);
    if (is_run(run, parent, ""))
        return 0;
    const int why = errno;
    for (int i = 0; i < 2; i++) {
        snprintf(parent + n, sizeof(parent) - n, "%s", parents[i]);
        if (is_run(run, parent, "/latest") || find_latest(run, parent))
            return 0;
    }
    return sluice_fail(err, SLUICE_EINVAL, "%.*s: no run: config.yaml: %s",
                       (int)(n < 300 ? n : 300), path, strerror(why));
}

int run_dir_lock(int fd, const char *path, const char *what, struct sluice_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL, "%.300s: another process is %s", path, what);
}

int run_checkpoint(char path[RUN_PATH], const char *what, const char *from,
                   struct sluice_error *err)
{
    struct run_dir run;
    struct stat st;
    if (stat(from, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%s%.300s: %s", what, from,
                           strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        if (strlen(from) >= RUN_PATH)
            return sluice_fail(err, SLUICE_EINVAL, "%s%.100s...: path too long", what,
                               from);
        snprintf(path, RUN_PATH, "%s", from);
        return 0;
    }
    const int rc = run_dir_open(&run, from, err);
    if (rc == 0)
        run_file(path, &run, "checkpoints/last.safetensors");
    return rc;
}

int file_begin(struct new_file *f, const char *path, struct sluice_error *err)
{
    snprintf(f->path, sizeof(f->path), "%s", path);
    const int fd = temporary_create(f->temporary, sizeof(f->temporary), f->path, err);
    if (fd < 0)
        return fd;
    if ((f->to = fdopen(fd, "w")))
        return 0;
    sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path, strerror(errno));
    unlink(f->temporary);
    close(fd);
    return SLUICE_EIO;
}

int file_commit(struct new_file *f, struct sluice_error *err)
{
    int rc = 0;
    errno = 0;
    /* Bytes before name: a crash in between leaves the old file. */
    if (fflush(f->to) || ferror(f->to) || fsync(fileno(f->to)) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path,
                         strerror(errno ? errno : EIO));
    /* Renamed while it is held: else another process could take it for a stale one. */
    if (rc == 0 && rename(f->temporary, f->path) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path, strerror(errno));
    if (rc < 0)
        unlink(f->temporary);
    fclose(f->to); /* synced: nothing is left to fail */
    f->to = NULL;
    return rc;
}

int file_flush(FILE *f, const char *path, struct sluice_error *err)
{
    errno = 0;
    if (fflush(f) || ferror(f))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path,
                           strerror(errno ? errno : EIO));
    return 0;
}

int file_sync(FILE *f, const char *path, struct sluice_error *err)
{
    const int rc = file_flush(f, path, err);
    return rc < 0 || fsync(fileno(f)) == 0
               ? rc
               : sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
}

int text_file_read(char **text, size_t *size, const char *path, size_t most,
                   struct sluice_error *err)
{
    struct stat st;
    /* A FIFO is refused below; it is not waited for. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    int rc = 0;
    if (fd >= 0 && !f)
        close(fd);
    *text = NULL;
    *size = 0;
    if (!f || fstat(fileno(f), &st) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || (size_t)st.st_size > most)
        rc = sluice_fail(err, SLUICE_EINVAL, "%.300s: no file of at most %zu bytes",
                         path, most);
    else if (!(*text = malloc((size_t)st.st_size + 1)))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    if (rc == 0) {
        *size = fread(*text, 1, (size_t)st.st_size, f);
        (*text)[*size] = 0;
        if (ferror(f))
            rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    }
    if (f)
        fclose(f);
    if (rc < 0) {
        free(*text);
        *text = NULL;
    }
    return rc;
}
