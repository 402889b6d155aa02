/* trainer_heads.c -- what a run keeps and writes about a network with several losses:
 * each one's loss and accuracy, in training and on the set that is watched. With one
 * loss all of it does nothing. */
#include <math.h>

#include "trainer_parts.h"

void trainer_heads_add(struct trainer *t, const struct pass *pass, int images)
{
    for (int i = 0; i < net_heads(t->net); i++) {
        t->sums.head[i].loss += pass->head[i].loss * images;
        t->sums.head[i].correct += pass->head[i].correct;
    }
}

void trainer_heads_join(struct trainer *t, struct pass *pass, int *images)
{
    double sums[2 * PASS_HEADS + 1];
    const int heads = net_heads(t->net);
    for (int i = 0; i < heads; i++) {
        sums[2 * i] = pass->head[i].loss * *images;
        sums[2 * i + 1] = pass->head[i].correct;
    }
    sums[2 * heads] = *images;
    ranks_sum(t->ranks, sums, 2 * heads + 1);
    for (int i = 0; i < heads; i++) {
        pass->head[i].loss = sums[2 * i] / sums[2 * heads];
        pass->head[i].correct = sums[2 * i + 1];
    }
    pass_sum(pass);
    *images = (int)sums[2 * heads];
}

void trainer_heads_row(struct trainer *t)
{
    const double images = (double)t->sums.images;
    t->last.heads = net_heads(t->net);
    for (int i = 0; i < t->last.heads; i++)
        t->last.head[i] = (struct head_row){
            .loss = t->sums.head[i].loss / images,
            .accuracy = t->sums.head[i].correct / images,
            .test_loss = (double)NAN,
            .test_accuracy = (double)NAN,
        };
}

void trainer_heads_tested(struct trainer *t)
{
    for (int i = 0; i < t->last.heads; i++) {
        t->last.head[i].test_loss = t->evaluation.head[i].loss;
        t->last.head[i].test_accuracy = t->evaluation.head[i].accuracy;
    }
}

const char *trainer_heads_save(char buf[TRAINER_HEADS_TEXT], const struct trainer *t)
{
    const int heads = net_heads(t->net);
    int at = 0;
    *buf = 0;
    for (int i = 0; i < heads && heads > 1; i++)
        at += snprintf(buf + at, (size_t)(TRAINER_HEADS_TEXT - at),
                       ",\"loss_%d\":%.17g,\"correct_%d\":%.17g", i,
                       t->sums.head[i].loss, i, t->sums.head[i].correct);
    return buf;
}

void trainer_heads_load(struct trainer *t)
{
    char key[32];
    for (int i = 0; i < net_heads(t->net); i++) {
        snprintf(key, sizeof(key), "loss_%d", i);
        t->sums.head[i].loss = extra_number(&t->at, key, 0);
        snprintf(key, sizeof(key), "correct_%d", i);
        t->sums.head[i].correct = extra_number(&t->at, key, 0);
    }
}

void trainer_heads_record(struct trainer *t)
{
    struct head_number all[HEAD_NUMBERS];
    const struct epoch_row *r = &t->last;
    const int count = metrics_head_numbers(all, r);
    char line[1024], tag[64];
    for (int i = 0; i < count; i++) {
        const char *set = r->validated ? "validation" : "test";
        snprintf(tag, sizeof(tag), "%s/%.23s", all[i].test ? set : "train",
                 all[i].name);
        trainer_event(t, tag, all[i].value);
    }
    if (count)
        trainer_say(t, "%s", epoch_heads_line(line, r));
}

static void put_list(FILE *to, const char *key, const struct evaluation *e, bool loss)
{
    fprintf(to, "  \"%s\": [", key);
    for (int i = 0; i < e->heads; i++)
        fprintf(to, "%s%.9g", i ? ", " : "",
                loss ? e->head[i].loss : e->head[i].accuracy);
    fputs("],\n", to);
}

void trainer_heads_summary(FILE *to, const struct trainer *t)
{
    const struct evaluation *e = &t->evaluation;
    if (e->heads < 2 || !isfinite(e->loss))
        return;
    put_list(to, "head_losses", e, true);
    put_list(to, "head_accuracies", e, false);
}
