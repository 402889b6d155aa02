/* train_on_host.c -- not a test: sluice-train, and with "eval" sluice-eval, on a GPU
 * that is the CPU, for scripts. */
#include <string.h>

#include "gpu_on_host.h"

/* The mains of train_main.c and eval_main.c. */
int train_main(int argc, char **argv);
int eval_main(int argc, char **argv);

int main(int argc, char **argv)
{
    gpu_on_host(true);
    if (argc > 1 && strcmp(argv[1], "eval") == 0)
        return eval_main(argc - 1, argv + 1);
    return train_main(argc, argv);
}
