/* gpu_host_lanes.c -- what is enqueued and when it is done: lanes, their signals, marks
 * and stamps, and graphs of tasks. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "gpu_host.h"

struct gpu_graph {
    struct tasks tasks;
    int number; /* from 1 on */
};

static struct lanes *lanes(const struct gpu *gpu)
{
    return &host(gpu)->lanes;
}

static void append(struct tasks *list, const struct task *task)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->at = realloc(list->at, (size_t)list->room * sizeof *list->at);
        if (!list->at)
            abort();
    }
    list->at[list->count++] = *task;
}

/* Done by all processes together, if none of them is gone. For a stream stands the
 * graph. */
static void sum(struct lanes *l, const struct task *t)
{
    void *stream = (void *)(uintptr_t)t->graph;
    l->stuck = nccl_sum(l->nccl, &t->sum, stream, &l->broken) < 0 ||
               nccl_check(l->nccl, &l->broken) < 0;
}

static void perform(struct lanes *l, const struct task *t)
{
    struct timespec now;
    gpu_host_count.work += t->what <= SUM;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (t->what == MARK)
        l->passed[t->mark] = true;
    else if (t->what == STAMP)
        l->stamp[t->mark] = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    else if (t->what == SIGNAL)
        l->given[t->mark]++;
    else if (t->what == SUM)
        sum(l, t);
    else if (t->what != FOLLOW)
        task_run(t);
}

/* What this lane does next; NULL: nothing, or it waits for the other. */
static struct task *runnable(struct lanes *l, int lane)
{
    const struct queue *q = &l->lane[lane];
    struct task *t = q->done < q->tasks.count ? &q->tasks.at[q->done] : NULL;
    return t && t->what == FOLLOW && l->given[t->mark] < t->awaited ? NULL : t;
}

void lanes_drain(struct gpu *gpu, int mark)
{
    struct lanes *l = lanes(gpu);
    const int first = l->turn++ % GPU_LANES;
    struct task *t = NULL;
    if (l->lane[0].tasks.count + l->lane[1].tasks.count == 0)
        return;
    memory_permit(&host(gpu)->memory, true);
    while (!l->stuck && (mark < 0 || !l->passed[mark])) {
        const int lane = (t = runnable(l, first)) ? first : !first;
        if (!t && !(t = runnable(l, lane)))
            break;
        const struct task *other = runnable(l, !lane);
        gpu_host_count.beside += t->what == AUGMENT && other && other->when < t->when;
        l->lane[lane].done++;
        perform(l, t);
    }
    memory_permit(&host(gpu)->memory, false);
    for (int i = 0; i < GPU_LANES; i++)
        if (l->lane[i].done == l->lane[i].tasks.count)
            l->lane[i].done = l->lane[i].tasks.count = 0;
        else if (mark < 0 && !l->stuck)
            abort(); /* each lane waits for the other */
}

int lanes_enqueue(struct gpu *gpu, const struct task *task)
{
    struct lanes *l = lanes(gpu);
    if (!pthread_equal(pthread_self(), l->user))
        abort(); /* CUDA would take it for another GPU's */
    struct tasks *to = l->recording ? l->recording : &l->lane[gpu->lane].tasks;
    append(to, task);
    to->at[to->count - 1].when = l->enqueued++;
    if (!l->recording && l->at_once)
        lanes_drain(gpu, -1);
    return 0;
}

void lanes_close(struct lanes *l)
{
    for (int i = 0; i < GPU_LANES; i++)
        free(l->lane[i].tasks.at);
}

int lanes_free_for(struct gpu *gpu, const char *what, struct sluice_error *err)
{
    return lanes(gpu)->recording
               ? sluice_fail(err, SLUICE_EDEVICE, "%s while a graph is recorded", what)
               : 0;
}

int lanes_stuck(struct gpu *gpu, struct sluice_error *err)
{
    const struct lanes *l = lanes(gpu);
    return l->stuck ? sluice_fail(err, l->broken.code, "%s", l->broken.message) : 0;
}

int lanes_wait(struct gpu *gpu, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "waiting", err);
    gpu_host_count.waits++;
    if (rc == 0)
        lanes_drain(gpu, -1);
    return rc < 0 ? rc : lanes_stuck(gpu, err);
}

int lanes_signal(struct gpu *gpu, int signal, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "a signal", err);
    if (rc < 0)
        return rc;
    lanes(gpu)->signalled[signal]++;
    return lanes_enqueue(gpu, &(struct task){ .what = SIGNAL, .mark = signal });
}

int lanes_follow(struct gpu *gpu, int signal, struct sluice_error *err)
{
    const struct task task = { .what = FOLLOW,
                               .mark = signal,
                               .awaited = lanes(gpu)->signalled[signal] };
    const int rc = lanes_free_for(gpu, "following a signal", err);
    return rc < 0 ? rc : lanes_enqueue(gpu, &task);
}

int lanes_mark(struct gpu *gpu, int mark, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "a mark", err);
    gpu_host_count.marks++;
    lanes(gpu)->passed[mark] = false;
    return rc < 0 ? rc
                  : lanes_enqueue(gpu, &(struct task){ .what = MARK, .mark = mark });
}

int lanes_passed(struct gpu *gpu, int mark, bool block, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "waiting", err);
    if (rc < 0)
        return rc;
    gpu_host_count.waits += block;
    if (block)
        lanes_drain(gpu, mark);
    return lanes(gpu)->passed[mark] ? 1 : lanes_stuck(gpu, err);
}

int lanes_stamp(struct gpu *gpu, int number, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "a stamp", err);
    if (rc < 0)
        return rc;
    if (number < 0 || number >= STAMPS)
        return sluice_fail(err, SLUICE_EDEVICE, "stamp %d of %d", number, STAMPS);
    lanes(gpu)->stamp[number] = (double)NAN;
    return lanes_enqueue(gpu, &(struct task){ .what = STAMP, .mark = number });
}

int lanes_between(struct gpu *gpu, int from, int to, double *seconds,
                  struct sluice_error *err)
{
    *seconds = lanes(gpu)->stamp[to] - lanes(gpu)->stamp[from];
    return isfinite(*seconds)
               ? 0
               : sluice_fail(err, SLUICE_EDEVICE, "a stamp that has not passed");
}

int graph_begin(struct gpu *gpu, struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "a graph begun", err);
    gpu_host_count.records++;
    if (rc < 0)
        return rc;
    lanes(gpu)->recording = calloc(1, sizeof(struct tasks));
    return lanes(gpu)->recording ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory");
}

int graph_end(struct gpu *gpu, struct gpu_graph **out, struct sluice_error *err)
{
    struct gpu_graph *g = calloc(1, sizeof *g);
    *out = g;
    if (!g)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    g->tasks = *lanes(gpu)->recording;
    free(lanes(gpu)->recording);
    lanes(gpu)->recording = NULL;
    lanes(gpu)->graphs++;
    g->number = ++lanes(gpu)->recorded;
    return 0;
}

int graph_replay(struct gpu *gpu, struct gpu_graph *graph, struct sluice_error *err)
{
    struct lanes *l = lanes(gpu);
    (void)err;
    gpu_host_count.replays++;
    for (int i = 0; i < graph->tasks.count; i++) {
        struct task t = graph->tasks.at[i];
        t.when = l->enqueued++;
        t.graph = graph->number;
        append(&l->lane[gpu->lane].tasks, &t);
    }
    if (l->at_once)
        lanes_drain(gpu, -1);
    return 0;
}

void graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    if (!graph)
        return;
    lanes(gpu)->graphs--;
    free(graph->tasks.at);
    free(graph);
}
