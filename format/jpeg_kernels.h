/* jpeg_kernels.h -- what the baseline decoder does to a block or to a row: once for
 * each instruction set, with the same results. */
#ifndef SLUICE_JPEG_KERNELS_H
#define SLUICE_JPEG_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/jpeg.h>

enum {
    JPEG_LOOK = 12,    /* bits that are looked up at once: AC */
    JPEG_LOOK_DC = 10, /* DC */
    JPEG_PAD = 320,    /* bytes: more than a block takes, 64 times 31 bits, and 16 */
    JPEG_LONGEST = 16, /* bits of a code */
};

/* A Huffman code of T.81, annex C, and what the next bits of the stream may begin with.
 *
 * DC: bits 0 to 5 of an entry are the length of code and value, 16 to 31 the value,
 * signed. 0: not to be told from so few bits.
 *
 * AC: one symbol, or two where both fit in. Bits 0 to 5: the length of it all; 6 to 9:
 * zeros before the first value; 10 to 15: by how many coefficients it goes on, the end
 * of the block counted as one; 16 to 22: the first value, 24 to 31: the last one, both
 * signed, 0 where there is none; 23: the block ends. Where the value of a symbol does
 * not fit in, 10 to 15 are JPEG_PART, 0 to 5 the length of the code, and 24 to 31 the
 * symbol; where the code does not, the length is 0. */
struct jpeg_code {
    uint32_t look[1 << JPEG_LOOK];
    uint32_t limit[JPEG_LONGEST + 1]; /* codes of so many bits, put at the top of 16,
                                         are below this, or of more */
    int32_t offset[JPEG_LONGEST + 1]; /* code + offset: place of its symbol */
    uint8_t symbols[256];
    uint8_t counts[JPEG_LONGEST + 1]; /* and symbols: what it was made from */
    uint8_t known;                    /* made at all */
    uint8_t usable;
};
enum { JPEG_PART = 63, JPEG_END = 1 << 23 };

/* Bytes of the scan without what was stuffed into them, read from the top of `bits`. Of
 * these `left` (at least) are good, and `at` is the next byte to come. Reading may go
 * on to `last` without looking: behind that, jpeg_bits_more. */
struct jpeg_bits {
    uint64_t bits;
    int left;
    const uint8_t *at, *last;
    uint8_t *store, *filled; /* bytes of this interval in hand */
    const uint8_t *source, *source_end;
    int marker; /* where it ends: the byte behind 0xff; 0: not reached, -1: no more */
};

/* How the coefficients of a component are stored: in the order of the stream. */
struct jpeg_terms {
    int32_t quant[80];
    uint16_t place[80]; /* behind the 64th: the last */
};

struct jpeg_target {
    uint8_t *at;
    size_t stride;
};

/* What block() says. */
enum { JPEG_ODD = -1, JPEG_FLAT = 0, JPEG_FULL = 1 };

struct jpeg_kernels {
    const char *name;
    int lanes; /* blocks that idct takes together */
    /* Decode one block. *dc: of the block before, and then of this one. `coef`: where
     * its dequantised coefficients go (all zero before; `lanes` rows of 8 lie between
     * its rows). Nothing is stored if only the first is not 0: FLAT. ODD: what no
     * encoder writes, or what libjpeg computes otherwise. */
    int (*block)(struct jpeg_bits *b, const struct jpeg_code *dc_code,
                 const struct jpeg_code *ac_code, const struct jpeg_terms *terms,
                 int32_t *dc, int16_t *coef);
    /* The same, for no pixels. */
    int (*skip)(struct jpeg_bits *b, const struct jpeg_code *dc_code,
                const struct jpeg_code *ac_code, int32_t *dc);
    /* (8, lanes, 8) coefficients into `lanes` blocks of pixels. */
    void (*idct)(const int16_t *coef, const struct jpeg_target *out);
    /* A row of n to 2 n, of triangles, as libjpeg's fancy upsampling; sums: room for
     * n + 2. Beyond both ends the outermost values are repeated. */
    void (*widen)(const uint8_t *in, size_t n, uint16_t *sums, uint8_t *out);
    /* The same where rows are doubled too: 3 parts `near`, 1 part `far`. */
    void (*widen_between)(const uint8_t *near, const uint8_t *far, size_t n,
                          uint16_t *sums, uint8_t *out);
    void (*colour)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t n,
                   uint8_t *rgb);
};
extern const struct jpeg_kernels sluice_jpeg_plain, sluice_jpeg_avx2,
    sluice_jpeg_avx512;

/* jpeg_path.c: those of a path, NULL if this CPU or build has them not; and the best.
 */
const struct jpeg_kernels *sluice_jpeg_kernels_of(enum sluice_jpeg_path path);
enum sluice_jpeg_path sluice_jpeg_best(void);

/* jpeg_bits.c. more: 0, or -1 if the scan has ended, or where it is damaged. */
void sluice_jpeg_bits_open(struct jpeg_bits *b, uint8_t *store, const uint8_t *source,
                           size_t size);
int sluice_jpeg_bits_more(struct jpeg_bits *b);
/* Bytes that were not begun; negative: more was taken than there is. */
long sluice_jpeg_bits_unread(const struct jpeg_bits *b);
/* Behind the restart marker `number`: 0, or -1 if it does not stand here. */
int sluice_jpeg_bits_restart(struct jpeg_bits *b, int number);
enum { JPEG_STORE = (16 << 10) + 2 * JPEG_PAD };

/* jpeg_code.c: `code` from a table's counts (of 1 to 16 bits) and symbols; nothing is
 * done if it was made from these already. Whether it is usable: if not, libjpeg has
 * something to say of it. */
int sluice_jpeg_code_make(struct jpeg_code *code, const uint8_t counts[17],
                          const uint8_t symbols[256], int is_dc);
/* Any symbol, bit by bit; of 0 bits: none at all. */
struct jpeg_symbol {
    uint8_t symbol, bits;
};
struct jpeg_symbol sluice_jpeg_code_symbol(const struct jpeg_code *code, uint64_t bits);
/* Whether (8, lanes, 8) coefficients are so small that arithmetic of 16 bits gives what
 * any other does: sums of columns do, or of the squares of all. */
int sluice_jpeg_tame(const int16_t *coef, int lanes);
enum { JPEG_TAME = 2900, JPEG_TAME_SQUARES = JPEG_TAME * JPEG_TAME / 8 };

#endif
