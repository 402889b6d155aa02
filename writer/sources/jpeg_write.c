/* jpeg_write.c -- libjpeg as a writer: pixels to JPEG, and progressive JPEG to
 * baseline. Errors jump back here, past no local that needs anything but these frees.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "jpeg_damage.h"
#include "picture.h"

enum {
    SCANS_MAX = 100,
    MEMORY_MAX = 1 << 30,
};

struct job {
    struct jpeg_error_mgr errors; /* first: callbacks find us by it */
    jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
    struct jpeg_compress_struct to;
    struct jpeg_decompress_struct from;
    struct jpeg_progress_mgr progress; /* of `from` */
    unsigned char *out;
    unsigned long size;
};

static void fail_exit(j_common_ptr info)
{
    struct job *job = (struct job *)info->err;
    info->err->format_message(info, job->message);
    longjmp(job->jump, 1);
}

/* A damaged picture must not be written anew as a whole one. */
static void fail_on_damage(j_common_ptr info, int level)
{
    if (level < 0 && jpeg_is_damage(info->err->msg_code))
        fail_exit(info);
}

/* As ../../format/jpeg.c refuses them, which need not have seen this picture. */
static void count_scans(j_common_ptr info)
{
    struct job *job = (struct job *)info->err;
    if (job->from.input_scan_number <= SCANS_MAX)
        return;
    snprintf(job->message, sizeof(job->message), "more than %d scans", SCANS_MAX);
    longjmp(job->jump, 1);
}

static void begin(struct job *job)
{
    *job = (struct job){ .out = NULL };
    job->to.err = job->from.err = jpeg_std_error(&job->errors);
    job->errors.error_exit = fail_exit;
    job->errors.emit_message = fail_on_damage;
}

static int end(struct job *job, bool good, uint8_t **out, size_t *out_size,
               struct sluice_error *err)
{
    jpeg_destroy_compress(&job->to);
    jpeg_destroy_decompress(&job->from);
    if (!good) {
        free(job->out);
        return sluice_fail(err, SLUICE_ECORRUPT, "JPEG: %s", job->message);
    }
    *out = job->out;
    *out_size = job->size;
    return 0;
}

/* EXIF with one entry, the orientation: see ../../format/exif.h. */
static void write_orientation(struct job *job, int orientation)
{
    const uint8_t marker[32] = {
        'E',  'x',  'i', 'f', 0, 0, 'I', 'I', '*',
        0,    8,    0,   0,   0,                                    /* directory at 8 */
        1,    0,                                                    /* one entry */
        0x12, 0x01, 3,   0,   1, 0, 0,   0,   (uint8_t)orientation, /* one short */
    };
    jpeg_write_marker(&job->to, JPEG_APP0 + 1, marker, sizeof(marker));
}

int jpeg_encode(const uint8_t *pixels, uint32_t height, uint32_t width,
                uint32_t channels, int quality, int orientation, uint8_t **out,
                size_t *out_size, struct sluice_error *err)
{
    struct job job;
    begin(&job);
    if (setjmp(job.jump))
        return end(&job, false, out, out_size, err);
    jpeg_create_compress(&job.to);
    jpeg_mem_dest(&job.to, &job.out, &job.size);
    job.to.image_height = height;
    job.to.image_width = width;
    job.to.input_components = (int)channels;
    job.to.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&job.to);
    jpeg_set_quality(&job.to, quality, TRUE);
    job.to.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&job.to, TRUE);
    if (orientation != 1)
        write_orientation(&job, orientation);
    while (job.to.next_scanline < height) {
        JSAMPROW row =
            (JSAMPROW)(pixels + (size_t)job.to.next_scanline * width * channels);
        jpeg_write_scanlines(&job.to, &row, 1);
    }
    jpeg_finish_compress(&job.to);
    return end(&job, true, out, out_size, err);
}

/* Did the scans send every bit? libjpeg smooths what of a progressive picture is not
 * there yet; of a baseline one it would not. */
static bool is_whole(const struct jpeg_decompress_struct *from)
{
    for (int c = 0; c < from->num_components; c++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (from->coef_bits && from->coef_bits[c][k] != 0)
                return false;
    return true;
}

int jpeg_to_baseline(const uint8_t *bytes, size_t size, uint8_t **out, size_t *out_size,
                     struct sluice_error *err)
{
    struct job job;
    begin(&job);
    if (setjmp(job.jump))
        return end(&job, false, out, out_size, err);
    jpeg_create_decompress(&job.from);
    jpeg_create_compress(&job.to);
    job.progress.progress_monitor = count_scans;
    job.from.progress = &job.progress;
    job.from.mem->max_memory_to_use = MEMORY_MAX;
    jpeg_mem_src(&job.from, bytes, (unsigned long)size);
    jpeg_save_markers(&job.from, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&job.from, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&job.from);
    if (!is_whole(&job.from))
        return end(&job, true, out, out_size, err);
    jpeg_mem_dest(&job.to, &job.out, &job.size);
    jpeg_copy_critical_parameters(&job.from, &job.to);
    /* Without it, inks would be read as what they are the opposite of. */
    job.to.write_Adobe_marker = job.from.saw_Adobe_marker;
    job.to.optimize_coding = TRUE;
    jpeg_write_coefficients(&job.to, coefficients);
    for (jpeg_saved_marker_ptr m = job.from.marker_list; m; m = m->next)
        jpeg_write_marker(&job.to, m->marker, m->data, m->data_length);
    jpeg_finish_compress(&job.to);
    jpeg_finish_decompress(&job.from);
    return end(&job, true, out, out_size, err);
}
