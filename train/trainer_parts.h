/* trainer_parts.h -- the state of a run, shared by the trainer's own files:
 * trainer_open.c makes it, trainer_place.c its folder, trainer.c moves it from batch to
 * batch, trainer_finish.c from epoch to epoch, trainer_record.c writes about it. */
#ifndef SLUICE_TRAINER_PARTS_H
#define SLUICE_TRAINER_PARTS_H

#include "checkpoint.h"
#include "clock.h"
#include "cuda/ahead.h"
#include "evaluate.h"
#include "feed.h"
#include "machine_load.h"
#include "models/model.h"
#include "ops/distill.h"
#include "pretrained.h"
#include "profile.h"
#include "ranks.h"
#include "steering.h"
#include "teacher.h"
#include "tfevents.h"
#include "trainer.h"
#include "wandb.h"

/* Sums over the present epoch. They are part of a checkpoint, so that an epoch that
 * was interrupted still reports on all of its images. */
struct epoch_sums {
    double loss, correct;
    double hard, soft; /* losses by labels and by a teacher */
    uint64_t images;
    double seconds, wait;
    struct {
        double loss, correct;
    } head[PASS_HEADS]; /* of each of the network's losses */
};

struct trainer {
    struct config *cfg;
    const struct trainer_watch *watch;
    struct run_dir run;
    char crc[16]; /* of the configuration */

    struct ranks *ranks; /* NULL: one process alone. Only rank 0 writes anything */
    struct device *dev;
    const struct model_def *model;
    struct pretrained_report pretrained; /* copied 0: begins with none but its own */
    struct net *net;
    struct optim *opt;
    struct ahead *ahead; /* NULL: each step is done when its call returns */
    bool resident;       /* the training set is in the device's memory */
    struct schedule_config schedule;
    struct data_info train_info, test_info, final_info;
    struct feed train;
    struct feed test;  /* measured on while training: data.validation, else data.test;
                          test.loader NULL: no such set */
    struct feed final; /* data.test where there is a validation set, for the end */
    bool validated;    /* test is a validation set */
    int classes;
    struct sluice_mix
        *mixes; /* (batch_size), of the present step; NULL: nothing mixes */

    struct profile profile; /* .times NULL: not wanted */

    FILE *log;
    struct table *epochs, *steps; /* steps NULL: not wanted */
    struct tfevents *events;
    struct wandb *wandb; /* NULL: not wanted */

    struct teacher teacher; /* logits NULL: labels alone */
    struct distill distill; /* of the present step */
    struct table *distilled;
    struct table *gradients; /* NULL: not wanted */

    uint64_t steps_per_epoch, total_steps;
    int total_epochs;

    struct checkpoint_meta at; /* where the run stands */
    struct plateau plateau;    /* of schedule plateau */
    struct stop stop;
    struct epoch_sums sums;
    struct epoch_row last;        /* the epoch finished last */
    struct evaluation evaluation; /* the latest */
    uint64_t evaluated_step;      /* the step that it belongs to; UINT64_MAX: none */
    double total_seconds;         /* of training, in all epochs */
    double saved_at;              /* clock, of the last checkpoint */
    double began;                 /* clock, before anything was opened */
    struct machine_load load;     /* then */
    int damage_told;              /* damaged samples named so far */
    int slow_told;                /* directions without cuDNN told of so far */
};

double trainer_resident_mib(void); /* of this process, now; NaN: not known */
/* To log.txt and to the watcher. */
__attribute__((format(printf, 2, 3))) void trainer_say(struct trainer *t,
                                                       const char *format, ...);

int trainer_flush_log(struct trainer *t, struct sluice_error *err);

/* Files opened and checked; loaders on them, when the device is known. */
int trainer_open_data(struct trainer *t, struct sluice_error *err);
/* A part of no file? Asked when a run begins: one that goes on keeps its record. */
int trainer_check_test_range(const struct trainer *t, struct sluice_error *err);
/* Both are all samples of one file. */
bool trainer_same_images(const struct data_info *train, const struct data_info *other);
int trainer_open_feeds(struct trainer *t, struct sluice_error *err);
/* What is measured must be what the network was built for. */
int trainer_check_view(const struct trainer *t, const struct feed *feed,
                       struct sluice_error *err);
/* Everything up to the first step. `folder` NULL: a new run. */
int trainer_open(struct trainer *t, const char *folder, struct sluice_error *err);
/* Data, device, network and optimizer alone: no folder, no weights. */
int trainer_open_parts(struct trainer *t, struct sluice_error *err);
/* Those that a new run begins with. */
int trainer_init_weights(struct trainer *t, struct sluice_error *err);
void trainer_close(struct trainer *t);

/* The run's folder, in trainer_place.c: that of a new run, with its record, and first
 * weights; or `folder`, with the weights of its checkpoint. Whatever can be refused is
 * refused before a folder is made. */
int trainer_place(struct trainer *t, const char *folder, struct sluice_error *err);
/* Then the log and the tables that grow, on rank 0. */
int trainer_open_records(struct trainer *t, struct sluice_error *err);

