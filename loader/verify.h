/* verify.h -- is a file good to its last bit? What opening does not check: the
 * payloads' checksums, that every JPEG decodes to the size promised, that padding is
 * zero, that the commit slot that does not count is whole, and that the provenance is
 * JSON. */
#ifndef SLUICE_VERIFY_H
#define SLUICE_VERIFY_H

#include "file.h"

/* Who is told. */
struct verify_listener {
    /* One line for each finding: which sample, expected, found. */
    void (*bad)(void *ctx, const char *line);
    /* Called now and then; false stops with SLUICE_ESTOPPED. NULL is fine. */
    bool (*progress)(void *ctx, uint64_t samples_done);
    void *ctx;
};

/* Findings, or an error. */
int64_t sluice_verify(const struct sluice_file *f, const struct verify_listener *to,
                      struct sluice_error *err);

#endif
