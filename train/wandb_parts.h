/* wandb_parts.h -- what opening a record of wandb.h and adding to it share. */
#ifndef SLUICE_WANDB_PARTS_H
#define SLUICE_WANDB_PARTS_H

#include "run_dir.h"
#include "wandb.h"
#include "wandb_log.h"
#include "wandb_put.h"

enum {
    TAGS_MAX = 128, /* different ones */
    TAG_MAX = 100,
    /* Numbers of Record's fields. */
    HISTORY = 2,
    SUMMARY = 3,
    RUN = 17,
    EXIT = 18,
    HEADER = 21,
};

struct wandb {
    FILE *file;
    char folder[RUN_PATH]; /* offline-run-... */
    char path[RUN_PATH];
    char id[9];
    uint64_t offset, number; /* the file's end; of the last record */
    double start;            /* of the run, seconds since 1970 */
    struct {
        char tag[TAG_MAX];
        double value;
        bool fresh; /* of the row that is being filled */
    } last[TAGS_MAX];
    int tags;
    uint64_t step; /* of that row */
    bool row;
};

/* Append Record { 1 number; field { m } }, and free m. */
void wandb_record(struct wandb *w, unsigned field, struct proto *m);
/* Seconds since 1970. */
double wandb_now(void);

#endif
