/* files.h -- a temporary folder per test, and whole files in memory. */
#ifndef SLUICE_TEST_FILES_H
#define SLUICE_TEST_FILES_H

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/error.h>

#include "check.h"

/* A fresh folder; the name is static. Removed by folder_remove. */
static inline const char *folder_make(void)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/sluice-test-XXXXXX");
    REQUIRE(mkdtemp(path), "mkdtemp");
    return path;
}

/* Entries of a folder, without . and .. */
static inline int folder_entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    REQUIRE(d, "%s", path);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static inline void folder_remove(const char *path)
{
    char file[4096];
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (snprintf(file, sizeof(file), "%s/%s", path, e->d_name) >= (int)sizeof(file))
            continue;
        if (unlink(file) < 0)
            folder_remove(file);
    }
    closedir(d);
    rmdir(path);
}

static inline uint8_t *file_read(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    REQUIRE(bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size, "%s", path);
    close(fd);
    *size = (size_t)st.st_size;
    return bytes;
}

static inline void file_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "%s", path);
    close(fd);
}

/* A file's bytes as a sluice_read_at source. */
struct memory_file {
    const uint8_t *bytes;
    size_t size;
};

static inline int memory_read(void *ctx, void *buf, size_t size, uint64_t offset,
                              struct sluice_error *err)
{
    const struct memory_file *f = ctx;
    if (offset > f->size || size > f->size - offset)
        return sluice_fail(err, SLUICE_ECORRUPT, "read past the end");
    memcpy(buf, f->bytes + offset, size);
    return 0;
}

#endif
