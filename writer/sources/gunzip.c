/* gunzip.c -- gzip through zlib, which compares checksum and length; see gunzip.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "gunzip.h"
#include "options.h"

struct gunzip {
    FILE *file;
    char *path;
    z_stream z;
    bool within; /* a member */
    int rc;      /* of the last read; err says why */
    struct sluice_error err;
    uint8_t in[1 << 16], out[1 << 18];
};

static bool begins_as_gzip(FILE *file)
{
    const int first = getc(file), second = getc(file);
    rewind(file);
    return first == 0x1f && second == 0x8b;
}

int gunzip_open(struct gunzip **out, FILE *file, const char *path,
                struct sluice_error *err)
{
    *out = NULL;
    if (!begins_as_gzip(file)) {
        fclose(file);
        return 0;
    }
    struct gunzip *g = calloc(1, sizeof(*g));
    if (!g || !(g->path = strdup(path)) ||
        inflateInit2(&g->z, 15 + 16) != Z_OK) { /* 16: gzip, and nothing else */
        fclose(file);
        if (g)
            free(g->path);
        free(g);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    }
    g->file = file;
    *out = g;
    return 0;
}

static int fill(struct gunzip *g)
{
    if (g->z.avail_in)
        return 0;
    if (cli_interrupted())
        return sluice_fail(&g->err, SLUICE_ESTOPPED,
                           "interrupted; nothing was written");
    g->z.next_in = g->in;
    g->z.avail_in = (uInt)fread(g->in, 1, sizeof(g->in), g->file);
    return ferror(g->file)
               ? sluice_fail(&g->err, SLUICE_EIO, "%s: %s", g->path, strerror(errno))
               : 0;
}

static int bad_gzip(struct gunzip *g, int why)
{
    if (why == Z_MEM_ERROR)
        return sluice_fail(&g->err, SLUICE_ENOMEM, "%s: no memory", g->path);
    return sluice_fail(&g->err, SLUICE_ECORRUPT, "%s: damaged gzip data: %s", g->path,
                       g->z.msg ? g->z.msg : "they cannot be inflated");
}

/* Until the room is full or the file ends. */
static int inflate_some(struct gunzip *g)
{
    while (g->z.avail_out) {
        int rc = fill(g);
        if (rc < 0)
            return rc;
        if (!g->z.avail_in)
            return g->within ? sluice_fail(&g->err, SLUICE_ECORRUPT,
                                           "%s: truncated gzip data", g->path)
                             : 0;
        if (!g->within && !*g->z.next_in) { /* padding */
            g->z.next_in++;
            g->z.avail_in--;
            continue;
        }
        if (!g->within)
            inflateReset(&g->z);
        const int got = inflate(&g->z, Z_NO_FLUSH);
        g->within = got != Z_STREAM_END;
        if (got != Z_OK && got != Z_STREAM_END)
            return bad_gzip(g, got);
    }
    return 0;
}

ssize_t gunzip_read(struct gunzip *g, const void **bytes, struct sluice_error *err)
{
    g->z.next_out = g->out;
    g->z.avail_out = sizeof(g->out);
    if (g->rc == 0)
        g->rc = inflate_some(g);
    *bytes = g->out;
    if (g->rc < 0 && err)
        *err = g->err;
    return g->rc < 0 ? g->rc : (ssize_t)(sizeof(g->out) - g->z.avail_out);
}

void gunzip_close(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    fclose(g->file);
    free(g->path);
    free(g);
}
