/* temporary.c -- see temporary.h. */
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    ATTEMPTS = 100,
};

int temporary_create(char *name, size_t room, const char *path)
{
    sluice_stale_remove(path);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        sluice_stale_name(name, room, path, attempt);
        const int fd =
            open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && sluice_stale_hold(fd, name))
            return fd;
        if (fd >= 0)
            close(fd);
        else if (errno != EEXIST)
            return -1;
    }
    errno = EEXIST;
    return -1;
}
