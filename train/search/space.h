/* space.h -- which keys a search varies, and within what.
 *
 *     optimizer:
 *       name: sgd                              # the same in every trial
 *       lr: {log: [0.01, 1.0]}                 # even in its logarithm
 *       momentum: {uniform: [0.85, 0.95]}
 *     training.batch_size: {choice: [128, 256, 512]}
 *     model.layers: {int: [1, 8]}              # whole numbers; log_int: few more often
 *     model.hidden: {choice: "[512]|[512, 256]"}   # choices that are lists
 *
 * A third number is how many points a grid takes: {log: [0.1, 10, 5]}. On a command
 * line the same: 'model.alpha={choice: [0.1, 1, 10]}'. */
#ifndef SLUICE_SPACE_H
#define SLUICE_SPACE_H

#include <stdio.h>

#include "settings.h"
#include "tpe.h"

enum { PARAM_TEXT = 512 };

struct param {
    char *key, *where; /* where it was written, for messages */
    struct tpe_domain domain;
    int points;   /* of a grid; 0: not said */
    char *all;    /* TPE_CHOICE: the texts, one behind the other, each with its 0 */
    char **texts; /* (domain.high + 1), into `all` */
};

struct space {
    struct param *at;
    int count;
    struct settings fixed;
};

/* Every setting as a dimension, in the place of the one with its key, or as a fixed
 * one. Refused: bounds that are none, keys that do not exist, values that they do not
 * take. */
int space_add(struct space *s, const struct settings *from, struct sluice_error *err);
/* Drop what this key would vary or fix. */
void space_remove(struct space *s, const char *key);
void space_free(struct space *s); /* a zeroed one is fine */
/* One line in YAML for each dimension and each fixed key: space_add reads it again. */
void space_write(FILE *to, const struct space *s);

/* `key` without its last part if that says a dimension: "log", "choice" ...; 0: not. */
size_t space_key_length(const char *key);

/* A value as a recipe has it: "0.05", "onecycle". */
const char *param_text(char buf[PARAM_TEXT], const struct param *p, double value);
/* The value that param_text wrote so. NaN: none. */
double param_value(const struct param *p, const char *text);

/* Trials of a grid: all points of all dimensions; the last one changes fastest.
 * Refused: a dimension without a number of points, more than a million trials. */
int space_grid_size(int *trials, const struct space *s, struct sluice_error *err);
void space_grid_point(double *out, const struct space *s, int trial);

#endif
