/* join.h -- `sluice append` and `sluice merge`: files one behind the other into one. */
#ifndef SLUICE_JOIN_H
#define SLUICE_JOIN_H

#include <stdbool.h>

#include "options.h"

/* The whole program: its first argument is the file that all others go into, behind
 * what it holds (`append`) or as a new one. Returns the exit status. Of `spec`, name,
 * summary and arguments are the caller's. */
int join_main(struct cli_spec spec, bool append, int argc, char **argv);

#endif
