/* stack_report.h -- how well bases, their mean and what is stacked on them do. */
#ifndef SLUICE_STACK_REPORT_H
#define SLUICE_STACK_REPORT_H

#include <stdio.h>

#include "evaluate.h"
#include "level_one.h"
#include "meta.h"

/* Accuracies, 0..1; NaN: not known. */
struct stack_row {
    char name[TRIAL_NAME + 16];
    double held; /* on the training images that nobody in it learnt from */
    double test[LEVEL_STRATEGIES];
};

struct stack_result {
    int rows; /* the bases, their mean, what is stacked */
    struct stack_row row[LEVEL_BASES + 2];
    struct evaluation test; /* of what is stacked, by the strategy asked for */
};

int stack_measure(struct stack_result *out, const struct level_one *l, struct meta *m,
                  enum level_strategy chosen, struct sluice_error *err);
void stack_result_free(struct stack_result *r); /* a zeroed one is fine */

/* A table for people, */
void stack_print(FILE *to, const struct stack_result *r, const struct level_one *l);
/* and JSON. */
void stack_write_json(FILE *to, const struct stack_result *r, const struct level_one *l,
                      const struct meta *m, int epochs);

#endif
