/* config_parts.h -- what the files of config.h share: config_keys.c (the table),
 * config.c (text into values), config_model.c (options of models), config_text.c
 * (records and help), config_json.c. */
#ifndef SLUICE_CONFIG_PARTS_H
#define SLUICE_CONFIG_PARTS_H

#include "config.h"

/* Tables of options, whatever struct `values` they describe: the option of that name,
 * or NULL; all defaults; one setting, refused by one line where it is no value; a value
 * as YAML, with the end of its line; what --help says. */
const struct config_option *config_find(const struct config_option *options,
                                        const char *name);
int config_set_defaults(void *values, const struct config_option *options,
                        struct sluice_error *err);
int config_set(void *values, const struct config_option *o, const struct setting *s,
               struct sluice_error *err);
void config_write_value(FILE *to, const struct config_option *o, const void *values);
void config_help_options(FILE *to, const struct config_option *options);

/* false: the text is none. */
bool config_parse_real(const char *text, double *out);
bool config_parse_bool(const char *text, bool *out);
bool config_parse_text(const char *text, char *out, size_t size);
/* A path (CONFIG_TEXT bytes) as a full one, so that a record stands wherever it is read
 * from; as typed, if the full one is no text that the record could hold. */
void config_full_path(char *path);
/* Text that a YAML file holds as it stands: UTF-8 without control characters, line
 * breaks of any kind, byte order marks, and what is no character. */
bool config_plain_text(const char *text);
/* A text as YAML, in quotes unless every reader takes the plain one for the same. */
void config_write_text(FILE *to, const char *text);
/* What YAML and JSON write alike: numbers, and true and false. The value stands at
 * `slot`; false: of another kind, nothing is written. */
bool config_write_plain(FILE *to, enum config_kind kind, const void *slot);

/* The left column of --help, `left` wide behind its indent: "name=choice|choice", or
 * the name alone (choices NULL). What is wider has a line of its own. */
void config_help_left(FILE *to, int indent, int left, const char *name,
                      const char *choices);

/* "model.<option>"; 1: the model has no such option, or the key is another. */
int config_model_set(struct config *cfg, const struct model_def *model,
                     const struct setting *s, struct sluice_error *err);
/* `summed`: without later options at their first values. */
void config_model_write(FILE *to, const struct config *cfg, bool summed);
/* Each with a comma before it. */
void config_model_write_json(FILE *to, const struct config *cfg);
void config_model_help(FILE *to, const struct model_def *model);

#endif
