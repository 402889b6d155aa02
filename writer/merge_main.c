/* merge_main.c -- `sluice merge`: the samples of several files, one after the other. */
#include "join.h"

int main(int argc, char **argv)
{
    const struct cli_spec spec = {
        .program = "sluice merge",
        .arguments = "OUTPUT FILE...",
        .summary =
            "Put the samples of several .sluice files into one. Nothing is encoded\n"
            "anew; the files must have the same fields and classes.\n",
    };
    return join_main(spec, false, argc, argv);
}
