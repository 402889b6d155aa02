/* make_jpeg.c -- the corpus of fuzz_jpeg: a small picture of each kind that a decoder
 * meets, whole and damaged. Bytes depend on the libjpeg that writes them.
 *
 *     make_jpeg tests/fuzz/corpus/jpeg
 *
 * Before each picture stand the 5 bytes with which fuzz_jpeg chooses a part of it, the
 * channels and the instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

enum { CHOICE = 5, SIDE_MAX = 64, FILE_MAX = 2048 };

enum coding { SEQUENTIAL, SCANS, PROGRESSIVE, ARITHMETIC };

/* What is done to the bytes afterwards. */
enum damage {
    NONE,
    CUT,      /* the last third is missing */
    CUT_HEAD, /* nothing behind the frame header */
    LOST,     /* a restart marker bears another's number */
    EARLY,    /* an end of image amid the codes */
};

struct kind {
    const char *name;
    unsigned height, width;
    J_COLOR_SPACE from, as;  /* of the pixels; of the file */
    int across, down;        /* sampling factors of the first component */
    int quality;             /* below about 25 some table needs 16 bits */
    unsigned restart, flags; /* MCUs between markers */
    enum coding coding;
    enum damage damage;
};

enum { OPTIMAL = 1, WIDE = 2, ROTATED = 4 }; /* tables fitted; of 16 bits; EXIF */

#define GREY JCS_GRAYSCALE, JCS_GRAYSCALE
#define YCC JCS_RGB, JCS_YCbCr

static const struct kind kinds[] = {
    { "grey", 19, 33, GREY, 1, 1, 60 },
    { "grey_factors", 19, 33, GREY, 2, 2, 60 }, /* of one component: without meaning */
    { "444", 17, 23, YCC, 1, 1, 60 },
    { "422", 21, 37, YCC, 2, 1, 60 },
    { "440", 37, 21, YCC, 1, 2, 60 },
    { "420", 35, 49, YCC, 2, 2, 60 },
    { "411", 17, 41, YCC, 4, 1, 60 },
    { "410", 19, 41, YCC, 4, 2, 60 },
    { "thirds", 17, 41, YCC, 3, 1, 60 },
    { "rgb", 18, 25, JCS_RGB, JCS_RGB, 1, 1, 60 },
    { "cmyk", 18, 27, JCS_CMYK, JCS_CMYK, 1, 1, 40 },
    { "ycck", 19, 35, JCS_CMYK, JCS_YCCK, 2, 2, 40 },
    { "one_pixel", 1, 1, YCC, 2, 2, 75 },
    { "one_row", 1, 61, YCC, 2, 2, 75 },
    { "one_column", 61, 1, YCC, 2, 1, 75 },
    { "whole_blocks", 32, 48, YCC, 2, 2, 50 },
    { "block_and_one", 33, 17, YCC, 2, 2, 50 },
    { "best", 13, 14, YCC, 2, 2, 100 },
    { "optimal", 35, 49, YCC, 2, 2, 60, .flags = OPTIMAL },
    { "restart_1", 35, 49, YCC, 2, 2, 40, .restart = 1 },
    { "restart_3", 35, 49, YCC, 2, 1, 40, .restart = 3 },
    { "restart_grey", 35, 49, GREY, 1, 1, 40, .restart = 7 },
    { "tables_16", 35, 49, YCC, 2, 2, 5, .flags = WIDE },
    { "tables_16_grey", 35, 49, GREY, 1, 1, 1, .flags = WIDE | OPTIMAL },
    { "rotated", 18, 27, YCC, 2, 2, 50, .flags = ROTATED },
    { "scans", 21, 37, YCC, 2, 2, 50, .coding = SCANS },
    { "progressive", 35, 49, YCC, 2, 2, 50, .coding = PROGRESSIVE },
    { "progressive_grey", 29, 31, GREY, 1, 1, 50, .coding = PROGRESSIVE },
    { "progressive_restart", 21, 37, YCC, 2, 1, 50, .restart = 2, 0, PROGRESSIVE },
    { "progressive_cmyk", 17, 19, JCS_CMYK, JCS_CMYK, 1, 1, 30, .coding = PROGRESSIVE },
#ifdef C_ARITH_CODING_SUPPORTED
    { "arithmetic", 21, 37, YCC, 2, 2, 50, .coding = ARITHMETIC },
#endif
    { "cut", 35, 49, YCC, 2, 2, 60, .damage = CUT },
    { "cut_head", 35, 49, YCC, 2, 2, 60, .damage = CUT_HEAD },
    { "cut_restart", 35, 49, YCC, 2, 2, 40, .restart = 1, .damage = CUT },
    { "cut_progressive", 35, 49, YCC, 2, 2, 50, .coding = PROGRESSIVE, .damage = CUT },
    { "restart_lost", 35, 49, YCC, 2, 2, 40, .restart = 2, .damage = LOST },
    { "early_end", 35, 49, YCC, 2, 1, 50, .damage = EARLY },
};

static void die(const char *name, const char *why)
{
    fprintf(stderr, "make_jpeg: %s: %s\n", name, why);
    exit(1);
}

