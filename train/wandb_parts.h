/* wandb_parts.h -- what opening a record of wandb.h and adding to it share. */
#ifndef SLUICE_WANDB_PARTS_H
#define SLUICE_WANDB_PARTS_H

#include "run_dir.h"
#include "wandb.h"
#include "wandb_log.h"
#include "wandb_put.h"

enum {
    TAG_MAX = 160,
    BEGINNING = 7, /* bytes, of wandb_log.h */
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
    struct wandb_last {
        char tag[TAG_MAX];
        double value;
        bool fresh; /* of the row that is being filled */
    } * last;
    int tags, tags_room;
    uint64_t step; /* of that row */
    bool row;
};

/* Append Record { 1 number; field { m } }, and free m. */
void wandb_record(struct wandb *w, unsigned field, struct proto *m);
/* A tag's last value, of the row that is being filled or not. */
void wandb_set(struct wandb *w, const char *tag, double value, bool fresh);
/* wandb_kept.c: how many of a file's bytes are records up to that step; their number,
 * step and values are the run's. 0: it is no such file. *damaged: see wandb_log_scan.
 */
uint64_t wandb_kept(struct wandb *w, const void *bytes, size_t size, uint64_t step,
                    bool *damaged);
/* Seconds since 1970. */
double wandb_now(void);

#endif
