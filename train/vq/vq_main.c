/* vq_main.c -- sluice-vq: train a network that writes classifiers' weights, and use it.
 */
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "ranks.h"
#include "vq_train.h"
#include "vq_use.h"

enum {
    ARGUMENTS = 64,
};

struct arguments {
    int count;
    uint64_t first;
    const char *out;
    bool quiet;
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "count", CLI_INT, offsetof(struct arguments, count), 1, 100000, NULL,
      "sample: so many classifiers [16]" },
    { "first", CLI_UINT64, offsetof(struct arguments, first), 0, 4294967295.0, NULL,
      "sample: number of the first one [0]" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL,
      "encode: write the classifier that was found to this file" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "no messages" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

static void to_stderr(void *ctx, const char *line)
{
    const struct arguments *a = ctx;
    if (!a->quiet)
        fprintf(stderr, "%s\n", line);
}

static void to_stdout(void *ctx, const char *line)
{
    (void)ctx;
    puts(line);
    fflush(stdout);
}

static int interrupted(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

/* "resume=RUN" out of the list; NULL: it is not there. */
static const char *take_resume(const char **list, int *count)
{
    const char *folder = NULL;
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        if (strncmp(list[i], "resume=", 7) == 0)
            folder = list[i] + 7;
        else
            list[kept++] = list[i];
    }
    *count = kept;
    return folder;
}

static int train(const struct vq_watch *watch, const struct arguments *a,
                 const char **list, int count, struct sluice_error *err)
{
    static struct vq_config cfg;
    (void)a;
    const char *folder = take_resume(list, &count);
    const struct vq_source source = { folder, list, count };
    const int rc = folder ? vq_record_read(&cfg, &source, true, err)
                          : vq_config_read(&cfg, NULL, NULL, list, count, false, err);
    cli_catch_signals();
    return rc < 0 ? rc : vq_train(&cfg, folder, watch, err);
}

static int eval(const struct vq_watch *watch, const struct arguments *a,
                const char **list, int count, struct sluice_error *err)
{
    (void)a;
    const struct vq_source source = { list[0], list + 1, count - 1 };
    return vq_eval(&source, watch, err);
}

static int sample(const struct vq_watch *watch, const struct arguments *a,
                  const char **list, int count, struct sluice_error *err)
{
    const struct vq_source source = { list[0], list + 2, count - 2 };
    return vq_sample(&source, list[1], a->count ? a->count : 16, (uint32_t)a->first,
                     watch, err);
}

static int encode(const struct vq_watch *watch, const struct arguments *a,
                  const char **list, int count, struct sluice_error *err)
{
    const struct vq_source source = { list[0], list + 2, count - 2 };
    return vq_encode(&source, list[1], a->out, watch, err);
}

static const struct {
    const char *name, *arguments;
    int least; /* arguments */
    int (*run)(const struct vq_watch *watch, const struct arguments *a,
               const char **list, int count, struct sluice_error *err);
} verbs[] = {
    { "train", "[resume=RUN] [KEY=VALUE ...]", 0, train },
    { "eval", "RUN_OR_CHECKPOINT [KEY=VALUE ...]", 1, eval },
    { "sample", "RUN_OR_CHECKPOINT FOLDER [KEY=VALUE ...]", 2, sample },
    { "encode", "RUN_OR_CHECKPOINT CLASSIFIER [KEY=VALUE ...]", 2, encode },
};

enum {
    VERBS = sizeof verbs / sizeof *verbs,
};

static int usage(const char *verb)
{
    for (int i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, verb) == 0) {
            fprintf(stderr, "sluice vq: expected: sluice vq %s %s\n", verb,
                    verbs[i].arguments);
            return CLI_USAGE;
        }
    fprintf(stderr, "sluice vq: no '%s'; there is train, eval, sample, encode\n", verb);
    return CLI_USAGE;
}

/* The keys; lives as long as the program needs it. */
static char *describe(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    vq_config_help(to);
    fputs(
        "\nexamples:\n"
        "  sluice vq train data.train=mnist-train.sluice data.test=mnist-test.sluice\n"
        "  sluice vq train resume=runs/latest steps=10000\n"
        "  sluice vq eval runs/latest eval_ensemble=48\n"
        "  sluice vq sample runs/latest classifiers --count=100\n"
        "  sluice eval classifiers/0000.safetensors\n"
        "  sluice vq encode runs/latest classifiers/0000.safetensors\n",
        to);
    fclose(to);
    return text;
}

int main(int argc, char **argv)
{
    static const char *list[ARGUMENTS];
    struct arguments a = { 0 };
    struct sluice_error err = { .code = SLUICE_OK };
    char *epilogue = describe();
    const struct cli_spec spec = {
        .program = "sluice vq",
        .arguments = "train|eval|sample|encode ...",
        .summary =
            "A network that writes the weights of classifiers of MNIST: each latent "
            "code is one\nof them.\n\n"
            "  train  [resume=RUN] KEY=VALUE ...       a run in a folder of its own\n"
            "  eval   RUN [KEY=VALUE ...]              accuracy of an ensemble\n"
            "  sample RUN FOLDER [KEY=VALUE ...]       random classifiers as files\n"
            "  encode RUN CLASSIFIER [KEY=VALUE ...]   the nearest one to given "
            "weights\n"
            "\nRUN is a run's folder or one checkpoint.\n",
        .options = options,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS,
        .epilogue = epilogue,
    };
    const int count = cli_parse(&spec, argc, argv, &a, list);
    const struct vq_watch watch = { &a, to_stderr, to_stdout, interrupted };
    free(epilogue);
    int verb = 0;
    while (verb < VERBS && strcmp(verbs[verb].name, list[0]) != 0)
        verb++;
    if (verb == VERBS || count - 1 < verbs[verb].least)
        return usage(list[0]);
    int rc = ranks_alone("it trains in one", &err);
    if (rc == 0)
        rc = verbs[verb].run(&watch, &a, list + 1, count - 1, &err);
    return rc < 0 ? cli_report("sluice vq", &err) : cli_finish("sluice vq", CLI_OK);
}
