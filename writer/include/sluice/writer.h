/* sluice/writer.h -- write a .sluice file, sample by sample, atomically.
 *
 *     struct sluice_writer *w;
 *     struct sluice_schema schema = { .fields = fields, .field_count = 2, ... };
 *     int rc = sluice_writer_begin(&w, "train.sluice", &schema, &err);
 *     while (rc >= 0 && more)
 *         rc = sluice_writer_append(w, (struct sluice_value[]){
 *                  { .data = pixels, .size = 3072 }, { .integer = label } }, &err);
 *     rc = rc < 0 ? rc : sluice_writer_finish(w, &err);
 *     sluice_writer_abandon(w);
 *
 * The file appears under its name at the end of finish: it is written to a temporary
 * file in the same folder, synced and renamed; until then an older file of that name
 * stays as it was. (If finish fails in its very last step, syncing the folder, the new
 * file is in place, but a crash may bring the older one back.) A file that is reopened
 * grows by the new samples alone, and shows them only once finish has synced them:
 * killed before, it is what it was.
 *
 * Errors:    a negative return is a SLUICE_E* code; afterwards only abandon is allowed.
 * Ownership: what is passed in is copied or written before the call returns.
 * Threads:   one writer, one thread at a time. */
#ifndef SLUICE_WRITER_H
#define SLUICE_WRITER_H

#include <sluice/error.h>
#include <sluice/format.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_writer;

/* Everything but the samples. Pointers are borrowed for the length of begin. */
struct sluice_schema {
    const struct sluice_field *fields;
    int field_count;
    /* Names of the classes of one integer scalar field, or NULL. */
    const char *const *classes; /* (class_count) */
    int class_count;
    const char *class_field; /* the field that they name: the first integer scalar */
    const char *provenance;  /* JSON text: where the data came from; NULL: {} */
    /* Payloads that are not JPEGs become zstd frames of this level, 1 to 22, where that
     * makes them smaller, each by itself; 0: none. Reading one then takes inflating it.
     */
    int zstd_level;
    const void *dictionary;  /* (dictionary_size) for all of them; NULL: none */
    size_t dictionary_size;  /* at most 1 MiB */
    bool without_statistics; /* no mean and deviation of the images */
};

/* Sums over pixels, for mean and deviation of each channel. Exact up to 2^48 pixels. */
struct sluice_pixel_sums {
    uint32_t channels; /* 1 to 4 */
    uint64_t pixels, sum[4], squares[4];
};

/* One sample's value of one field. What the schema says of an image's height, width and
 * channels holds for each; where it says all three, they may be 0 here. JPEGs go into
 * image fields of sizes that vary, or of files with zstd_level, and have 1 or 3
 * channels. */
struct sluice_value {
    const void *data; /* payload fields */
    size_t size;
    int64_t integer; /* integer scalars */
    double real;     /* float scalars */
    enum sluice_codec codec;
    uint32_t height, width, channels; /* IMAGE of varying size */
    /* IMAGE: over its pixels, where the caller knows them; borrowed for the call. NULL:
     * raw pixels are counted here, and a file with an encoded picture whose sums nobody
     * knows has no statistics. A caller that copies many samples may pass the sums of
     * all with one of them, and zeros with the others. */
    const struct sluice_pixel_sums *sums;
};

/* SLUICE_EINVAL for a schema that no file may have, and where `path` is there and is no
 * regular file. */
int sluice_writer_begin(struct sluice_writer **out, const char *path,
                        const struct sluice_schema *schema, struct sluice_error *err);
/* Go on behind the samples of an existing file, with its schema. One process at a time:
 * SLUICE_EIO if another one appends, SLUICE_ECORRUPT if a commit slot is damaged, whose
 * append would be lost for good. Abandoned, the file is what it was; so it is where
 * another one has taken its name by the end, and finish returns SLUICE_EIO. */
int sluice_writer_reopen(struct sluice_writer **out, const char *path,
                         struct sluice_error *err);
/* What is appended comes from `provenance` too, JSON text like the schema's: where the
 * file has it not yet, its provenance becomes an array that ends with it. */
int sluice_writer_add_provenance(struct sluice_writer *w, const char *provenance,
                                 struct sluice_error *err);
/* `values` has one entry per field, in the schema's order. */
int sluice_writer_append(struct sluice_writer *w, const struct sluice_value *values,
                         struct sluice_error *err);
/* Do what finish does, but for the name: afterwards the file is whole under its
 * temporary one, and finish has only to rename it. For several files that belong
 * together: prepare all, then finish all. Of a reopened file nothing is done before
 * finish. */
int sluice_writer_prepare(struct sluice_writer *w, struct sluice_error *err);
/* Write metadata (mean and deviation of each channel included), sync, rename.
 * The writer is still to be passed to abandon. */
int sluice_writer_finish(struct sluice_writer *w, struct sluice_error *err);
/* Free the writer; what was not finished leaves nothing behind. NULL is fine. */
void sluice_writer_abandon(struct sluice_writer *w);

#ifdef __cplusplus
}
#endif
#endif
