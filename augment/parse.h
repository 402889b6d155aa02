/* parse.h -- between a pipeline's text and its chain. */
#ifndef SLUICE_AUGMENT_PARSE_H
#define SLUICE_AUGMENT_PARSE_H

#include "op.h"

/* Add the pipeline's steps to *c, whose shape and type are set. */
int sluice_chain_parse(struct chain *c, const char *pipeline,
                       const struct sluice_augment_options *opt,
                       struct sluice_error *err);
/* The text that gives the same chain again. */
void sluice_chain_describe(const struct chain *c, bool normalized, char *out,
                           size_t room);

#endif
