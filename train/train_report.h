/* train_report.h -- what a person sees of a run: one line an epoch on standard output,
 * messages and the bar on standard error. */
#ifndef SLUICE_TRAIN_REPORT_H
#define SLUICE_TRAIN_REPORT_H

#include "trainer.h"

struct train_report {
    bool quiet;    /* no messages, no bar */
    bool terminal; /* the bar is redrawn in place */
    int columns;
    double shown; /* clock */
};

void report_begin(struct train_report *r, bool quiet);
/* Its ctx is the report; `stopped` is cli_interrupted. */
struct trainer_watch report_watch(struct train_report *r);

#endif
