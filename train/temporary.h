/* temporary.h -- what is written under a name of its own first, beside the file that it
 * becomes. Names, locks and what killed processes left are writer/stale.h's. */
#ifndef SLUICE_TEMPORARY_H
#define SLUICE_TEMPORARY_H

#include <stddef.h>

#include <sluice/error.h>

#include "../writer/stale.h"

/* Make an empty file for what will be `path`: no other process or thread has it, and no
 * link is followed. Its name goes to `name`, of strlen(path) + STALE_ROOM bytes.
 * Returns a descriptor to write to, or a negative code: nothing but a regular file is
 * replaced. Until it is closed the name is held: rename before. Temporaries that nobody
 * holds any more are removed. */
int temporary_create(char *name, size_t room, const char *path,
                     struct sluice_error *err);

#endif
