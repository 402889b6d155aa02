/* stale.h -- what is written under a temporary name, and what killed writers left of
 * it.
 *
 * A temporary is called <path>.tmp-<process>-<number>. Whoever writes it holds a lock
 * on it, which ends with its process, however that ends: one that nobody holds is
 * stale. */
#ifndef SLUICE_STALE_H
#define SLUICE_STALE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a temporary name beyond those of its path. */
enum { STALE_ROOM = 32 };

/* Whether `name` leads to the file or folder that is open as `fd`. */
bool sluice_stale_named(int fd, const char *name);
/* The name of this process's temporary number `attempt` for `path`, in `buf`. */
void sluice_stale_name(char *buf, size_t room, const char *path, int attempt);
/* Hold the file or folder `name`, just made and opened as `fd`, until fd is closed.
 * false: another process came first and has removed it; make another. Where there are
 * no locks, all is well. */
bool sluice_stale_hold(int fd, const char *name);
/* Remove the temporaries for `path` that nobody holds. What cannot be removed stays. */
void sluice_stale_remove(const char *path);

#endif
