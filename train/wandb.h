/* wandb.h -- a run as Weights & Biases' program would have recorded it without a
 * network: <folder>/wandb/offline-run-<date>_<time>-<id>/run-<id>.wandb, which
 * `wandb sync` of that folder uploads. Beside it files/config.yaml and
 * files/wandb-summary.json.
 *
 * The file (wandb_log.h) holds protocol buffers, one `Record` each: 21 header, 17 run
 * (with the configuration), a 2 history and a 3 summary for each step that has values,
 * 18 exit. Values are JSON texts. */
#ifndef SLUICE_WANDB_H
#define SLUICE_WANDB_H

#include <stdint.h>

#include <sluice/error.h>

struct wandb;

struct wandb_about {
    const char *project, *name, *notes;
    const char *tags;   /* joined by commas */
    const char *config; /* a JSON object */
};

/* The file in `folder`, cut behind the last record whose step is at most `step`: what
 * came after happens again. A new one if none is there, or its beginning is not whole.
 * A record torn at its end is cut too; a damaged one with whole ones behind it is
 * SLUICE_ECORRUPT. */
int wandb_open(struct wandb **out, const char *folder, const struct wandb_about *about,
               uint64_t step, struct sluice_error *err);
/* Values of one step become one row; steps never decrease. Numbers that are not finite
 * are left out. Write errors are kept and reported by wandb_flush. */
void wandb_value(struct wandb *w, const char *tag, uint64_t step, double value);
/* What is known at the end, of no step. */
void wandb_summary(struct wandb *w, const char *tag, double value);
int wandb_flush(struct wandb *w, struct sluice_error *err);
int wandb_sync(struct wandb *w, struct sluice_error *err); /* and onto the disk */
/* The run is complete: exit status 0, the summary's file. */
int wandb_finish(struct wandb *w, struct sluice_error *err);
void wandb_close(struct wandb *w); /* NULL is fine */

#endif
