/* append_main.c -- `sluice append`: the samples of other files behind those of a file.
 */
#include "join.h"

int main(int argc, char **argv)
{
    const struct cli_spec spec = {
        .program = "sluice append",
        .arguments = "FILE OTHER...",
        .summary =
            "Put the samples of other .sluice files behind those of FILE, at the cost\n"
            "of the new samples alone. The files must have the same fields and\n"
            "classes. A crash at any moment leaves FILE as it was, or with all new\n"
            "samples.\n",
    };
    return join_main(spec, true, argc, argv);
}
