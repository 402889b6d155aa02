/* sluice.c -- `sluice NAME ARGS` runs the program `sluice-NAME` that lies beside it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *help;
} commands[] = {
    /* clang-format off */
    { "write", "convert a dataset into a .sluice file" },
    { "append", "put the samples of other files behind those of a file" },
    { "merge", "put the samples of several files into one" },
    { "subset", "some samples of a file as a file of their own" },
    { "split", "a file into parts by shares, or into folds" },
    { "export", "samples as files of their own, or in a publisher's binary form" },
    { "info", "what a .sluice file holds" },
    { "cat", "samples as lines of JSON, or the bytes of a field" },
    { "verify", "check every checksum of a file" },
    { "bench", "how fast a file loads, and what limits it" },
    { "augment", "a picture of what augmentation makes of images" },
    { "train", "train a network from a recipe" },
    { "search", "good values of a recipe's keys, by many runs; lists of runs; folds" },
    { "stack", "a network that learns from others, trained by folds" },
    { "plot", "what runs measured, as a chart" },
    { "eval", "accuracy, per-class table and predictions of a trained run" },
    { "vq", "a network that writes the weights of classifiers" },
    { NULL, NULL },
    /* clang-format on */
};

static void print_help(FILE *to)
{
    fputs("usage: sluice COMMAND [options] ...\n\n"
          "Packed image datasets, fast loading, training.\n\ncommands:\n",
          to);
    for (int i = 0; commands[i].name; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs(
        "\n`sluice COMMAND --help` tells more.\n\n"
        "exit status: 0 done; 1 damaged samples were found by verify, or left out by\n"
        "write or bench (training names them in its log); 2 wrong usage, or training\n"
        "that diverged; 3 the system refused; 4 a file of a later version; 5 no such\n"
        "kind of file, or damage at which the command stopped; 130 interrupted\n",
        to);
}

static int finish(void)
{
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "sluice: standard output: %s\n", strerror(errno));
    return 3;
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    ssize_t length;
    int found = 0;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : finish();
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("sluice " SLUICE_VERSION);
        return finish();
    }
    while (commands[found].name && strcmp(commands[found].name, argv[1]) != 0)
        found++;
    if (!commands[found].name) {
        fprintf(stderr, "sluice: no command '%s' (see sluice --help)\n", argv[1]);
        return 2;
    }
    length = readlink("/proc/self/exe", path, sizeof(path));
    char *slash = length > 0 && length < (ssize_t)sizeof(path) - 32
                      ? memrchr(path, '/', (size_t)length)
                      : NULL;
    if (!slash) {
        fprintf(stderr, "sluice: /proc/self/exe: %s\n", strerror(errno));
        return 3;
    }
    snprintf(slash + 1, 32, "sluice-%s", argv[1]);
    argv[1] = path;
    execv(path, argv + 1);
    fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
    return 3;
}
