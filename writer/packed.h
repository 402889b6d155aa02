/* packed.h -- an existing .sluice file as a source of samples, for programs that make
 * another one of them: payloads go over as they are stored, and are checked on the way.
 */
#ifndef SLUICE_PACKED_H
#define SLUICE_PACKED_H

#include <sluice/writer.h>

struct packed {
    const char *path;
    int fd;
    struct sluice_dataset *dataset;
    uint8_t *bytes[SLUICE_FIELDS_MAX]; /* of the sample read last */
    size_t room[SLUICE_FIELDS_MAX];
    struct sluice_inflater *inflater;
    uint8_t *frame; /* before it is inflated */
    size_t frame_room;
};

/* On failure nothing is left open. `path` is borrowed. */
int packed_open(struct packed *p, const char *path, struct sluice_error *err);
/* The same of a descriptor, which is then p's, and closed on failure too. A negative
 * one fails with errno. */
int packed_open_fd(struct packed *p, const char *path, int fd,
                   struct sluice_error *err);
void packed_close(struct packed *p); /* a zeroed one is fine */

/* One value for each field, zstd frames inflated; good until the next call. Damage is
 * named. */
int packed_read(struct packed *p, uint64_t sample, struct sluice_value *values,
                struct sluice_error *err);

/* Sums over the pixels of all samples; false: the file has no statistics. */
bool packed_sums(const struct sluice_dataset *ds, struct sluice_pixel_sums *out);

/* What `p` holds, as a schema: its arrays are to be freed by packed_schema_free, its
 * strings belong to `p`. */
int packed_schema(const struct packed *p, struct sluice_schema *out,
                  struct sluice_error *err);
void packed_schema_free(struct sluice_schema *s);
/* Begin a file with the fields, class names and provenance of `p`. */
int packed_begin(struct sluice_writer **out, const char *path, const struct packed *p,
                 struct sluice_error *err);
/* SLUICE_EINVAL unless both have the same fields and class names. */
int packed_match(const struct packed *a, const struct packed *b,
                 struct sluice_error *err);

#endif
