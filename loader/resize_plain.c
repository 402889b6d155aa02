/* resize_plain.c -- the passes of resize_kernels.h, for any CPU. */
#define RESIZE_NAME sluice_resize_plain
#define RESIZE_TEXT "plain"
#include "resize_kernels.h"
