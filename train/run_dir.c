/* run_dir.c -- the folder of a run; see run_dir.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run_dir.h"

static int make_folder(const char *path, struct sluice_error *err)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
}

static int make_parents(const char *path, struct sluice_error *err)
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
static void point_latest(const char *parent, const char *name)
{
    char link[RUN_PATH], temporary[RUN_PATH + 32];
    snprintf(link, sizeof(link), "%s/latest", parent);
    snprintf(temporary, sizeof(temporary), "%s.%ld", link, (long)getpid());
    if (symlink(name, temporary) < 0 || rename(temporary, link) < 0)
        unlink(temporary);
}

const char *run_file(char buf[RUN_PATH], const struct run_dir *run, const char *file)
{
    snprintf(buf, RUN_PATH, "%s/%s", run->path, file);
    return buf;
}

/* The first free name: two runs may begin within one second. */
static int make_unique(struct run_dir *run, char name[160], const char *parent,
                       const char *stamp, struct sluice_error *err)
{
    for (int i = 1; i < 1000; i++) {
        if (i == 1)
            snprintf(name, 160, "%s", stamp);
        else
            snprintf(name, 160, "%.140s-%d", stamp, i);
        snprintf(run->path, sizeof(run->path), "%s/%s", parent, name);
        if (mkdir(run->path, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", run->path, strerror(errno));
}

int run_dir_create(struct run_dir *run, const char *parent, const char *name,
                   struct sluice_error *err)
{
    static const char *const folders[] = { "checkpoints", "plots" };
    char stamp[128], own[160], path[RUN_PATH];
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
    size_t n = strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S-", &tm);
    snprintf(stamp + n, sizeof(stamp) - n, "%s", name);
    if ((rc = make_parents(parent, err)) < 0 ||
        (rc = make_unique(run, own, parent, stamp, err)) < 0)
        return rc;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = make_folder(run_file(path, run, folders[i]), err);
    if (rc == 0)
        point_latest(parent, own);
    return rc;
}

int run_dir_open(struct run_dir *run, const char *path, struct sluice_error *err)
{
    char config[RUN_PATH];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n + 8 >= sizeof(run->path))
        return sluice_fail(err, SLUICE_EINVAL, "%.100s...: path too long", path);
    snprintf(run->path, sizeof(run->path), "%.*s", (int)n, path);
    if (access(run_file(config, run, "config.yaml"), R_OK) == 0)
        return 0;
    if (access(run_file(config, run, "latest/config.yaml"), R_OK) == 0)
        snprintf(run->path, sizeof(run->path), "%.*s/latest", (int)n, path);
    if (access(run_file(config, run, "config.yaml"), R_OK) < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: no run: config.yaml: %s",
                           run->path, strerror(errno));
    return 0;
}

int file_begin(struct new_file *f, const char *path, struct sluice_error *err)
{
    snprintf(f->path, sizeof(f->path), "%s", path);
    snprintf(f->temporary, sizeof(f->temporary), "%s.tmp", f->path);
    f->to = fopen(f->temporary, "we");
    if (!f->to)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path, strerror(errno));
    return 0;
}

int file_commit(struct new_file *f, struct sluice_error *err)
{
    int rc = 0;
    errno = 0;
    /* Bytes before name: a crash in between leaves the old file. */
    if (fflush(f->to) || ferror(f->to) || fsync(fileno(f->to)) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path,
                         strerror(errno ? errno : EIO));
    if (fclose(f->to) && rc == 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path, strerror(errno));
    if (rc == 0 && rename(f->temporary, f->path) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", f->path, strerror(errno));
    if (rc < 0)
        unlink(f->temporary);
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

int text_file_read(char **text, size_t *size, const char *path, size_t most,
                   struct sluice_error *err)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    int rc = 0;
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

void write_json_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
}
