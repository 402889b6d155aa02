/* search_setup.h -- from a command line to a study. */
#ifndef SLUICE_SEARCH_SETUP_H
#define SLUICE_SEARCH_SETUP_H

#include "config.h"
#include "study.h"

/* Take search_space=, experiments= and keys that vary out of the list; the others
 * become the study's arguments. What is fixed on the command line varies no more. The
 * options of `s` are there; its kind is set. */
int search_setup(struct study *s, const char *const *list, int count,
                 struct sluice_error *err);
/* What all trials have in common must be a recipe that could be trained; `cfg` and the
 * study's checksum of it are set. */
int search_check(struct study *s, struct config *cfg, struct sluice_error *err);
/* The recipe of a study that goes on must still be the one that it began with. */
int search_check_same(struct study *s, struct sluice_error *err);

#endif
