/* recipe_find.h -- files of recipes and groups by their names: see recipe.h. */
#ifndef SLUICE_RECIPE_FIND_H
#define SLUICE_RECIPE_FIND_H

#include <limits.h>
#include <stdbool.h>

#include <sluice/error.h>

/* Is it written as a path: with a '/' or ".yaml" at its end? */
bool recipe_is_path(const char *choice);
bool recipe_is_file(const char *path);
/* path = the file of the recipe "name", or of the choice "group/name"; false: none. */
bool recipe_find(const char *name, char path[PATH_MAX]);
/* Is there a folder of that group's choices? */
bool recipe_has_group(const char *group);
/* SLUICE_EINVAL, with what there is in the folder `sub`. `where` named it; `what` is
 * "recipe" or the group. */
int recipe_not_found(const char *where, const char *what, const char *name,
                     const char *sub, struct sluice_error *err);

#endif