/* What was opened, in words, to log and watcher; in trainer_plan.c. */
void trainer_describe(struct trainer *t);
/* What a GPU's library turned out not to do, if more than was told. */
void trainer_say_slow(struct trainer *t);

/* trainer.c's own, for the other files too. */
/* Of draws that images of one step have in common with none: each rank has its own. */
uint64_t trainer_rank_seed(const struct trainer *t);
/* What rank 0's network has there. */
int trainer_spread(struct trainer *t, struct tensor *tensor, struct sluice_error *err);
bool trainer_stopped(const struct trainer *t);
bool trainer_epoch_done(const struct trainer *t);
bool trainer_time_to_save(const struct trainer *t);
int trainer_save_last(struct trainer *t, struct sluice_error *err);
int trainer_stop_here(struct trainer *t, struct sluice_error *err);
/* Refuse what tells that training diverged: a loss that is no number, or a test's
 * outputs, which all ranks find at once. */
int trainer_check_loss(const struct trainer *t, double loss, double lr,
                       struct sluice_error *err);
int trainer_check_test(const struct trainer *t, const struct data_info *info,
                       struct sluice_error *err);
/* Account for one finished step and move on to the next batch. */
int trainer_advance(struct trainer *t, const struct pass *pass, int images, double wait,
                    double seconds, struct schedule_value now,
                    struct sluice_error *err);

/* Behind the last batch of an epoch: test, record, save, move on to the next one. */
int trainer_finish_epoch(struct trainer *t, struct sluice_error *err);
/* Behind the last epoch: measure what is not measured yet; rank 0 writes what the run
 * came to. */
int trainer_finish_run(struct trainer *t, struct trainer_result *result,
                       struct sluice_error *err);

/* Steps ahead of their results, where the device has memory of its own. */
int trainer_open_ahead(struct trainer *t, struct sluice_error *err);
int trainer_train_ahead(struct trainer *t, struct sluice_error *err);

/* Learning from a teacher, in trainer_distill.c; without one they do nothing. Before
 * the run's folder is made, and once it is there: */
int trainer_distill_begin(struct trainer *t, bool new_run, struct sluice_error *err);
/* Would the teacher run, as far as its own file tells? */
int trainer_distill_try(struct trainer *t, struct sluice_error *err);
int trainer_distill_keep(struct trainer *t, struct sluice_error *err);
/* Into the pass: the teacher's logits of these images, and what they count. */
int trainer_distill_step(struct trainer *t, const struct sluice_batch *b,
                         struct pass *pass, struct sluice_error *err);
void trainer_distill_count(struct trainer *t, int images);
int trainer_distill_record(struct trainer *t, struct sluice_error *err);
void trainer_distill_close(struct trainer *t);

/* gradients.csv, in trainer_gradients.c: whether it can be; and, when a step's
 * gradients are there, its rows, if it is time. */
int trainer_gradients_check(const struct trainer *t, struct sluice_error *err);
int trainer_gradients_record(struct trainer *t, struct sluice_error *err);

int trainer_save(struct trainer *t, const char *name, struct sluice_error *err);
void trainer_load_extra(struct trainer *t);

/* Is there a set to decide by? After the data are opened. */
int trainer_check_steering(const struct trainer *t, struct sluice_error *err);
/* Before the first epoch, from a checkpoint's extra or anew. */
void trainer_begin_steering(struct trainer *t);
/* The latest test's consequences: the rate from now on, whether the run is over. */
void trainer_steer(struct trainer *t);
bool trainer_is_over(const struct trainer *t);
/* ",..." for a checkpoint's extra; the buffer's text is returned. */
const char *trainer_steering_text(char buf[512], const struct trainer *t);
/* "epochs", "steps", "patience" or "target". */
const char *trainer_ended_by(const struct trainer *t);
/* Of the last row, unless it is not finite: for TensorBoard, and W&B where it is on. */
void trainer_event(struct trainer *t, const char *tag, double value);

enum {
    TRAINER_HEADS_TEXT = 80 * PASS_HEADS,
};

/* Each of the network's losses: added up, one step's images more; */
void trainer_heads_add(struct trainer *t, const struct pass *pass, int images);
/* summed over all ranks, of so many images each, from there on all together; */
void trainer_heads_join(struct trainer *t, struct pass *pass, int *images);
/* in t->last, as trained and as tested; */
void trainer_heads_row(struct trainer *t);
void trainer_heads_tested(struct trainer *t);
/* in a checkpoint, as JSON behind a comma, and from there; */
const char *trainer_heads_save(char buf[TRAINER_HEADS_TEXT], const struct trainer *t);
void trainer_heads_load(struct trainer *t);
/* as events and in the log; and of the final test, in summary.json. */
void trainer_heads_record(struct trainer *t);
void trainer_heads_summary(FILE *to, const struct trainer *t);

int trainer_record_step(struct trainer *t, double loss, double accuracy,
                        struct schedule_value now, struct sluice_error *err);
int trainer_record_epoch(struct trainer *t, struct sluice_error *err);
int trainer_record_end(struct trainer *t, struct trainer_result *result,
                       struct sluice_error *err);

#endif
