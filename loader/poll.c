/* poll.c -- for consumers that must not block: a descriptor to poll; and for those that
 * block, telling a wait from one that could not end. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core.h"

struct slot *sluice_next_slot(struct sluice_loader *ld)
{
    for (int i = 0; i < ld->opt.batches; i++) {
        struct slot *s = &ld->slots[i];
        if ((s->state == SLOT_FILLING || s->state == SLOT_READY) &&
            s->batch.number == ld->delivered && s->batch.epoch == ld->epoch)
            return s;
    }
    return NULL;
}

/* Would sluice_loader_next return at once, with a batch, the end or an error? */
static bool would_return(struct sluice_loader *ld)
{
    if (ld->failed)
        return true;
    if (ld->cancel)
        return false;
    if (ld->delivered == sluice_batches_of(ld, ld->epoch))
        return true;
    const struct slot *s = sluice_next_slot(ld);
    return s && s->state == SLOT_READY;
}

void sluice_tell_ready(struct sluice_loader *ld)
{
    uint64_t n = 1;
    if (ld->event_fd < 0 || would_return(ld) == ld->event_set)
        return;
    ld->event_set = !ld->event_set;
    /* Neither can fail or block: the counter is 0 or 1, and only changed here. */
    if ((ld->event_set ? write(ld->event_fd, &n, sizeof(n))
                       : read(ld->event_fd, &n, sizeof(n))) < 0)
        return;
}

int sluice_loader_fd(struct sluice_loader *ld, struct sluice_error *err)
{
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    pthread_mutex_lock(&ld->lock);
    if (ld->event_fd < 0)
        ld->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int fd = ld->event_fd < 0 ? sluice_fail(err, SLUICE_ENOMEM, "%s: eventfd: %s",
                                                  ld->file.path, strerror(errno))
                                    : ld->event_fd;
    sluice_tell_ready(ld);
    pthread_mutex_unlock(&ld->lock);
    return fd;
}

static bool waits(const struct sluice_loader *ld, pthread_t thread)
{
    for (const struct waiter *w = ld->waiters; w; w = w->next)
        if (pthread_equal(w->thread, thread))
            return true;
    return false;
}

bool sluice_all_wait(const struct sluice_loader *ld)
{
    for (int i = 0; i < ld->opt.batches; i++) {
        const struct slot *s = &ld->slots[i];
        if (s->state != SLOT_LENT ||
            !(pthread_equal(s->holder, pthread_self()) || waits(ld, s->holder)))
            return false;
    }
    return true;
}

void sluice_wait_ready(struct sluice_loader *ld)
{
    struct waiter me = { .thread = pthread_self(), .next = ld->waiters }, **at;
    const double before = sluice_seconds();
    ld->waiters = &me;
    pthread_cond_wait(&ld->ready, &ld->lock);
    for (at = &ld->waiters; *at != &me; at = &(*at)->next)
        ;
    *at = me.next;
    ld->stats.wait_seconds += sluice_seconds() - before;
}
