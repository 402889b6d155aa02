/* near.h -- how far a mistyped word is from one that exists. */
#ifndef SLUICE_CLI_NEAR_H
#define SLUICE_CLI_NEAR_H

/* Edit distance: letters to insert, remove or replace. Words are short: of longer ones
 * 63 letters count. */
int text_distance(const char *a, const char *b);

#endif
