/* recipe.h -- recipe files, groups and command-line overrides become settings.
 *
 *     recipe=resnet9_ffcv dataset=cifar100 training.epochs=10 data.augment=[flip]
 *
 * A recipe is a YAML file. Its `defaults:` list names files to read before it: an item
 * `- dataset: cifar10` is dataset/cifar10.yaml, an item `- quickstart` another recipe,
 * `- _self_` the place of the file itself (the end, unless said). A group named on the
 * command line replaces the choice in the list; dataset=FILE.yaml (or
 * with a '/') is laid over the recipe and what it names. Later settings win.
 *
 * A name is looked up as a file first, then in $SLUICE_RECIPES, beside the program
 * (../share/sluice/recipes), and in the source tree that the program was built from. */
#ifndef SLUICE_RECIPE_H
#define SLUICE_RECIPE_H

#include <stdio.h>

#include "settings.h"

/* `args` are "key=value"; `name` becomes the recipe's, without folder and suffix. */
int recipe_load(struct settings *out, char name[64], const char *const *args, int count,
                struct sluice_error *err);
/* Change settings that are already there, by "key=value" alone. */
int recipe_override(struct settings *s, const char *arg, struct sluice_error *err);
/* The file of a group's choice: its name, or a path with a '/' or ".yaml" at its end.
 * `path` has PATH_MAX bytes; `where` named it, for the message. */
int recipe_find_choice(char *path, const char *where, const char *group,
                       const char *choice, struct sluice_error *err);
/* Every recipe that a name would find, with its first comment line, and the groups. */
void recipe_list(FILE *to);

#endif
