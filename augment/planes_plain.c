/* planes_plain.c -- see planes.h: without flags for any instruction set. */
#define PLANES sluice_augment_planes_plain
#define PLANES_NAME "plain"
#include "planes_table.h"
