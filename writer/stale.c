/* stale.c -- temporary names and their locks; see stale.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stale.h"

static const char mark[] = ".tmp-", digits[] = "0123456789";

void sluice_stale_name(char *buf, size_t room, const char *path, int attempt)
{
    snprintf(buf, room, "%s%s%ld-%d", path, mark, (long)getpid(), attempt);
}

bool sluice_stale_named(int fd, const char *name)
{
    struct stat held, there;
    return fstat(fd, &held) == 0 && stat(name, &there) == 0 &&
           held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

/* Between making and locking it, another process may have found it unheld. */
bool sluice_stale_hold(int fd, const char *name)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno != EWOULDBLOCK;
    return sluice_stale_named(fd, name);
}

/* Whether `name` is a temporary of `base`, or of what --shuffle writes before it. */
static bool is_temporary(const char *name, const char *base)
{
    static const char between[] = ".unordered-";
    size_t n = strlen(base);
    if (strncmp(name, base, n) != 0)
        return false;
    name += n;
    if (strncmp(name, between, strlen(between)) == 0)
        name += strcspn(name + 1, ".") + 1;
    if (strncmp(name, mark, strlen(mark)) != 0)
        return false;
    name += strlen(mark);
    n = strspn(name, digits);
    if (!n || name[n] != '-')
        return false;
    name += n + 1;
    n = strspn(name, digits);
    return n && !name[n];
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void remove_unheld(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    /* A lock of its own over a network needs a file that may be written to. */
    const int way = S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_RDWR;
    const int fd = open(path, way | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    close(fd);
}

void sluice_stale_remove(const char *path)
{
    char folder[PATH_MAX], whole[PATH_MAX + NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    const int n = slash ? (int)(slash - path) + 1 : 0;
    const struct dirent *entry;
    if (n >= PATH_MAX || !path[n])
        return;
    snprintf(folder, sizeof(folder), "%.*s", n, path);
    DIR *list = opendir(n ? folder : ".");
    while (list && (entry = readdir(list)))
        if (is_temporary(entry->d_name, path + n)) {
            snprintf(whole, sizeof(whole), "%s%s", folder, entry->d_name);
            remove_unheld(whole);
        }
    if (list)
        closedir(list);
}
