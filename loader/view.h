/* view.h -- the samples in use and what an epoch makes of them: options subset, folds
 * and weights into ld->subset, ld->in_use, ld->draws and ld->count. */
#ifndef SLUICE_LOADER_VIEW_H
#define SLUICE_LOADER_VIEW_H

#include <sluice/error.h>

struct sluice_loader;

/* In this order: the list, the fold of it, the weights on that. What is borrowed in
 * ld->opt is copied and no longer pointed at. */
int sluice_view_create(struct sluice_loader *ld, struct sluice_error *err);
void sluice_view_free(struct sluice_loader *ld);

#endif
