/* tfevents.c -- TensorBoard's event files; see tfevents.h. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/crc32c.h>

#include "run_dir.h"
#include "tfevents.h"

enum {
    TAG_MAX = 100,
    RECORD_MAX = 256, /* bytes of one of our messages */
    FRAME = 16,       /* bytes around a message */
};

static const char prefix[] = "events.out.tfevents.";

struct tfevents {
    FILE *file;
    char path[RUN_PATH];
};

struct message {
    unsigned char at[RECORD_MAX];
    size_t size;
};

static void put_bytes(struct message *m, const void *data, size_t n)
{
    memcpy(m->at + m->size, data, n);
    m->size += n;
}

static void put_little(struct message *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        m->at[m->size++] = (unsigned char)value;
}

static void put_varint(struct message *m, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        m->at[m->size++] = (unsigned char)(value | 0x80);
    m->at[m->size++] = (unsigned char)value;
}

/* Field number and wire type: 0 varint, 1 eight bytes, 2 counted bytes, 5 four. */
static void put_key(struct message *m, unsigned field, unsigned wire)
{
    put_varint(m, field << 3 | wire);
}

static void put_counted(struct message *m, unsigned field, const void *data, size_t n)
{
    put_key(m, field, 2);
    put_varint(m, n);
    put_bytes(m, data, n);
}

static void put_wall_time(struct message *m)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof(bits));
    put_key(m, 1, 1);
    put_little(m, bits, 8);
}

static uint32_t masked(const void *data, size_t size)
{
    const uint32_t crc = sluice_crc32c(0, data, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void write_frame(FILE *to, const struct message *m)
{
    struct message head = { .size = 0 }, tail = { .size = 0 };
    put_little(&head, m->size, 8);
    put_little(&head, masked(head.at, 8), 4);
    put_little(&tail, masked(m->at, m->size), 4);
    fwrite(head.at, 1, head.size, to);
    fwrite(m->at, 1, m->size, to);
    fwrite(tail.at, 1, tail.size, to);
}

void tfevents_scalar(struct tfevents *t, const char *tag, uint64_t step, double value)
{
    struct message inner = { .size = 0 }, summary = { .size = 0 },
                   event = { .size = 0 };
    const float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof(bits));
    put_counted(&inner, 1, tag, strnlen(tag, TAG_MAX));
    put_key(&inner, 2, 5);
    put_little(&inner, bits, 4);
    put_counted(&summary, 1, inner.at, inner.size);
    put_wall_time(&event);
    put_key(&event, 2, 0);
    put_varint(&event, step);
    put_counted(&event, 5, summary.at, summary.size);
    write_frame(t->file, &event);
}

int tfevents_flush(struct tfevents *t, struct sluice_error *err)
{
    return file_flush(t->file, t->path, err);
}

int tfevents_sync(struct tfevents *t, struct sluice_error *err)
{
    return file_sync(t->file, t->path, err);
}

void tfevents_close(struct tfevents *t)
{
    if (t && t->file)
        fclose(t->file);
    free(t);
}

static int open_file(struct tfevents **out, const char *path, const char *mode,
                     struct sluice_error *err)
{
    struct tfevents *t = calloc(1, sizeof(*t));
    *out = NULL;
    if (!t)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    snprintf(t->path, sizeof(t->path), "%s", path);
    if (!(t->file = fopen(path, mode))) {
        free(t);
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    }
    *out = t;
    return 0;
}

int tfevents_create(struct tfevents **out, const char *folder, struct sluice_error *err)
{
    static const char version[] = "brain.Event:2";
    char path[RUN_PATH], host[64] = "host";
    struct message m = { .size = 0 };
    gethostname(host, sizeof(host) - 1);
    snprintf(path, sizeof(path), "%.1700s/%s%lld.%s.%ld", folder, prefix,
             (long long)time(NULL), host, (long)getpid());
    int rc = open_file(out, path, "wxe", err);
    if (rc < 0)
        return rc;
    put_wall_time(&m);
    put_counted(&m, 3, version, sizeof(version) - 1);
    write_frame((*out)->file, &m);
    return tfevents_flush(*out, err);
}

static uint64_t get_little(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

/* The step of one of our own records, which stands behind the nine bytes of time. */
static uint64_t step_of(const unsigned char *m, size_t size)
{
    uint64_t step = 0;
    if (size < 11 || m[9] != (2 << 3 | 0))
        return 0;
    for (size_t i = 10, shift = 0; i < size && shift < 64; i++, shift += 7) {
        step |= (uint64_t)(m[i] & 0x7f) << shift;
        if (!(m[i] & 0x80))
            break;
    }
    return step;
}

/* Bytes of the whole record at the front of that many; 0: there is none. */
static size_t whole_record(const unsigned char *p, size_t size)
{
    if (size < FRAME || masked(p, 8) != get_little(p + 8, 4))
        return 0;
    const uint64_t n = get_little(p, 8);
    const bool whole = n <= RECORD_MAX && n <= size - FRAME &&
                       masked(p + 12, n) == get_little(p + 12 + n, 4);
    return whole ? (size_t)n + FRAME : 0;
}

/* What of an event file goes on. */
struct kept {
    size_t bytes; /* of the whole records at the front up to a step */
    bool damaged; /* there is no such record behind them, but whole ones are further on
                   */
};

static struct kept keep(const unsigned char *p, size_t size, uint64_t step)
{
    struct kept k = { 0, false };
    size_t n;
    while ((n = whole_record(p + k.bytes, size - k.bytes))) {
        if (step_of(p + k.bytes + 12, n - FRAME) > step)
            return k;
        k.bytes += n;
    }
    for (size_t at = k.bytes; !k.damaged && at < size; at++)
        k.damaged = whole_record(p + at, size - at);
    return k;
}

static int find_file(char path[RUN_PATH], const char *folder, struct sluice_error *err)
{
    DIR *dir = opendir(folder);
    *path = 0;
    if (!dir)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", folder, strerror(errno));
    for (struct dirent *e; !*path && (e = readdir(dir));)
        if (strncmp(e->d_name, prefix, sizeof(prefix) - 1) == 0)
            snprintf(path, RUN_PATH, "%.1700s/%s", folder, e->d_name);
    closedir(dir);
    return 0;
}

int tfevents_continue(struct tfevents **out, const char *folder, uint64_t step,
                      struct sluice_error *err)
{
    char path[RUN_PATH], *text;
    size_t size;
    int rc = find_file(path, folder, err);
    if (rc < 0 || !*path)
        return rc < 0 ? rc : tfevents_create(out, folder, err);
    if ((rc = text_file_read(&text, &size, path, (size_t)1 << 30, err)) < 0)
        return rc;
    const struct kept kept = keep((const unsigned char *)text, size, step);
    free(text);
    if (kept.damaged)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: damaged at byte %zu, with whole records behind it; "
                           "move the file away to go on without them",
                           path, kept.bytes);
    if (truncate(path, (off_t)kept.bytes) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    return open_file(out, path, "ae", err);
}
