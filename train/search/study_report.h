/* study_report.h -- what a study has found: files for machines, a table for people. */
#ifndef SLUICE_STUDY_REPORT_H
#define SLUICE_STUDY_REPORT_H

#include <stdio.h>

#include "study.h"

/* In the study's folder: search_results.yaml, and, of a space with a complete trial,
 * best_training.yaml: optimizer, schedule and training of the best one and the values
 * found, for training=FILE. */
int study_write_results(const struct study *s, struct sluice_error *err);
/* "0.05 sgd": the values, or the name; at most `size` bytes. */
const char *trial_text(char *buf, size_t size, const struct study *s,
                       const struct trial *t);
void study_print(FILE *to, const struct study *s);

#endif
