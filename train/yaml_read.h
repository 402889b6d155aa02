/* yaml_read.h -- a YAML document as settings: the subset that recipes need.
 *
 * Mappings nest and become dotted keys; scalars are values; sequences are lists of
 * scalars or of one-key mappings, whose text form is that of augmentation pipelines:
 *
 *     augment:
 *       - flip
 *       - translate: {pad: 2, fill: [125, 122, 113]}
 *
 * is "flip,translate:pad=2:fill=125/122/113", and `- dataset: cifar10` is
 * "dataset=cifar10". Everything else of YAML is refused by name: anchors, aliases,
 * tags, several documents, a key written twice. Depth, size and number of settings
 * are bounded, so hostile text costs little. */
#ifndef SLUICE_YAML_READ_H
#define SLUICE_YAML_READ_H

#include "settings.h"

enum {
    YAML_DEPTH_MAX = 8,
    YAML_SIZE_MAX = 256 * 1024, /* bytes of one document */
};

/* The mapping in `text`; `name` is for messages. */
int yaml_read(struct settings *s, const char *name, const char *text, size_t size,
              struct sluice_error *err);
/* One value of any shape, as if it stood behind `key`: an override. */
int yaml_read_value(struct settings *s, const char *where, const char *key,
                    const char *text, struct sluice_error *err);
int yaml_read_file(struct settings *s, const char *path, struct sluice_error *err);
/* The same of named groups of keys, which may be empty: `plain: {}` becomes `plain`
 * with an empty value, as `plain:` does. */
int yaml_read_names(struct settings *s, const char *path, struct sluice_error *err);

#endif
