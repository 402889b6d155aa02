/* train_main.c -- sluice-train: recipe and data in, a trained network out. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "recipe.h"
#include "run_config.h"
#include "train_report.h"

enum { ARGUMENTS = 128 };

struct arguments {
    const char *resume;
    bool quiet, print, plan, profile;
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "resume", CLI_STRING, offsetof(struct arguments, resume), 0, 0, NULL,
      "continue the run in this folder; also resume=DIR" },
    { "print", CLI_FLAG, offsetof(struct arguments, print), 0, 0, NULL,
      "print the resolved configuration and exit" },
    { "dry-run", CLI_FLAG, offsetof(struct arguments, plan), 0, 0, NULL,
      "open everything, say what it is and which memory it takes, and exit" },
    { "profile", CLI_FLAG, offsetof(struct arguments, profile), 0, 0, NULL,
      "time of each operator and its share of the peak: run.profile=true" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "no messages and no bar, the lines of epochs alone" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

/* Recipes, keys and models of this installation; lives as long as the program. */
static char *describe(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    fputs("examples:\n"
          "  sluice train recipe=quickstart data.train=train.sluice "
          "data.test=test.sluice\n"
          "  sluice train recipe=resnet9_ffcv training.epochs=10 "
          "data.augment=[flip,normalize]\n"
          "  sluice train resume=runs/latest\n\n",
          to);
    recipe_list(to);
    fputc('\n', to);
    config_help(to);
    fclose(to);
    return text;
}

/* Take "resume=DIR" out of the list. */
static int split_resume(struct arguments *a, const char **list, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (strncmp(list[i], "resume=", 7) == 0)
            a->resume = list[i] + 7;
        else
            list[kept++] = list[i];
    }
    return kept;
}

/* *silent: another process tells how it ended. */
static int train(struct config *cfg, const struct arguments *a, bool *silent,
                 struct sluice_error *err)
{
    struct trainer_result result = { .rank = 0 };
    struct train_report report;
    report_begin(&report, a->quiet);
    const struct trainer_watch watch = report_watch(&report);
    if (a->plan)
        return trainer_plan(cfg, &watch, err);
    cli_catch_signals();
    const int rc = a->resume ? trainer_resume(cfg, a->resume, &watch, &result, err)
                             : trainer_run(cfg, &watch, &result, err);
    *silent = result.rank > 0;
    return rc;
}

/* `sluice train search_space=sgd` is the other program's, which lies beside this one.
 */
static void hand_searches_over(char **argv)
{
    char path[PATH_MAX];
    bool search = false;
    for (int i = 1; argv[i]; i++)
        search = search || strncmp(argv[i], "search_space=", 13) == 0;
    const ssize_t n = search ? readlink("/proc/self/exe", path, sizeof(path) - 32) : 0;
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (!slash)
        return;
    snprintf(slash + 1, 32, "sluice-search");
    execv(path, argv);
}

int main(int argc, char **argv)
{
    static struct config cfg;
    static const char *list[ARGUMENTS];
    struct arguments a = { 0 };
    bool silent = false;
    struct sluice_error err = { .code = SLUICE_OK };
    hand_searches_over(argv);
    char *epilogue = describe();
    const struct cli_spec spec = {
        .program = "sluice train",
        .arguments = "[recipe=NAME] [GROUP=CHOICE ...] [KEY=VALUE ...]",
        .summary =
            "Train a network on a .sluice file. What happens is kept in a folder "
            "of its own\nunder runs/: configuration, metrics, checkpoints, plots, "
            "predictions.\n",
        .options = options,
        .arguments_min = 0,
        .arguments_max = ARGUMENTS,
        .epilogue = epilogue,
    };
    int count = cli_parse(&spec, argc, argv, &a, list), rc;
    free(epilogue);
    count = split_resume(&a, list, count);
    if (!a.resume && !count) {
        fprintf(stderr,
                "sluice train: expected recipe=NAME (see sluice train --help)\n");
        return CLI_USAGE;
    }
    if (a.resume && a.plan) {
        fprintf(stderr, "sluice train: expected --dry-run without resume\n");
        return CLI_USAGE;
    }
    rc = a.resume ? config_from_run(&cfg, a.resume, list, count, true, &err)
                  : config_from_recipe(&cfg, list, count, &err);
    if (a.profile)
        cfg.run.profile = true;
    if (rc == 0 && a.print)
        config_write(stdout, &cfg, NULL);
    else if (rc == 0)
        rc = train(&cfg, &a, &silent, &err);
    if (silent)
        return rc < 0 ? CLI_INTERRUPTED : CLI_OK;
    return rc < 0 ? cli_report("sluice train", &err)
                  : cli_finish("sluice train", CLI_OK);
}
