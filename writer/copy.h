/* copy.h -- all samples of one packed file into another, with progress; for programs.
 */
#ifndef SLUICE_COPY_H
#define SLUICE_COPY_H

#include "packed.h"
#include "progress.h"
#include "select.h"

/* Append the samples of `p` to `w`, in this order (NULL: in their own); *done counts
 * those of all calls. SLUICE_ESTOPPED after Ctrl-C. */
int copy_all(struct packed *p, struct sluice_writer *w, const struct candidate *order,
             struct progress *progress, uint64_t *done, struct sluice_error *err);

#endif
