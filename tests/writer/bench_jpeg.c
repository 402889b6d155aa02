/* bench_jpeg FOLDER QUALITY -- what libjpeg itself takes on one core: every .jpg file
 * below FOLDER read, decoded to RGB, encoded again. A yardstick for `sluice write
 * --mode=jpg`, of which two cores can take half. Prints seconds and pictures. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

static int quality;
static long pictures;
static unsigned char *pixels;
static size_t room;

static void recode(FILE *f)
{
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct out;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    in.err = out.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_stdio_src(&in, f);
    jpeg_read_header(&in, TRUE);
    in.out_color_space = JCS_RGB;
    jpeg_start_decompress(&in);
    const size_t row = (size_t)in.output_width * 3;
    if (room < row * in.output_height) {
        room = row * in.output_height;
        pixels = realloc(pixels, room);
        if (!pixels)
            exit(1);
    }
    while (in.output_scanline < in.output_height) {
        JSAMPROW line = pixels + row * in.output_scanline;
        jpeg_read_scanlines(&in, &line, 1);
    }
    jpeg_create_compress(&out);
    jpeg_mem_dest(&out, &bytes, &size);
    out.image_height = in.output_height;
    out.image_width = in.output_width;
    out.input_components = 3;
    out.in_color_space = JCS_RGB;
    jpeg_set_defaults(&out);
    jpeg_set_quality(&out, quality, TRUE);
    jpeg_start_compress(&out, TRUE);
    while (out.next_scanline < out.image_height) {
        JSAMPROW line = pixels + row * out.next_scanline;
        jpeg_write_scanlines(&out, &line, 1);
    }
    jpeg_finish_compress(&out);
    jpeg_finish_decompress(&in);
    jpeg_destroy_compress(&out);
    jpeg_destroy_decompress(&in);
    free(bytes);
    pictures++;
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)where;
    const size_t n = strlen(path);
    FILE *f = NULL;
    if (kind == FTW_F && n > 4 && strcmp(path + n - 4, ".jpg") == 0 &&
        (f = fopen(path, "re")))
        recode(f);
    return f ? fclose(f) : 0;
}

int main(int argc, char **argv)
{
    struct timespec a, b;
    quality = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (quality < 1 || quality > 100) {
        fprintf(stderr, "usage: bench_jpeg FOLDER QUALITY\n");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (nftw(argv[1], visit, 16, 0) != 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.3f %ld\n",
           (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9,
           pictures);
    free(pixels);
    return 0;
}
