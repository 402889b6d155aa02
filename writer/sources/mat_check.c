/* mat_check.c -- see mat_check.h. Behind a header of 128 bytes lie elements: type
 * (u32), size (u32), data; the data of type 15 are a zlib stream of another element. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "mat_check.h"
#include "options.h"

enum { HEADER = 128, COMPRESSED = 15 };

struct mat {
    FILE *file;
    const char *path;
    bool big; /* endian */
    uint8_t in[1 << 16], out[1 << 16];
};

static uint32_t number(const struct mat *m, const uint8_t *b)
{
    return m->big ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
                        b[3]
                  : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 |
                        b[0];
}

static int bad_element(const struct mat *m, long at, const char *why,
                       struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%.300s: the compressed element at byte %ld: %s", m->path, at,
                       why);
}

/* Inflate `size` bytes from where the file stands; `at` is where their element begins.
 */
static int inflate_element(struct mat *m, z_stream *z, uint32_t size, long at,
                           struct sluice_error *err)
{
    int got = Z_OK;
    while (got == Z_OK) {
        if (cli_interrupted())
            return sluice_fail(err, SLUICE_ESTOPPED,
                               "interrupted; nothing was written");
        if (!z->avail_in && size) {
            const size_t want = size < sizeof(m->in) ? size : sizeof(m->in);
            if (fread(m->in, 1, want, m->file) != want)
                return ferror(m->file)
                           ? sluice_fail(err, SLUICE_EIO, "%.300s: %s", m->path,
                                         strerror(errno))
                           : bad_element(m, at, "the file is truncated", err);
            z->next_in = m->in;
            z->avail_in = (uInt)want;
            size -= (uint32_t)want;
        }
        z->next_out = m->out;
        z->avail_out = sizeof(m->out);
        got = inflate(z, Z_NO_FLUSH);
    }
    if (got == Z_MEM_ERROR)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: no memory", m->path);
    return got == Z_STREAM_END
               ? 0
               : bad_element(m, at, z->msg ? z->msg : "its data are truncated", err);
}

static int check_element(struct mat *m, uint32_t size, long at,
                         struct sluice_error *err)
{
    z_stream z = { 0 };
    if (inflateInit(&z) != Z_OK)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: no memory", m->path);
    const int rc = inflate_element(m, &z, size, at, err);
    inflateEnd(&z);
    return rc;
}

/* What is not compressed has no checksum: its damage is for the reader to see. */
static int check_elements(struct mat *m, struct sluice_error *err)
{
    uint8_t head[HEADER];
    if (fread(head, 1, HEADER, m->file) != HEADER)
        return 0;
    m->big = memcmp(head + 124, "\x01\x00MI", 4) == 0;
    if (!m->big && memcmp(head + 124, "\x00\x01IM", 4) != 0)
        return 0;
    long at = HEADER;
    int rc = 0;
    while (rc == 0 && fseek(m->file, at, SEEK_SET) == 0 &&
           fread(head, 1, 8, m->file) == 8) {
        const uint32_t size = number(m, head + 4);
        if (number(m, head) == COMPRESSED)
            rc = check_element(m, size, at, err);
        at += 8 + (long)size;
    }
    return rc;
}

int mat_check(const char *path, struct sluice_error *err)
{
    struct mat m = { .path = path, .file = fopen(path, "rb") };
    if (!m.file)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    const int rc = check_elements(&m, err);
    fclose(m.file);
    return rc;
}
