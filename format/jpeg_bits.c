/* jpeg_bits.c -- the bytes of a scan, piece by piece and without the zeros that are
 * stuffed behind every 0xff, so that the decoder may take eight at a time without
 * looking at them. */
#include <string.h>

#include "jpeg_kernels.h"

/* Copy up to the next marker, the end of the source, or as much as fits. */
static void fill(struct jpeg_bits *b)
{
    uint8_t *const full = b->store + JPEG_STORE - JPEG_PAD;
    while (b->marker == 0 && b->filled < full) {
        const size_t room = (size_t)(full - b->filled);
        const size_t there = (size_t)(b->source_end - b->source);
        const size_t most = room < there ? room : there;
        const uint8_t *ff = most ? memchr(b->source, 0xff, most) : NULL;
        const size_t n = ff ? (size_t)(ff - b->source) : most;
        if (n)
            memcpy(b->filled, b->source, n);
        b->filled += n;
        b->source += n;
        if (ff ? there - n < 2 : there <= room) {
            b->marker = -1;
        } else if (ff && ff[1]) {
            b->marker = ff[1];
        } else if (ff) {
            *b->filled++ = 0xff;
            b->source += 2;
        }
    }
    memset(b->filled, 0, JPEG_PAD);
    /* Eight bytes are taken at a time, so that at the end `at` may stand so far behind.
     */
    b->last = b->marker ? b->filled + 8 : b->filled - JPEG_PAD;
}

static void begin(struct jpeg_bits *b)
{
    b->bits = 0;
    b->left = 0;
    b->marker = 0;
    b->at = b->filled = b->store;
    fill(b);
}

void sluice_jpeg_bits_open(struct jpeg_bits *b, uint8_t *store, const uint8_t *source,
                           size_t size)
{
    b->store = store;
    b->source = source;
    b->source_end = source + size;
    begin(b);
}

int sluice_jpeg_bits_more(struct jpeg_bits *b)
{
    if (b->marker)
        return b->at > b->last ? -1 : 0;
    const size_t rest = (size_t)(b->filled - b->at);
    memmove(b->store, b->at, rest);
    b->at = b->store;
    b->filled = b->store + rest;
    fill(b);
    return b->at > b->last ? -1 : 0;
}

long sluice_jpeg_bits_unread(const struct jpeg_bits *b)
{
    const long bits = (b->filled - b->at) * 8 + b->left;
    return bits < 0 ? -1 : bits / 8;
}

int sluice_jpeg_bits_restart(struct jpeg_bits *b, int number)
{
    if (!b->marker && sluice_jpeg_bits_more(b) < 0)
        return -1;
    if (b->marker != 0xd0 + number || sluice_jpeg_bits_unread(b) != 0)
        return -1;
    b->source += 2;
    begin(b);
    return 0;
}
