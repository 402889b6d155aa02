/* temporary.c -- see temporary.h. */
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ATTEMPTS = 100,
};

int temporary_create(char *name, size_t room, const char *path,
                     struct sluice_error *err)
{
    struct stat st;
    /* The rename would put a file in the place of a device. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected a regular file or none", path);
    sluice_stale_remove(path);
    int why = EEXIST;
    for (int attempt = 0; attempt < ATTEMPTS && why == EEXIST; attempt++) {
        sluice_stale_name(name, room, path, attempt);
        const int fd =
            open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && sluice_stale_hold(fd, name))
            return fd;
        if (fd >= 0)
            close(fd);
        else
            why = errno;
    }
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(why));
}