/* Slopes, an edge and some noise. */
static JSAMPLE value(unsigned y, unsigned x, unsigned c)
{
    const unsigned noise = (y * 73856093U ^ x * 19349663U ^ c * 83492791U) >> 7;
    return (JSAMPLE)((x * (2 + c) + y * 3 + (x > 2 * y ? 90 : 0) + noise % 12) & 255);
}

static void set_up(struct jpeg_compress_struct *j, const struct kind *k)
{
    static const jpeg_scan_info scans[] = { { 1, { 1 }, 0, 63, 0, 0 },
                                            { 2, { 0, 2 }, 0, 63, 0, 0 } };
    j->image_height = k->height;
    j->image_width = k->width;
    j->in_color_space = k->from;
    j->input_components = k->from == JCS_GRAYSCALE ? 1 : k->from == JCS_CMYK ? 4 : 3;
    jpeg_set_defaults(j);
    jpeg_set_colorspace(j, k->as);
    jpeg_set_quality(j, k->quality, k->flags & WIDE ? FALSE : TRUE);
    j->comp_info[0].h_samp_factor = k->across;
    j->comp_info[0].v_samp_factor = k->down;
    if (k->as == JCS_YCCK) { /* black is as fine as luma */
        j->comp_info[3].h_samp_factor = k->across;
        j->comp_info[3].v_samp_factor = k->down;
    }
    j->restart_interval = k->restart;
    j->optimize_coding = k->flags & OPTIMAL ? TRUE : FALSE;
    j->arith_code = k->coding == ARITHMETIC ? TRUE : FALSE;
    if (k->coding == PROGRESSIVE)
        jpeg_simple_progression(j);
    if (k->coding == SCANS) {
        j->scan_info = scans;
        j->num_scans = 2;
    }
}

static unsigned char *encode(const struct kind *k, unsigned long *size)
{
    static const unsigned char exif[] = { 'E', 'x', 'i', 'f', 0, 0, 'M',  'M', 0, 42, 0,
                                          0,   0,   8,   0,   1, 1, 0x12, 0,   3, 0,  0,
                                          0,   1,   0,   6,   0, 0, 0,    0,   0, 0 };
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &bytes, size);
    set_up(&j, k);
    jpeg_start_compress(&j, TRUE);
    if (k->flags & ROTATED)
        jpeg_write_marker(&j, JPEG_APP0 + 1, exif, sizeof(exif));
    for (unsigned y = 0; y < k->height; y++) {
        JSAMPLE row[SIDE_MAX * 4], *rows[1] = { row };
        for (unsigned x = 0; x < k->width; x++)
            for (int c = 0; c < j.input_components; c++)
                row[x * (unsigned)j.input_components + (unsigned)c] =
                    value(y, x, (unsigned)c);
        jpeg_write_scanlines(&j, rows, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    return bytes;
}

/* Where a marker FF `low` to FF `high` begins, from `at` on; or `size`. */
static unsigned long find(const unsigned char *bytes, unsigned long size,
                          unsigned long at, int low, int high)
{
    for (; at + 1 < size; at++)
        if (bytes[at] == 0xff && bytes[at + 1] >= low && bytes[at + 1] <= high)
            return at;
    return size;
}

/* The size of what is left. */
static unsigned long spoil(const struct kind *k, unsigned char *bytes,
                           unsigned long size)
{
    const unsigned long scan = find(bytes, size, 0, 0xda, 0xda);
    const unsigned long restart = find(bytes, size, scan, 0xd0, 0xd7);
    switch (k->damage) {
    case CUT:
        return size - size / 3;
    case CUT_HEAD:
        return find(bytes, size, 0, 0xc0, 0xc0) + 19;
    case LOST:
        if (restart == size)
            die(k->name, "no restart marker");
        bytes[restart + 1] ^= 3;
        return size;
    case EARLY:
        bytes[(scan + size) / 2] = 0xff;
        bytes[(scan + size) / 2 + 1] = 0xd9;
        return size;
    default:
        return size;
    }
}

static void make(const char *folder, const struct kind *k, unsigned i)
{
    const unsigned char choice[CHOICE] = { (unsigned char)(i * 37 % 128),
                                           (unsigned char)(i * 59 % 128),
                                           (unsigned char)(128 + i * 41 % 128),
                                           (unsigned char)(128 + i * 23 % 128),
                                           (unsigned char)(i * 7 % 12) };
    char path[4096];
    unsigned long size = 0;
    unsigned char *bytes = encode(k, &size);
    size = spoil(k, bytes, size);
    if (size + CHOICE > FILE_MAX)
        die(k->name, "larger than a corpus wants");
    snprintf(path, sizeof(path), "%s/%s", folder, k->name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(choice, CHOICE, 1, f) != 1 || fwrite(bytes, size, 1, f) != 1 ||
        fclose(f) != 0)
        die(path, "cannot be written");
    free(bytes);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_jpeg FOLDER\n");
        return 2;
    }
    mkdir(argv[1], 0777);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        make(argv[1], &kinds[i], i);
    return 0;
}
