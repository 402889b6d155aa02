/* wandb_log.c -- fragments and blocks; see wandb_log.h. */
#include <stdlib.h>
#include <string.h>

#include "wandb_log.h"

enum {
    BLOCK = 32768,
    HEADER = 7, /* of the file, and of a fragment */
    WHOLE = 1,
    FIRST = 2,
    MIDDLE = 3,
    LAST = 4,
};

static const unsigned char beginning[HEADER] = { ':', 'W', '&', 'B', 0xe1, 0xbe, 0 };

/* Continue with `size` bytes; begins and ends with 0. Bit by bit: a run writes little.
 */
static uint32_t crc32_ieee(uint32_t crc, const unsigned char *p, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint32_t fragment_crc(unsigned char type, const unsigned char *data, size_t size)
{
    return crc32_ieee(crc32_ieee(0, &type, 1), data, size);
}

void wandb_log_begin(FILE *to, uint64_t *offset)
{
    fwrite(beginning, 1, HEADER, to);
    *offset = HEADER;
}

static void put_fragment(FILE *to, unsigned char type, const unsigned char *data,
                         size_t size)
{
    const uint32_t crc = fragment_crc(type, data, size);
    const unsigned char head[HEADER] = { (unsigned char)crc,
                                         (unsigned char)(crc >> 8),
                                         (unsigned char)(crc >> 16),
                                         (unsigned char)(crc >> 24),
                                         (unsigned char)size,
                                         (unsigned char)(size >> 8),
                                         type };
    fwrite(head, 1, HEADER, to);
    fwrite(data, 1, size, to);
}

void wandb_log_append(FILE *to, uint64_t *offset, const void *record, size_t size)
{
    static const unsigned char zeros[HEADER];
    const unsigned char *data = record;
    bool first = true, last;
    do {
        size_t left = BLOCK - *offset % BLOCK;
        if (left < HEADER) {
            fwrite(zeros, 1, left, to);
            *offset += left;
            left = BLOCK;
        }
        const size_t n = size < left - HEADER ? size : left - HEADER;
        last = n == size;
        put_fragment(to,
                     first  ? (last ? WHOLE : FIRST)
                     : last ? LAST
                            : MIDDLE,
                     data, n);
        *offset += HEADER + n;
        data += n;
        size -= n;
        first = false;
    } while (!last);
}

struct fragment {
    const unsigned char *data;
    size_t size;
    int type;
    size_t end; /* offset behind it */
};

/* The fragment at `at`; false: none, or a damaged one. */
static bool get_fragment(struct fragment *f, const unsigned char *bytes, size_t size,
                         size_t at)
{
    if (BLOCK - at % BLOCK < HEADER)
        at += BLOCK - at % BLOCK;
    if (at > size || size - at < HEADER)
        return false;
    const unsigned char *p = bytes + at;
    const uint32_t crc = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                         (uint32_t)p[3] << 24;
    *f = (struct fragment){ p + HEADER, (size_t)p[4] | (size_t)p[5] << 8, p[6], 0 };
    f->end = at + HEADER + f->size;
    return f->end <= size && f->size <= BLOCK - HEADER - at % BLOCK &&
           f->type >= WHOLE && f->type <= LAST &&
           crc == fragment_crc(p[6], f->data, f->size);
}

/* Is a whole fragment behind a place where none is: in the rest of its block, byte by
 * byte, or at the front of a later one? */
static bool any_fragment(const unsigned char *bytes, size_t size, size_t at)
{
    const size_t next = at + BLOCK - at % BLOCK;
    struct fragment f;
    bool found = false;
    for (; !found && at < size; at += at < next ? 1 : BLOCK)
        found = get_fragment(&f, bytes, size, at);
    return found;
}

size_t wandb_log_scan(const void *bytes, size_t size,
                      bool (*keep)(void *ctx, const unsigned char *record, size_t size),
                      void *ctx, bool *damaged)
{
    unsigned char *record = malloc(size + 1);
    struct fragment f;
    size_t good = HEADER, at = HEADER, have = 0;
    bool within = false; /* of a record: its first fragment may be empty */
    *damaged = false;
    if (!record || size < HEADER || memcmp(bytes, beginning, HEADER) != 0) {
        free(record);
        return 0;
    }
    while (get_fragment(&f, bytes, size, at)) {
        const bool begins = f.type == WHOLE || f.type == FIRST;
        if (begins == within)
            break;
        memcpy(record + have, f.data, f.size);
        have += f.size;
        at = f.end;
        within = f.type == FIRST || f.type == MIDDLE;
        if (within)
            continue;
        if (!keep(ctx, record, have)) {
            free(record);
            return good;
        }
        have = 0;
        good = at;
    }
    free(record);
    *damaged = any_fragment(bytes, size, at);
    return good;
}
