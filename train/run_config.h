/* run_config.h -- where a configuration comes from: a recipe, or an earlier run. */
#ifndef SLUICE_RUN_CONFIG_H
#define SLUICE_RUN_CONFIG_H

#include "config.h"

/* recipe=NAME, groups and overrides, as in recipe.h. */
int config_from_recipe(struct config *cfg, const char *const *args, int count,
                       struct sluice_error *err);
/* A run's config.yaml with overrides. If `free_alone`, only of options that may change
 * when a run is continued. */
int config_from_run(struct config *cfg, const char *folder, const char *const *args,
                    int count, bool free_alone, struct sluice_error *err);
/* The YAML of a checkpoint, with overrides of any option; `name` is for messages. */
int config_from_text(struct config *cfg, const char *name, const char *yaml,
                     const char *const *args, int count, struct sluice_error *err);

#endif
